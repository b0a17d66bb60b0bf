"""Takes matched with one of them."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tests.movements import movement
from vipecli.alignment import takes as takes_module
from vipecli.alignment.align import align
from vipecli.alignment.offset import Offset
from vipecli.alignment.takes import Clip, Settings, match_clips
from vipecli.cli.summary import summary
from vipecli.errors import UnsureError
from vipecli.outputs.mapping import COLUMNS, as_json, write_csv
from vipecli.outputs.reel import reel_of
from vipecli.poses.poses import Poses
from vipecli.video.source import ClipSource


def clip(name: str, times: np.ndarray, **options) -> Clip:
    seen = movement(times, **options)
    pose = np.random.default_rng(0).uniform(0, 99, (13, 2)).astype(np.float32)
    xy = np.tile(pose, (len(seen), 1, 1))  # they say nothing: the embeddings do
    poses = Poses(xy, np.ones(xy.shape[:2], np.float32), seen.times, (100, 100))
    return Clip(ClipSource(Path(name)), poses, seen)


@pytest.fixture(scope="module")
def takes() -> list[Clip]:
    return [
        clip("far.mp4", np.arange(60) / 30, noise=0.6),
        clip("slow.mp4", np.arange(0, 60, 0.8) / 30, noise=0.1),
        clip("mid.mp4", np.arange(60) / 30),
        clip("fast.mp4", np.arange(0, 60, 1.25) / 30, noise=0.1),
    ]


def nothing():
    raise AssertionError("no mirror image was asked for")


def test_the_best_reference_is_nearest_to_all(takes):
    stranger = clip("other.mp4", np.arange(60) / 30, seed=3)
    clips = [stranger, *takes]
    total = [
        sum(align(one.embeddings, two.embeddings).cost for two in clips if two is not one)
        for one in clips
    ]
    found = match_clips(clips, nothing, reference="best")
    assert found.reference == int(np.argmin(total)) > 0
    assert found.matches[found.reference] is None and len(found.others) == 4
    assert match_clips(clips[:2], nothing, reference="best").reference == 0


def test_all_takes_are_on_one_clock(takes):
    found = match_clips(takes[1:], nothing, reference=1)
    reel = reel_of(found)
    assert reel.reference == 1 and len(reel) == len(takes[2])
    slow, mid, fast = (take.times for take in reel.takes)
    assert mid == pytest.approx(takes[2].poses.times)
    inner = slice(10, 50)
    assert slow[inner] == pytest.approx(mid[inner] / 0.8, abs=0.08)
    assert fast[inner] == pytest.approx(mid[inner] / 1.25, abs=0.08)
    assert reel.takes[1].match is None and (reel.takes[0].match >= 0).all()
    both = reel_of(found, onto="both")
    lasts = [take.times[-1] - take.times[0] for take in both.takes]
    assert len(both) / both.fps == pytest.approx(np.mean(lasts), abs=0.1)
    with pytest.raises(ValueError, match="more than two"):
        reel_of(found, onto="b")


def test_the_mapping_of_many(takes, tmp_path):
    found = match_clips(takes[1:], nothing)
    data = as_json(found, reel_of(found))
    assert data["inputs"] == ["slow.mp4", "mid.mp4", "fast.mp4"] and data["reference"] == 0
    assert [one["input"] for one in data["clips"]] == [1, 2]
    for one in data["clips"]:
        assert len(one["times_reference"]) == len(one["times_clip"])
        assert {"distance", "same_action", "mirrored", "unmatched"} <= set(one)
    assert len(data["times"]) == 3 and {len(times) for times in data["times"]} == {75}
    write_csv(found, tmp_path / "out.csv")
    rows = [line.split(",") for line in (tmp_path / "out.csv").read_text().splitlines()]
    assert tuple(rows[0]) == COLUMNS
    steps = sum(len(match.alignment) for match in found.others)
    assert len(rows) == steps + 1 and {len(row) for row in rows} == {len(COLUMNS)}
    text = "\n".join(summary(found, [Path("wall.mp4")]))
    assert text.startswith("Wrote wall.mp4\nslow.mp4 (a) is the reference\nmid.mp4 (b): Match ")
    assert "fast.mp4 (c)" in text and "c 1.5x as fast as a" in text


def test_frames_that_were_not_looked_at_are_shown(takes):
    found = match_clips(takes[2:], nothing)
    usual, finer = reel_of(found), reel_of(found, fps=60.0)
    assert (usual.fps, finer.fps, len(finer)) == (30, 60, 2 * len(usual) - 1)
    assert finer.takes[1].times[::2] == pytest.approx(usual.takes[1].times)


def test_several_cameras_of_one_event():
    cameras = [clip(f"{i}.mp4", np.arange(9 * i, 120) / 30, noise=0.05) for i in range(3)]
    found = match_clips(cameras, nothing, settings=Settings(clock="offset"))
    shifts = [match.shift.shift_s for match in found.others]
    assert shifts == pytest.approx([-0.3, -0.6], abs=0.02)
    assert found.others[0].same_action is None


def of_pairs(monkeypatch, shifts):
    """Plant what is found for pairs of cameras, numbered by their lengths: shift and confidence."""

    def find(a, b, **options):
        pair = len(a.embeddings) - 120, len(b.embeddings) - 120
        if pair not in shifts:
            raise UnsureError("nothing that both show is found")
        return Offset(shifts[pair][0], 1.0, 0.5, 3.0, shifts[pair][1], by="sound")

    monkeypatch.setattr(takes_module, "find_shift", find)
    return [clip(f"{i}.mp4", np.arange(120 + i) / 30) for i in range(1 + max(map(max, shifts)))]


def test_cameras_that_contradict_each_other_come_with_a_warning(monkeypatch):
    cameras = of_pairs(monkeypatch, {(0, 1): (1, 25), (0, 2): (2, 25), (1, 2): (2, 25)})
    found = match_clips(cameras, nothing, settings=Settings(clock="offset"))
    assert len(found.remarks) == 1 and "left out" in found.remarks[0]
    for one in as_json(found)["clips"]:
        assert "contradict each other" in one["warning"] and one["by"] == "sound"
    assert "\n".join(summary(found, [])).count("contradict each other") == 2


def test_a_pair_that_is_left_out_lends_its_confidence_to_no_answer(monkeypatch):
    pairs = {(0, 1): (0.5, 9), (0, 2): (1, 8), (1, 2): (0, 8), (0, 3): (1, 8), (1, 3): (0, 8)}
    found = match_clips(of_pairs(monkeypatch, pairs), nothing, settings=Settings(clock="offset"))
    first = found.matches[1].shift
    assert first.shift_s == pytest.approx(1) and first.confidence == 0 and first.by == "sound"
    assert first.warning == "known through other clips only"


@pytest.mark.parametrize("wrong", [0, 3])
def test_one_wrong_file_among_good_ones_is_named(monkeypatch, wrong):
    pairs = {(i, j): (0, 9) for i in range(4) for j in range(i + 1, 4) if wrong not in (i, j)}
    cameras = of_pairs(monkeypatch, {**pairs, (3, 3): (0, 0)})
    with pytest.raises(UnsureError, match=f"nothing that both.*; without {wrong}.mp4 it works"):
        match_clips(cameras, nothing, settings=Settings(clock="offset"))


def test_each_take_is_mirrored_where_that_fits(takes, monkeypatch):
    other = clip("left.mp4", np.arange(60) / 30, seed=3)
    monkeypatch.setattr(takes_module, "mirrored", lambda poses: poses)
    sides = {len(other): movement(np.arange(60) / 30, noise=0.1)}
    monkeypatch.setattr(
        takes_module, "embed", lambda poses, _: sides.pop(len(poses), other.embeddings)
    )
    found = match_clips([takes[2], other], lambda: None, settings=Settings(mirror="auto"))
    assert found.others[0].mirrored
    assert reel_of(found).takes[1].mirrored
    assert "b is taken mirrored" in "\n".join(summary(found, []))


def test_repetitions_in_turn_and_at_once():
    a = clip("one.mp4", np.arange(15, 75) / 30)
    three = np.r_[np.arange(0, 90), np.arange(0, 90, 1.3), np.arange(0, 90)] / 30
    b = clip("three.mp4", three, noise=0.1)
    found = match_clips([a, b], nothing, settings=Settings(every=True))
    assert len(found.others[0].repetitions) == 3
    turns = reel_of(found)
    assert len(turns.takes) == 2 and len(turns.cuts) == 2 and len(turns) == 180
    assert [mark.title for mark in turns.marks] == [f"Repetition {i} of 3" for i in (1, 2, 3)]
    assert turns.takes[0].times[60] == turns.takes[0].times[0], "starts over"
    assert (np.diff(turns.takes[1].times) >= 0).all()
    wall = reel_of(found, apart=True)
    assert [take.title for take in wall.takes] == ["one.mp4", "1 of 3", "2 of 3", "3 of 3"]
    assert len(wall) == 60
    onto_b = reel_of(found, onto="b")
    spans = [part.times_b[-1] - part.times_b[0] for part in found.others[0].repetitions]
    assert len(onto_b) / onto_b.fps == pytest.approx(sum(spans), abs=0.3)


@pytest.mark.parametrize(
    ("count", "options", "message"),
    [
        (1, {}, "2 to 9"),
        (10, {}, "2 to 9"),
        (2, {"reference": 2}, "reference is 2"),
        (2, {"reference": "worst"}, "reference is 'worst'"),
        (3, {"settings": Settings(every=True)}, "one other take"),
    ],
)
def test_what_cannot_be_matched(takes, count, options, message):
    with pytest.raises(ValueError, match=message):
        match_clips([takes[2]] * count, nothing, **options)


@pytest.mark.parametrize(
    "options",
    [{"ends": "ajar"}, {"mirror": "maybe"}, {"clock": "x"}, {"every": 1, "clock": "offset"}],
)
def test_wrong_settings(options):
    with pytest.raises(ValueError, match=r"use one of|exclude"):
        Settings(**options)


def test_a_session_is_plain_data(takes):
    found = match_clips(takes[2:], nothing)
    assert dataclasses.replace(found, reference=0) == found


def test_the_papers_estimator(takes):
    far, _, mid, _ = takes
    closed, drawn = (
        match_clips([mid, far], nothing, settings=Settings(match=match)).others[0].alignment
        for match in ("expected", "sampled")
    )
    assert 0 < abs(drawn.cost - closed.cost) < 0.1
    assert np.abs(drawn.match_probability.mean() - closed.match_probability.mean()) < 0.05
    for more in ({"every": True}, {"clock": "drift"}):
        with pytest.raises(ValueError, match="excludes repetitions"):
            Settings(match="sampled", **more)
