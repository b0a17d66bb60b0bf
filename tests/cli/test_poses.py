"""`vipe poses`, and keypoint files where other commands take videos."""

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from vipecli.cli.poses import PoseFormat
from vipecli.embedding.model import Model
from vipecli.poses.formats import FORMATS, load_poses, load_scene, save_poses
from vipecli.poses.poses import Poses
from vipecli.poses.skeleton import JOINTS

CLIP = Path(__file__).resolve().parent.parent.parent / "examples/clips/squat/squat_000_ada.mp4"
BODY = np.array(  # standing, seen from the front; pixels from the hips
    [
        *((0, -75), (20, -50), (-20, -50), (28, -25), (-28, -25), (30, 0), (-30, 0)),
        *((12, 0), (-12, 0), (13, 40), (-13, 40), (13, 80), (-13, 80)),
    ]
)


def squat(x=200.0, *, frames=60, height=1.0, phase=0.0, seen=None):
    """A person who goes down and up again."""
    times = np.arange(frames) / 30
    down = 30 * np.sin(np.pi * (np.arange(frames) / frames + phase)) ** 2
    xy = np.tile(BODY * height, (frames, 1, 1)) + np.array([x, 240])
    xy[:, :9, 1] += down[:, None]
    score = np.full((frames, 13), 0.9, np.float32)
    out = np.zeros(frames, bool)
    if seen is not None:
        out[: seen[0]] = out[seen[1] :] = True
    xy[out], score[out] = np.nan, 0
    return Poses(xy.astype(np.float32), score, times, (640, 480), "made up", "by hand")


@pytest.fixture
def two(tmp_path):
    """A file with two people: 1, small and all the time; 2, large and later."""
    people = [squat(150, height=0.5), squat(450, height=1.4, seen=(10, 50))]
    save_poses(people, tmp_path / "two.json")
    return tmp_path / "two.json"


def test_the_formats_of_the_option_are_those_of_the_table():
    assert [one.value for one in PoseFormat] == list(FORMATS)


def test_list_tells_who_is_there(vipe, two, tmp_path):
    code, out, err = vipe("poses", two, "--list", "--json", tmp_path / "who.json")
    assert (code, err) == (0, "")
    assert "largest" in out
    listed = json.loads((tmp_path / "who.json").read_text())
    assert listed["size"] == [640, 480]
    first, second = listed["people"]
    assert (first["person"], first["frames"], first["choices"]) == (1, 60, ["longest"])
    assert (second["frames"], second["start_s"]) == (40, round(10 / 30, 6))
    assert "largest" in second["choices"]
    assert first["size"][1] == pytest.approx(77, abs=20)


