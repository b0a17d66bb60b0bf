"""Kinds of names that break a format, and what each output makes of them.

The third column says what the code did with such a name before it was cleaned in one place.
"""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import opentimelineio as otio
import pytest

from tests.bodies import seen, waving
from tests.outputs.test_timeline import FPS, moments, reel
from vipecli.cli.console import printable
from vipecli.files import json_text
from vipecli.index.timeline import Stretch
from vipecli.outputs.angles import save_figure, shown_name
from vipecli.outputs.captions import write_captions
from vipecli.outputs.draw import draw_text, elide, text_width
from vipecli.outputs.text import cue, one_line, table_cell
from vipecli.outputs.timeline import write_timeline
from vipecli.poses.formats import save_poses

CLIPS = Path(__file__).parents[1] / "examples" / "clips"
NO_UTF8 = os.fsdecode(b"clip\xff\xe9.mp4")  # as Python has it: lone surrogates

KINDS = {
    # name: (as given, in one line, what came out before)
    "plain": ("squat.mp4", "squat.mp4", "as it is"),
    "line break": ("a\nM2   AX  000.0\n.mp4", "a M2 AX 000.0 .mp4", "a line of its own in an EDL"),
    "return": ("a\r\nb", "a b", "two lines in .edl and .srt"),
    "blank line": ("a\n\n2\n00:00:00,000 --> 00:00:09,000\nx", None, "a cue of its own in an .srt"),
    "separators": ("a\u2028b\u2029c\x85d", "a b c d", "line breaks for some readers"),
    "tab": ("a\tb", "a b", "raqm_layout: no picture"),
    "title of a terminal": ("\x1b]0;owned\x07a", "]0;owneda", "set the title of the window"),
    "clipboard": ("\x1b]52;c;cm0K\x07", "]52;c;cm0K", "written to the clipboard"),
    "C1 control": ("a\x9b31mb", "a31mb", "changed the colour of the terminal"),
    "right to left": ("a\u202e4pm.exe", "a4pm.exe", "shown backwards"),
    "formula": ('=HYPERLINK("x")', '=HYPERLINK("x")', "run by a spreadsheet"),
    "no UTF-8": (NO_UTF8, "clip\ufffd\ufffd.mp4", "UnicodeEncodeError in --json, --csv, --otio"),
    "emoji": ("👩\u200d🦰.mp4", "👩\u200d🦰.mp4", "as it is"),
    "only controls": ("\x1b\x00", "", "raqm_layout: no picture"),
}
NAMES = [pytest.param(given, id=kind) for kind, (given, *_) in KINDS.items()]


@pytest.mark.parametrize("given, line, _", KINDS.values(), ids=KINDS)
def test_one_line(given, line, _):
    assert one_line(given) == (line if line is not None else " ".join(given.split()))
    assert len(one_line(given).splitlines()) <= 1
    one_line(given).encode("utf-8")


@pytest.mark.parametrize("given", NAMES)
def test_a_terminal_shows_a_name_and_does_not_obey_it(given):
    shown = printable(given)
    assert "\x1b" not in shown and "\x9b" not in shown and "\u202e" not in shown
    assert len(shown.splitlines()) == 1
    shown.encode("utf-8")
    if given.isprintable():
        assert shown == given


def test_what_would_control_a_terminal_is_spelled_out():
    assert printable("\x1b]0;x\x07") == r"\x1b]0;x\x07"
    assert printable("a\nb") == r"a\nb"
    assert printable(NO_UTF8) == r"clip\udcff\udce9.mp4"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", " =", "\t=", "\x1b="])
def test_a_table_holds_no_formula(start):
    assert table_cell(start + "1+1")[0] == "'"


@pytest.mark.parametrize("given", NAMES)
def test_json_gives_the_name_back(given):
    text = json_text({"inputs": [given]})
    assert json.loads(text.encode("utf-8"))["inputs"] == [given]


def labelled(given: str):
    return reel().labelled(["", given])


@pytest.mark.parametrize("given", NAMES)
def test_an_edl_keeps_its_lines(tmp_path, given):
    pytest.importorskip("otio_cmx3600_adapter")
    for name, out in (("b", "plain.edl"), (given, "named.edl")):
        write_timeline(labelled(name), tmp_path / out)
    plain, named = ((tmp_path / f"{n}.edl").read_text().splitlines() for n in ("plain", "named"))
    assert len(named) == len(plain)
    assert [x for x in named if not x.startswith(("TITLE", "* FROM"))] == [
        x for x in plain if not x.startswith(("TITLE", "* FROM"))
    ]
    timeline = otio.adapters.read_from_file(str(tmp_path / "named.edl"), rate=FPS)
    (track,) = timeline.video_tracks()
    assert np.abs(moments(track, FPS) - reel().takes[1].times).max() <= 1.5 / FPS


