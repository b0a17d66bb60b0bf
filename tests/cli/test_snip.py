"""Labelled stretches of a clip as films."""

import csv
import json

import av
import pytest

from tests import footage
from tests.media import make_video, number
from vipecli.errors import FormatError
from vipecli.index.timeline import Stretch
from vipecli.outputs.captions import write_captions
from vipecli.outputs.captions_file import load_stretches
from vipecli.video.copying import copy_part
from vipecli.video.read import probe, read_frames

EVERY_10 = {"g": "10", "keyint_min": "10", "sc_threshold": "0", "bf": "2"}


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """20 numbered frames at 25 per second, key frames at 0 and 10, with sound, turned."""
    path = tmp_path_factory.mktemp("film") / "long film.mp4"
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=25, options=EVERY_10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.set_display_rotation(90)
        _write(target, stream)
    return path


def _write(target, stream):
    from tests.media import grey

    for i in range(20):
        target.mux(stream.encode(av.VideoFrame.from_ndarray(grey(i), format="bgr24")))
    target.mux(stream.encode(None))


def numbers(path):
    return [number(image) for _, image in read_frames(path)]


def test_a_part_that_starts_with_a_key_frame_is_copied(film, tmp_path):
    assert copy_part(film, tmp_path / "part.mp4", 0.4, 0.6)
    shown = numbers(tmp_path / "part.mp4")
    assert shown[:5] == [10, 11, 12, 13, 14] and len(shown) <= 8, "a few more at the end"
    assert probe(tmp_path / "part.mp4").orientation == probe(film).orientation
    assert not copy_part(film, tmp_path / "no.mp4", 0.3, 0.6), "no key frame there"
    assert not (tmp_path / "no.mp4").exists()


def test_a_film_of_2000_frames_per_second_is_cut(tmp_path, vipe):
    film = footage.video("fast.mp4", options=footage.CLOSED, fps=2000)(tmp_path)
    (tmp_path / "t.csv").write_text("start_s,end_s,label\n0.01,0.02,jump\n")
    code, _, err = vipe("snip", film, "--timeline", tmp_path / "t.csv", "--out", tmp_path / "cut")
    assert code == 0, err
    (made,) = (tmp_path / "cut").glob("*/*.mp4")
    assert [footage.number(image) for _, image in read_frames(made)] == list(range(20, 40, 2))


def test_cuts_into_a_folder_per_label_with_a_list(film, tmp_path, vipe):
    timeline = tmp_path / "t.csv"
    timeline.write_text(
        "start_s,end_s,label,confidence\n0.4,0.8,squat,0.9\n0.12,0.4,../a/lunge,0.5\n0,0.2,,1\n"
    )
    code, out, err = vipe("snip", film, "--timeline", timeline, "--out", tmp_path / "cut")
    assert code == 0, err
    rows = list(csv.DictReader((tmp_path / "cut" / "manifest.csv").open()))
    assert [(row["label"], row["copied"]) for row in rows] == [
        ("squat", "yes"),
        ("../a/lunge", "no"),
    ]
    made = [tmp_path / "cut" / row["file"] for row in rows]
    assert all(f"Wrote {path}" in out for path in made)
    assert made[0].parent.name == "squat" and made[1].parent.parent == tmp_path / "cut"
    assert numbers(made[0])[0] == 10 and numbers(made[1]) == [3, 4, 5, 6, 7, 8, 9]


def test_another_clip_adds_to_the_list(film, tmp_path, vipe):
    timeline = tmp_path / "t.json"
    timeline.write_text(json.dumps([{"start_s": 0, "end_s": 0.2, "label": "hop"}]))
    other = make_video(tmp_path / "other.mp4")
    for clip in (film, other, other):
        code, out, err = vipe(
            *("snip", clip, "--timeline", timeline, "--out", tmp_path / "cut", "--json", "-")
        )
        assert code == 0, err
    assert [one["label"] for one in json.loads(out)["snippets"]] == ["hop"]
    rows = list(csv.DictReader((tmp_path / "cut" / "manifest.csv").open()))
    assert [row["file"] for row in rows] == [
        "hop/long film_0.00-0.20.mp4",
        "hop/other_0.00-0.20.mp4",
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "give --index FOLDER, or --timeline FILE"),
        (["--timeline", "late.csv"], 1, "ends at 0.80 s; nothing to cut at 5.00 s"),
        (
            ["--timeline", "late.csv", "--only", "swim"],
            1,
            "no such stretch to cut; labels found: run",
        ),
        (["--timeline", "none.csv"], 1, "no such stretch to cut; all of it is none of the labels"),
        (["--timeline", "wrong.csv"], 1, "wrong.csv: stretch 1 has no start_s below its end_s"),
        (["--timeline", "gone.srt"], 1, "gone.srt: cannot be read"),
        (["--timeline", "list.txt"], 1, "timelines are read as .csv, .json, .srt, .vtt"),
    ],
)
def test_one_line_for_what_cannot_be_cut(film, tmp_path, vipe, monkeypatch, arguments, code, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "late.csv").write_text("start_s;end_s;label\n5;6;run\n")
    (tmp_path / "none.csv").write_text("start_s;end_s;label\n0;0.6;none of these\n")
    (tmp_path / "wrong.csv").write_text("start_s,end_s,label\n6,nan,run\n")
    got, _, err = vipe("snip", film, "--out", "cut", *arguments)
    assert (got, err.count("\n")) == (code, 1) and said in err
    assert not (tmp_path / "cut").exists()


@pytest.mark.parametrize("suffix", ["json", "csv", "srt", "vtt"])
def test_timelines_are_read_as_they_are_written(tmp_path, suffix):
    own = [Stretch(0.5, 2.25, "a <b> & c", 0.75), Stretch(3600, 3601.5, None, 0.5)]
    write_captions(own, tmp_path / f"t.{suffix}")
    assert load_stretches(tmp_path / f"t.{suffix}") == own


@pytest.mark.parametrize("text", ["hop", "hop,", "hop,0.25"])
def test_a_confidence_that_is_not_stated_is_left_empty(film, tmp_path, vipe, text):
    table = tmp_path / "own.csv"
    table.write_text(f"start_s,end_s,label,confidence\n0,0.2,{text}\n")
    code, out, err = vipe(
        *("snip", film, "--timeline", table, "--out", tmp_path / "cut", "--json", "-")
    )
    assert code == 0, err
    want = 0.25 if "0.25" in text else None
    assert json.loads(out)["snippets"][0]["confidence"] == want
    (row,) = csv.DictReader((tmp_path / "cut" / "manifest.csv").open())
    assert row["confidence"] == (str(want) if want else "")


@pytest.mark.parametrize(
    "text", ["[[1]]", "{}", "[" * 5000, '[{"start_s": 1e400, "end_s": 2, "label": "x"}]', "", "[]"]
)
def test_what_is_no_timeline_is_refused(tmp_path, text):
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(FormatError, match=r"t\.json"):
        load_stretches(tmp_path / "t.json")
