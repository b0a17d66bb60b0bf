"""How the options of `vipe align` reach the matching, on embeddings with known timing."""

import json

import numpy as np
import pytest

import vipecli.alignment.takes
from tests.movements import movement
from vipecli.alignment.warping_path import SMOOTH_S
from vipecli.cli.app import main
from vipecli.embedding import candidates, clip
from vipecli.poses.poses import Poses
from vipecli.video.read import VideoInfo
from vipecli.video.source import ClipSource


@pytest.fixture
def align(capfd, monkeypatch, tmp_path):
    """Run `vipe align` on two movements; returns exit code, JSON and standard error."""
    monkeypatch.chdir(tmp_path)

    def seen(embeddings):
        pose = np.random.default_rng(0).uniform(0, 99, (13, 2)).astype(np.float32)
        xy = np.tile(pose, (len(embeddings), 1, 1))
        score = np.ones(xy.shape[:2], np.float32)
        return Poses(xy, score, embeddings.times, (100, 100)), embeddings

    def run(a, b, *args, b_mirrored=None):
        takes = [[candidates.Candidate(*seen(one))] for one in (a, b)]
        monkeypatch.setattr(vipecli.alignment.takes, "embed", lambda *_: b_mirrored or b)
        monkeypatch.setattr(clip.Recipe, "load_model", lambda _: None)
        monkeypatch.setattr(
            clip,
            "check_clip",
            lambda path, _=None: VideoInfo(ClipSource(path), 100, 100, 30.0, 9, 1.0, 0, False),
        )
        monkeypatch.setattr(candidates, "read_everyone", lambda *_: takes)
        with pytest.raises(SystemExit) as left:
            main(["align", "a.mp4", "b.mp4", "--json", "-", *args])
        out, err = capfd.readouterr()
        return left.value.code, json.loads(out) if out else None, err

    return run


def test_ends(align):
    a, b = movement(np.arange(0, 90) / 30), movement(np.arange(30, 150) / 30, noise=0.05)
    code, got, err = align(a, b)
    assert code == 0
    before, behind = got["unmatched"]
    assert before == {"clip": "a", "start_s": 0.0, "end_s": pytest.approx(1, abs=0.1)}
    assert behind["clip"] == "b"
    assert len(got["times_a"]) == len(got["times_b"])
    assert f"a   0.00 - {before['end_s']:.2f} s   not in b" in err
    assert f"b   {behind['start_s']:.2f} - 3.97 s   not in a" in err
    assert align(a, b, "--ends", "open")[1]["unmatched"][0]["clip"] == "a"
    code, got, err = align(a, b, "--ends", "closed")
    assert got["unmatched"] == []
    assert "not in" not in err
    assert align(a, b, "--ends", "ajar")[0] == 2


def test_offset(align):
    a, b = movement(np.arange(0, 90) / 30), movement(np.arange(30, 150) / 30, noise=0.05)
    code, got, err = align(a, b, "--offset")
    assert code == 0
    assert got["offset_s"] == pytest.approx(-1, abs=0.01)
    assert got["rate"] == 1
    assert got["unmatched"][0]["end_s"] == pytest.approx(1, abs=0.05)
    assert f"time in b = time in a {got['offset_s']:+.3f} s" in err
    code, got, err = align(a, b, "--drift")
    assert got["rate"] == 1, "too short to tell a rate"
    assert "time in b = time in a" in err


def test_smooth_reaches_the_video(align, monkeypatch):
    from vipecli.outputs import synced

    seen = []
    monkeypatch.setattr(synced, "write_reel", lambda reel, *_, **__: seen.append(reel))
    a, b = movement(np.arange(60) / 30), movement(np.arange(60) / 40)
    for args in (["--smooth", "0.8"], ["--smooth", SMOOTH_S], []):
        assert align(a, b, "--out", "x.mp4", *map(str, args))[0] == 0
    smooth, usual, default = (reel.takes[1].times for reel in seen)
    assert (usual == default).all() and np.abs(smooth - usual).max() > 1e-3


def test_the_page_gets_what_was_matched(align, monkeypatch):
    from vipecli.outputs import saving

    seen = []
    monkeypatch.setattr(saving, "write_report", lambda *args, **more: seen.append((args, more)))
    a, b = movement(np.arange(90) / 30), movement(np.arange(90) / 30, noise=0.1)
    other = movement(np.arange(90) / 30, seed=3)
    args = "--report", "page.html", "--onto", "b"
    code, got, _ = align(a, other, *args, "--mirror", "yes", b_mirrored=b)
    assert code == 0
    (alignment, left, right, out), more = seen[0]
    assert (left.name, right.name, str(out)) == ("a.mp4", "b.mp4", "page.html")
    assert alignment.times_a.tolist() == pytest.approx(got["times_a"], abs=1e-6)
    assert left.embeddings is a and right.embeddings is b
    assert more["mirrored"] is True and more["onto"] == "b"
    assert ("same action", f"{got['same_action']:.0%}") in more["words"].facts
    assert len(more["words"].charts) == 8  # angles in space
    assert "lifted to 3D" in more["words"].charts_note
    assert "left is compared with the right" in more["words"].charts_note
    align(a, other, *args)
    assert seen[1][1]["words"].warnings == ("These look like two different actions.",)
    assert align(a, b, "--report", "page.pdf")[0] == 1