@pytest.mark.parametrize("given", NAMES)
def test_a_timeline_names_its_tracks_in_one_line(tmp_path, given):
    write_timeline(labelled(given), tmp_path / "out.otio")
    timeline = otio.adapters.read_from_file(str(tmp_path / "out.otio"))
    assert timeline.video_tracks()[1].name == (one_line(given) or "b.mp4")


@pytest.mark.parametrize("given", NAMES)
@pytest.mark.parametrize("suffix", [".srt", ".vtt", ".csv", ".json"])
def test_captions(tmp_path, given, suffix):
    out = tmp_path / f"out{suffix}"
    write_captions([Stretch(0, 1, given, 0.9), Stretch(1, 2, None, 0.8)], out)
    text = out.read_bytes().decode("utf-8")
    if suffix == ".json":
        assert json.loads(text)[0]["label"] == given
    elif suffix == ".csv":
        rows = list(csv.reader(io.StringIO(text)))
        assert [row[2] for row in rows] == ["label", table_cell(given), ""]
    else:
        assert text.count("-->") == 2
        assert text.split("-->")[1].splitlines()[1].endswith(" (90%)")
        assert len(text.strip().splitlines()) == 7


def test_a_subtitle_shows_markup_as_text(tmp_path):
    write_captions([Stretch(0, 1, "<b>&-->", 0.9)], tmp_path / "out.vtt")
    assert "&lt;b&gt;&amp;--&gt; (90%)" in (tmp_path / "out.vtt").read_text()
    assert cue("a --> b") == "a -> b"


@pytest.mark.parametrize("given", NAMES)
def test_pictures(tmp_path, given):
    from matplotlib.figure import Figure

    image = np.zeros((40, 200, 3), np.uint8)
    draw_text(image, elide(given, 16, 150), (4, 20), 16, (255, 255, 255))
    draw_text(image, given, (4, 20), 16, (255, 255, 255), tabular=True)
    assert text_width(given, 16) == text_width(one_line(given), 16)
    figure = Figure()
    figure.add_subplot().set_title(shown_name(given))
    save_figure(figure, tmp_path / "out.svg")


def test_a_very_long_name_is_drawn_at_once():
    image = np.zeros((40, 200, 3), np.uint8)
    draw_text(image, elide("x" * 200_000, 16, 150), (4, 20), 16, (255, 255, 255))
    assert image.any()


def test_a_file_name_that_is_no_utf8_has_an_address():
    assert Path("/x", NO_UTF8).as_uri().endswith("clip%FF%E9.mp4")


@pytest.mark.skipif(os.name == "nt" or sys.platform == "darwin", reason="names are Unicode there")
def test_a_clip_whose_name_is_no_utf8_goes_through_the_commands(tmp_path):
    clip = tmp_path / NO_UTF8
    clip.write_bytes((CLIPS / "squat" / "squat_000_ada.mp4").read_bytes())
    other = CLIPS / "squat" / "squat_120_ben.mp4"
    runs = [
        ["align", clip, other, "--end", "0.5", "--csv", "a.csv", "--json", "a.json"],
        ["align", clip, other, "--end", "0.5", "--otio", "a.otio", "--out", "a.mp4"],
        ["poses", clip, "--end", "0.5", "--out", "p.json", "--json", "-"],
    ]
    for run in runs:
        command = [sys.executable, "-m", "vipecli", *map(os.fsencode, map(str, run))]
        done = subprocess.run(command, capture_output=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "a.json").read_bytes())["inputs"][0] == str(clip)
    (tmp_path / "a.csv").read_text(encoding="utf-8")


# --- whole commands ------------------------------------------------------------------------------


