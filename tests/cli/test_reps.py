import csv
import json

import av
import numpy as np
import pytest

from benchmarks.repetitions import make_clip
from tests.alignment.test_trials import raising
from vipecli.evaluate.views import Noise
from vipecli.poses.formats import save_poses


@pytest.fixture
def squats(tmp_path):
    path = tmp_path / "squats.npz"
    save_poses(make_clip(1000, count=4, noise=Noise(std=0.015)).poses, path)
    return path


@pytest.fixture
def takes(tmp_path):
    for name, depth in (("l_1", 120), ("l_2", 122), ("r_1", 60), ("r_2", 64)):
        (tmp_path / "takes").mkdir(exist_ok=True)
        save_poses(raising(depth), tmp_path / "takes" / f"{name}.npz")
    return tmp_path / "takes"


def test_counts_and_writes_everything(squats, vipe, tmp_path):
    files = {name: tmp_path / f"out.{name}" for name in ("json", "csv", "svg", "mp4")}
    code, out, err = vipe(
        *("reps", squats, "--json", files["json"], "--csv", files["csv"]),
        *("--plot", files["svg"], "--out", files["mp4"], "--snip", tmp_path / "cut"),
    )
    assert code == 0, err
    assert "4 repetitions" in out and "Farthest from the others" in out
    data = json.loads(files["json"].read_text())
    assert data["count"] == len(data["trials"]) == 4
    assert len(data["mean_deg"]["left knee"]) == 101
    rows = list(csv.DictReader(files["csv"].open()))
    assert len(rows) == 4 * 101 and rows[-1]["phase_percent"] == "100"
    assert files["svg"].read_text().startswith("<?xml")
    cuts = sorted((tmp_path / "cut").iterdir())
    assert [path.name for path in cuts] == [f"squats_{i}.mp4" for i in (1, 2, 3, 4)]
    for path, trial in zip(cuts, data["trials"], strict=True):
        with av.open(str(path)) as film:
            seconds = sum(1 for _ in film.decode(video=0)) / 30
        assert seconds == pytest.approx(trial["end_s"] - trial["start_s"], abs=0.07)
    assert files["mp4"].stat().st_size > 1000


def test_like_a_template_finds_the_same(squats, vipe, tmp_path):
    clip = make_clip(1000, count=4, noise=Noise(std=0.015))
    first = slice(*np.searchsorted(clip.poses.times, clip.spans[0]))
    save_poses(clip.poses.part(first), tmp_path / "one.npz")
    code, out, err = vipe("reps", squats, "--like", tmp_path / "one.npz", "--json", "-")
    assert code == 0, err
    starts = [trial["start_s"] for trial in json.loads(out)["trials"]]
    assert starts == pytest.approx([start for start, _ in clip.spans], abs=0.5)


def test_two_groups_of_a_folder(takes, vipe):
    code, out, err = vipe(
        *("reps", takes, "--group", "low=r_*", "--group", "high=l_*", "--pose", "2d"),
        *("--json", "-"),
    )
    assert code == 0, err
    data = json.loads(out)
    assert [trial["name"] for trial in data["trials"]] == [
        "l_1.npz",
        "l_2.npz",
        "r_1.npz",
        "r_2.npz",
    ]
    widest = data["groups_differ"][0]
    assert widest["angle"] == "left shoulder" and widest["difference_deg"] > 30
    assert "high less low" in err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--group", "x"], "NAME=GLOB"),
        (["--group", "a=l_*"], "two groups"),
        (["--group", "a=l_*", "--group", "b=nothing*"], "b: 0 clips"),
        (["--like", "x.npz"], "one clip"),
    ],
)
def test_options_that_cannot_be(takes, vipe, options, says):
    code, _, err = vipe("reps", takes, *options)
    assert (code, err.count("\n")) == (2, 1)
    assert says in err


def test_a_bad_clip_costs_no_other(takes, vipe):
    """Before: the first one ended everything."""
    (takes / "a.npz").write_bytes(b"PK damaged")
    code, out, err = vipe("reps", *sorted(takes.iterdir()), "--pose", "2d", "--json", "-")
    assert code == 1
    assert [one["name"] for one in json.loads(out)["trials"]] == [
        "l_1.npz",
        "l_2.npz",
        "r_1.npz",
        "r_2.npz",
    ]
    assert "1 of 5 clips failed" in err and "a.npz" in err
    code, out, err = vipe("reps", takes / "a.npz", takes / "l_1.npz")
    assert code == 1 and "a.npz: " in err and "at least 2" in err and not out


def test_a_clip_without_repetitions_is_one_line(vipe, tmp_path):
    save_poses(raising(5), tmp_path / "still.npz")
    code, _, err = vipe("reps", tmp_path / "still.npz")
    assert (code, err.count("\n")) == (1, 1)
    assert "still.npz" in err and "--like" in err