def test_mirror(align):
    a, b = movement(np.arange(90) / 30), movement(np.arange(90) / 30, noise=0.1)
    other = movement(np.arange(90) / 30, seed=3)
    code, got, err = align(a, other, "--mirror", "auto", b_mirrored=b)
    assert code == 0
    assert got["mirrored"] is True
    assert "taken mirrored" in err
    for args, want in (([], False), (["--mirror", "no"], False), (["--mirror", "yes"], True)):
        assert align(a, other, *args, b_mirrored=b)[1]["mirrored"] is want
    assert align(a, b, "--mirror", "auto", b_mirrored=other)[1]["mirrored"] is False


def test_two_actions_are_told_apart(align):
    a, b = movement(np.arange(90) / 30), movement(np.arange(90) / 30, noise=0.1)
    _, got, err = align(a, b)
    assert got["same_action"] > 0.9
    assert "different actions" not in err
    _, got, err = align(a, movement(np.arange(90) / 30, seed=3))
    assert got["same_action"] < 0.5
    assert f"two different actions (same action: {got['same_action']:.0%})" in err


def test_all(align):
    a = movement(np.arange(15, 75) / 30)
    three = np.r_[np.arange(0, 90), np.arange(0, 90, 1.3), np.arange(0, 90)] / 30
    code, got, err = align(a, movement(three, noise=0.1), "--all")
    assert code == 0
    assert [part["start_s"] for part in got["repetitions"]] == [
        pytest.approx(start, abs=0.15) for start in (0.5, 3.4, 5.83)
    ]
    assert all(part["times_a"][-1] == pytest.approx(a.times[-1]) for part in got["repetitions"])
    assert got["distance"] == min(part["distance"] for part in got["repetitions"])
    assert "a 3x in b" in err
    code, got, err = align(a, movement(three, seed=3, noise=0.1), "--all")
    assert (code, got) == (1, None)
    assert "b.mp4: shows nothing like a.mp4" in err
    code, got, err = align(movement(three, noise=0.1), movement(np.arange(15, 35) / 30), "--all")
    assert (code, got) == (1, None)
    assert "b.mp4: shows no whole repetition of a.mp4" in err and "comes first" in err
    assert align(a, a, "--all", "--offset")[0] == 2


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--style", "wipe", "c.mp4"], "--style wipe takes two clips"),
        (["--onto", "b", "c.mp4"], "--onto b takes two clips; for more there is --reference"),
        (["--all", "c.mp4"], "--all takes two clips"),
        (["--by", "sound"], "--by sound goes with --offset or --drift"),
        (["--offset", "--mirror", "auto"], "--mirror goes without --offset and --drift"),
        (["--drift", "--ends", "open"], "--ends goes without --all, --offset and --drift"),
        (["--all", "--ends", "closed"], "--ends goes without --all, --offset and --drift"),
        (["--report", "x.html", "c.mp4"], "--report takes two clips"),
        (["--reference", "4", "c.mp4"], "--reference 4: there are 3 clips"),
        (["--reference", "2"], "of two there is --onto b"),
        (["--reference", "last"], "is not best or a number from 1 to 9"),
        (["--audio", "c"], "--audio c: there are 2 clips"),
        (["--match", "sampled", "--all"], "--match sampled goes without --all"),
        (["--audio", "loud"], "is not a letter from a to i, or none"),
        ([f"{i}.mp4" for i in range(8)], "10 clips; at most nine fit"),
        (["--csv", "x.csv", "--plot", "x.csv"], None),
        (["--out", "x.mp4", "--csv", "x.mp4"], "named for two results"),
        (["--otio", "x.xml"], None),
    ],
)
def test_what_does_not_go_together(align, args, message):
    a = movement(np.arange(30) / 30)
    code, got, err = align(a, a, *args)
    assert got is None
    assert code == (1 if message is None else 2)
    assert message is None or message in err
    assert err.count("\n") == 1


def test_every_other_result(align, tmp_path):
    a, b = movement(np.arange(60) / 30), movement(np.arange(60) / 40, noise=0.1)
    names = {"--csv": "x.csv", "--plot": "x.svg", "--otio": "x.otio"}
    code, _, err = align(a, b, *[word for pair in names.items() for word in pair])
    assert code == 0
    assert [line for line in err.splitlines() if line.startswith("Wrote")] == [
        f"Wrote {name}" for name in names.values()
    ]
    assert {path.name for path in tmp_path.iterdir()} == set(names.values())
