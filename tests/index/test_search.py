"""Poses found across clips, and the sheet that shows them."""

import dataclasses
import json

import cv2
import numpy as np
import pytest

from tests.index.test_classify import clip
from tests.index.test_sources import penn_archive
from tests.index.test_store import poses
from vipecli.cli.app import main
from vipecli.embedding.distance import frame_distance, matching_probability
from vipecli.errors import NoPoseError
from vipecli.index.search import APART_S, one_frame, search
from vipecli.outputs.sheet import TILE_PX, Tile, write_sheet
from vipecli.poses.formats import save_poses


def test_the_best_frame_of_each_clip_in_order():
    clips = [clip(action, 1, t=30 + action) for action in range(6)]
    clips[2].mean[:20] = np.nan
    query = one_frame(clip(3, 9), 11)
    hits = search(query, clips, top=4)
    best = sorted((float(frame_distance(query, c).min()), i) for i, c in enumerate(clips))[:4]
    assert [hit.clip for hit in hits] == [i for _, i in best]
    for hit, (distance, i) in zip(hits, best, strict=True):
        assert hit.distance == pytest.approx(distance)
        assert hit.time_s == clips[i].times[hit.frame]
        p = matching_probability(query, clips[i])[0, hit.frame]
        assert hit.match_probability == pytest.approx(float(p), abs=1e-5)


def test_the_frame_itself_is_found_and_left_out_when_asked():
    clips = [clip(action, 1) for action in range(3)]
    query = one_frame(clips[1], 7)
    assert (search(query, clips)[0].clip, search(query, clips)[0].frame) == (1, 7)
    left_out = np.array([False, True, False])
    assert {hit.clip for hit in search(query, clips, leave_out=left_out)} == {0, 2}
    assert search(query, clips, leave_out=~np.zeros(3, bool)) == []


def test_the_papers_estimator():
    clips = [clip(action, 1, t=30) for action in range(3)]
    query = one_frame(clip(1, 9), 11)
    closed, drawn = (search(query, clips, match=match) for match in ("expected", "sampled"))
    assert [hit.clip for hit in closed] == [hit.clip for hit in drawn]
    assert drawn == search(query, clips, match="sampled")  # a fixed seed
    off = [
        abs(a.match_probability - b.match_probability) for a, b in zip(closed, drawn, strict=True)
    ]
    assert 0 < max(off) < 0.1


def test_several_of_one_clip_are_apart():
    hits = search(one_frame(clip(0, 1), 5), [clip(0, 2, t=90)], per_clip=3)
    times = sorted(hit.time_s for hit in hits)
    assert len(times) == 3
    assert np.diff(times).min() >= APART_S


def test_bad_queries():
    query = one_frame(clip(0, 1), 5)
    with pytest.raises(ValueError, match="one frame"):
        search(clip(0, 1), [clip(0, 2)])
    nobody = dataclasses.replace(query, mean=np.full((1, 16), np.nan, np.float32))
    with pytest.raises(NoPoseError, match="nobody is seen"):
        search(nobody, [clip(0, 2)])


def test_the_sheet_shows_joints_where_there_is_no_picture(tmp_path):
    clip = poses(4)
    tile = Tile(clip.xy[0], clip.score[0], clip.size, "query")
    gone = dataclasses.replace(tile, video=tmp_path / "gone.mp4", title="x" * 200)
    write_sheet(tile, [gone, tile], tmp_path / "sheet.png")
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet.shape[1] > 3 * TILE_PX
    assert len(np.unique(sheet.reshape(-1, 3), axis=0)) > 50
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]


def test_the_command(tmp_path, capsys):
    archive = penn_archive(tmp_path / "penn.npz", range(1, 6))
    save_poses(poses(20), tmp_path / "mine.npz")

    def vipe(*args):
        with pytest.raises(SystemExit) as stop:
            main([str(arg) for arg in args])
        out, err = capsys.readouterr()
        return stop.value.code, out, err

    assert vipe("index", "build", archive, "--out", tmp_path)[0] == 0
    mine = f"{tmp_path / 'mine.npz'}@0.3"
    code, out, err = vipe(
        "search", mine, "--index", tmp_path, "--exclude", "0003", "--json", "-", "--top", 3,
        "--sheet", tmp_path / "sheet.png",
    )  # fmt: skip
    assert code == 0, err
    result = json.loads(out)
    assert len(result["hits"]) == 3
    assert len({hit["clip"] for hit in result["hits"]}) == 3
    assert "0003" not in {hit["clip"] for hit in result["hits"]}
    assert result["time_s"] == pytest.approx(0.3, abs=0.03)
    assert (tmp_path / "sheet.png").stat().st_size > 1000
    code, out, err = vipe("search", mine, "--index", tmp_path, "--sheet", tmp_path / "x.jpg")
    assert (code, out) == (1, "")
    assert "is a .png" in err
    _, out, _ = vipe("search", tmp_path / "mine.npz", "--index", tmp_path, "--json", "-")
    assert json.loads(out)["time_s"] == pytest.approx(19 / 25 / 2, abs=0.03)  # its middle
    assert vipe("search", tmp_path / "mine.npz", "--index", tmp_path / "nowhere")[0] == 1