def test_contact_sheet_has_a_tile_for_each(vipe, two, tmp_path):
    code, out, _ = vipe("poses", two, "--list", "--out", tmp_path / "who.png")
    assert code == 0
    assert "who.png" in out
    sheet = cv2.imread(str(tmp_path / "who.png"))
    assert sheet.shape[1] > 2 * 240
    left, right = sheet[:, : sheet.shape[1] // 2], sheet[:, sheet.shape[1] // 2 :]
    for half in (left, right):  # orange is the left side of somebody
        assert (np.abs(half.astype(int) - (54, 152, 255)).sum(axis=2) < 60).sum() > 100


@pytest.mark.parametrize(
    ("person", "x"), [("1", 150), ("2", 450), ("largest", 450), ("460,200", 450)]
)
def test_person_of_a_keypoint_file(vipe, two, tmp_path, person, x):
    assert vipe("poses", two, "--person", person, "--out", tmp_path / "a.npz")[0] == 0
    found = load_poses(tmp_path / "a.npz")
    assert np.nanmedian(found.xy[:, 7:9, 0]) == pytest.approx(x, abs=1)
    assert len(found) == 60


def test_video_to_coco_and_on(vipe, tmp_path):
    code, out, err = vipe("poses", CLIP, "--out", tmp_path / "a.json", "--end", 0.4, "--fps", 15)
    assert (code, err) == (0, "")
    assert "1 person, coco" in out
    data = json.loads((tmp_path / "a.json").read_text())
    assert len(data["images"]) == 6
    assert data["categories"][0]["keypoints"][5] == "left_shoulder"
    for name, one in FORMATS.items():
        if one.suffix and (name != "slp" or find_spec("sleap_io")):
            assert vipe("poses", tmp_path / "a.json", "--out", tmp_path / f"b{one.suffix}")[0] == 0
            found = load_poses(tmp_path / f"b{one.suffix}")
            np.testing.assert_allclose(found.xy, load_poses(tmp_path / "a.json").xy, atol=1e-3)


def test_everyone_in_one_file_or_one_each(vipe, two, tmp_path):
    assert (
        vipe("poses", two, "--all-people", "--out", tmp_path / "all", "--format", "openpose")[0]
        == 0
    )
    assert len(load_scene(tmp_path / "all").everyone()) == 2
    code, out, _ = vipe("poses", two, "--all-people", "--out", tmp_path / "one.npz")
    assert (code, out.count("Wrote")) == (0, 2)
    assert load_poses(tmp_path / "one.2.npz").found.sum() == 40


def test_part_of_a_keypoint_file(vipe, two, tmp_path):
    args = ("--start", "0.5", "--end", "0:01.5", "--fps", 10)
    assert vipe("poses", two, "--out", tmp_path / "a.npz", "--person", 1, *args)[0] == 0
    np.testing.assert_allclose(load_poses(tmp_path / "a.npz").times, np.arange(5, 15) / 10)


def test_align_draws_keypoint_files_on_a_canvas(vipe, tmp_path):
    save_poses(squat(), tmp_path / "a.json")
    save_poses(squat(frames=80), tmp_path / "b", format="openpose")
    out = tmp_path / "out.mp4"
    code, text, _ = vipe(
        "align", tmp_path / "a.json", tmp_path / "b", "--out", out, "--height", 128
    )
    assert code == 0
    assert "Wrote" in text
    with av.open(str(out)) as container:
        assert not container.streams.audio
        frames = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    assert len(frames) == 60
    assert (np.abs(frames[30].astype(int) - (54, 152, 255)).sum(axis=2) < 120).sum() > 20


def test_align_a_part_of_each(vipe, tmp_path):
    save_poses(squat(frames=90), tmp_path / "a.json")
    args = ("--start", "0,1", "--end", "2,3", "--json", "-", "--ends", "closed")
    code, out, _ = vipe("align", tmp_path / "a.json", tmp_path / "a.json", *args)
    assert code == 0
    found = json.loads(out)
    assert (found["times_a"][0], found["times_b"][0]) == (0, 1)
    assert found["times_a"][-1] < 2
    assert found["times_b"][-1] == pytest.approx(2.966667)


def test_classify_and_embed_keypoint_files(vipe, tmp_path):
    for label, phase in (("squat", 0.0), ("rise", 0.5)):
        (tmp_path / "index" / label).mkdir(parents=True)
        for n in range(2):
            made = squat(200 + 30 * n, phase=phase, frames=50 + 5 * n)
            save_poses(made, tmp_path / "index" / label / f"{n}.json")
    save_poses(squat(frames=57), tmp_path / "query.csv")
    code, out, err = vipe("classify", tmp_path / "query.csv", "--index", tmp_path / "index")
    assert (code, err) == (0, "")
    assert out.startswith("squat")
    code, out, _ = vipe("embed", tmp_path / "index", "--out", tmp_path / "emb")
    assert code == 0
    assert "4 embedded" in out
    with np.load(tmp_path / "emb" / "squat" / "0.json.npz") as file:
        assert file["mean"].shape == (50, Model.load().dims)
    assert "4 were done already" in vipe("embed", tmp_path / "index", "--out", tmp_path / "emb")[1]


def test_joint_map(vipe, tmp_path):
    rows = [
        {"image_id": f"{n}.jpg", "keypoints": np.full((14, 3), 50.0 + n).ravel().tolist()}
        for n in range(3)
    ]
    (tmp_path / "odd.json").write_text(json.dumps(rows))
    code, _, err = vipe("poses", tmp_path / "odd.json", "--out", tmp_path / "a.npz")
    assert (code, err.count("\n")) == (1, 1)
    assert "--joints MAP.toml" in err
    lines = [f"{joint} = {n}" for n, joint in enumerate(JOINTS)]
    (tmp_path / "map.toml").write_text("[joints]\n" + "\n".join(lines))
    args = ("--out", tmp_path / "a.npz", "--joints", tmp_path / "map.toml")
    assert vipe("poses", tmp_path / "odd.json", *args)[0] == 0


BAD = {
    "nothing to do": ("two.json", 2, "give --out FILE, or --list"),
    "unknown format": ("two.json --out a.txt", 1, "a.txt: pose files of type '.txt'"),
    "wrong extension": ("two.json --out a.json --format npz", 1, "end in .npz"),
    "list and all": ("two.json --list --all-people", 2, "leave out --all-people"),
    "list into poses": ("two.json --list --out a.json", 2, "--out is a picture"),
    "output is the input": ("two.json --out two.json", 1, "would replace an input"),
    "missing": ("gone.json --list", 1, "gone.json: no such file"),
    "an address": ("https://example.org/a.json --list", 1, "download the video first"),
    "no such person": ("two.json --out a.npz --person 3", 1, "only 2 were found"),
    "no such choice": ("two.json --out a.npz --person tallest", 2, "is not largest"),
    "no time": ("two.json --list --start soon", 2, "is no time"),
    "nothing left": ("two.json --list --start 90", 1, "no frame lies in the part"),
    "no map": ("two.json --list --joints gone.toml", 1, "gone.toml: cannot be read"),
    "text": ("text.json --list", 1, "text.json: not a JSON file"),
    "nobody": ("nobody.json --list", 1, "nobody.json: lists nobody"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case, vipe, two, monkeypatch):
    command, expected, text = BAD[case]
    monkeypatch.chdir(two.parent)
    Path("text.json").write_text("no json")
    Path("nobody.json").write_text("[]")
    before = sorted(two.parent.rglob("*"))
    code, out, err = vipe("poses", *command.split())
    assert (code, out) == (expected, "")
    assert err.startswith("vipe: ")
    assert err.count("\n") == 1
    assert text in err
    assert sorted(two.parent.rglob("*")) == before


def test_times_of_keypoint_files_need_not_be_even(tmp_path):
    made = replace(squat(frames=5), times=np.array([0.0, 0.04, 0.1, 0.5, 0.51]))
    save_poses(made, tmp_path / "a.json")
    np.testing.assert_allclose(load_poses(tmp_path / "a.json").times, made.times)


def test_embed_each_person_as_a_track_of_its_own(vipe, two, tmp_path):
    (tmp_path / "in").mkdir()
    two.rename(tmp_path / "in" / "two.json")
    args = ("embed", tmp_path / "in", "--out", tmp_path / "emb", "--all-people")
    assert "1 embedded, 0 were done" in vipe(*args)[1]
    names = sorted(path.name for path in (tmp_path / "emb").glob("[!.]*"))
    assert names == ["two.json.1.npz", "two.json.2.npz"]
    for name, count, x in zip(names, (60, 40), (150, 450), strict=True):
        with np.load(tmp_path / "emb" / name) as file:
            assert np.isfinite(file["mean"]).all(axis=1).sum() == count
            assert np.nanmedian(file["xy"][:, 7:9, 0]) == pytest.approx(x, abs=1)
    assert "0 embedded, 1 were done" in vipe(*args)[1]
    (tmp_path / "in" / "two.json").rename(tmp_path / "in" / "renamed.json")
    assert vipe(*args)[0] == 0
    names = sorted(path.name for path in (tmp_path / "emb").glob("[!.]*"))
    assert names == ["renamed.json.1.npz", "renamed.json.2.npz"]
    save_poses(squat(), tmp_path / "in" / "renamed.json")  # one person is left
    assert vipe(*args)[0] == 0
    assert [path.name for path in (tmp_path / "emb").glob("[!.]*")] == ["renamed.json.1.npz"]