def strange(folder):
    """Clips of which only one cannot be read, in a folder; all names are odd, two no UTF-8."""
    folder = folder / os.fsdecode(b"walks\xff")
    folder.mkdir()
    names = [NO_UTF8.replace(".mp4", ".npz"), "line\nbreak.npz", "=1+1.npz", "ü.npz"]
    for i, name in enumerate(names):
        save_poses(seen(waving(20 + i)), folder / name)
    nobody = {"images": [{"id": 1}], "annotations": [{"image_id": 7, "keypoints": [1, 2, 2]}]}
    (folder / os.fsdecode(b"bad\xfe\x1b[31m.json")).write_text(json.dumps(nobody))
    return folder, names


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_folder_of_strange_names_is_embedded_but_for_the_bad_one(tmp_path, vipe, jobs):
    """Before: the first name that is no UTF-8 ended everything."""
    folder, names = strange(tmp_path)
    out, log = tmp_path / "out", tmp_path / "log"
    code, said, err = vipe("embed", folder, "--jobs", jobs, "--out", out, "--log", log)
    assert (code, said.split(",")[0]) == (1, "4 embedded"), err
    assert sorted(p.name for p in out.rglob("[!.]*.npz")) == sorted(f"{n}.npz" for n in names)
    assert "\x1b" not in err and r"bad\udcfe\x1b[31m.json" in err
    (row,) = map(json.loads, log.read_text().splitlines())
    assert "bad" in json.dumps(row)


@pytest.mark.skipif(os.name == "nt" or sys.platform == "darwin", reason="names are Unicode there")
@pytest.mark.parametrize("jobs", [1, 2])
def test_films_of_strange_names_are_embedded_once(tmp_path, vipe, monkeypatch, jobs):
    monkeypatch.setenv("VIPE_CACHE", "off")
    folder, out = tmp_path / os.fsdecode(b"films\xff"), tmp_path / "out"
    folder.mkdir()
    names = [NO_UTF8, "line\nbreak.mp4", "\x1b]0;owned\x07.mp4"]
    for name in names:
        shutil.copy(CLIPS / "squat" / "squat_000_ada.mp4", folder / name)
    (folder / os.fsdecode(b"bad\xfe\x1b[31m\n.mp4")).write_bytes(b"no film")
    for done in ("3 embedded, 0 were", "0 embedded, 3 were"):
        code, said, err = vipe("embed", folder, "--end", 0.3, "--jobs", jobs, "--out", out)
        assert (code, said.startswith(done)) == (1, True), said + err
        assert sorted(p.name for p in out.rglob("[!.]*.npz")) == sorted(f"{n}.npz" for n in names)
        assert "\x1b" not in said + err and r"bad\udcfe\x1b[31m .mp4" in err


def test_every_output_of_an_alignment_takes_strange_names(tmp_path, vipe):
    folder, names = strange(tmp_path)
    wanted = [tmp_path / name for name in ("a.json", "a.csv", "a.otio", "a.edl", "a.png")]
    options = zip(("--json", "--csv", "--otio", "--otio", "--plot"), wanted, strict=True)
    for other in names[1:]:
        for option, path in options:
            code, _, err = vipe("align", folder / names[0], folder / other, option, path)
            assert code == 0, err
            path.read_bytes().decode("utf-8" if path.suffix != ".png" else "latin-1")


def test_labels_of_an_index_reach_no_terminal_and_no_file_as_commands(tmp_path, vipe):
    from vipecli.index.store import load

    labels = ["\x1b]0;owned\x07a", '=HYPERLINK("x")', "a\n\n9\n00:00:00,000 --> x", "a\u202eb"]
    rows = ["path,label"]
    for i in range(3 * len(labels)):
        save_poses(seen(waving(30 + 3 * i)), tmp_path / f"{i}.npz")
        rows.append(f"{i}.npz," + '"' + labels[i % len(labels)].replace('"', '""') + '"')
    (tmp_path / "labels.csv").write_text("\n".join(rows), newline="")
    code, out, err = vipe("index", "build", tmp_path)
    assert code == 0, err
    assert {facts.label for facts in load(tmp_path).facts()} == set(labels)
    save_poses(seen(waving(40)), tmp_path / "query.npz")
    shown = [out + err]
    for command in (("classify", tmp_path / "query.npz"), ("search", f"{tmp_path}/query.npz@0.2"),
                    ("index", "info")):  # fmt: skip
        more = [tmp_path] if command[0] == "index" else ["--index", tmp_path]
        code, out, err = vipe(*command, *more)
        assert code == 0, err
        shown.append(out + err)
    for text in shown:
        assert not {"\x1b", "\x07", "\u202e"} & set(text)
    lists = [tmp_path / name for name in ("t.srt", "t.csv", "t.vtt")]
    options = [part for path in lists for part in ("--timeline", path)]
    code, _, err = vipe(
        *("classify", tmp_path / "query.npz", "--index", tmp_path, "--every", 0.5, *options)
    )
    assert code == 0, err
    for path in lists:
        text = path.read_text(encoding="utf-8")
        assert not {"\x1b", "\x07", "\u202e"} & set(text)
        assert not any(
            cell.startswith("=") for line in text.splitlines() for cell in line.split(",")
        )
