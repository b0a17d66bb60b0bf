"""Keypoint files and recorded motion as people have them: one row per kind.

Each row makes its input, says what is right, and what the code gave before the kind was known.
"""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.bodies import waving
from tests.made_keypoints import (
    ALL,
    FPS,
    FRAMES,
    PERSON,
    POSES,
    SIZE,
    XY,
    coco,
    crowd,
    deeplabcut,
    read,
    table,
    trc,
    write,
)
from vipecli.errors import FormatError, VideoWarning
from vipecli.evaluate.views import load_mocap
from vipecli.lifting.motion_files import Motion, save_motion
from vipecli.poses.formats import load_poses, load_scene, looks_like_poses, save_poses
from vipecli.poses.joint_sets import COCO
from vipecli.poses.mocap.clips import clips
from vipecli.poses.skeleton import JOINTS

# --- 10: DeepLabCut ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "index",
    [
        lambda n: [f"labeled-data/v/img{n:03d}.png"],
        lambda n: ["labeled-data", "v", f"img{n:03d}.png"],
        lambda n: [f"labeled-data\\v\\img{n:03d}.png"],
        lambda n: [str(n)],
    ],
)
def test_10_labels_without_likelihood(tmp_path, index):
    """Before: "lists nobody", or KeyError ''."""
    found = read(deeplabcut(tmp_path / "a.csv", index))
    assert (found.score == 1).all()
    found = load_poses(deeplabcut(tmp_path / "b.csv", index, missing=(3, 5)))
    assert np.flatnonzero(found.score == 0).tolist() == [3 * 13 + 5]


def test_10_dropped_rows_are_missing_frames(tmp_path):
    """Before: frame 7 came at the time of the sixth row."""
    rows = [n for n in range(FRAMES) if n not in (5, 6, 11)]
    for name, index in (("a.csv", lambda n: [str(n)]), ("b.csv", lambda n: [f"i{n:03d}.png"])):
        assert len(read(deeplabcut(tmp_path / name, index, rows=rows), rows)) == FRAMES
    rows = [4, 5, 6]  # predictions count from the first frame of the video
    path = deeplabcut(tmp_path / "c.csv", lambda n: [str(n)], likelihood=True, rows=rows)
    found = load_poses(path)
    assert np.flatnonzero(found.found).tolist() == rows
    np.testing.assert_allclose(found.times[rows], np.array(rows) / FPS)


def test_10_labels_of_two_videos_are_refused(tmp_path):
    """Before: one clip of both."""
    path = deeplabcut(tmp_path / "a.csv", lambda n: ["labeled-data", f"v{n % 2}", f"img{n}.png"])
    with pytest.raises(FormatError, match=r"a\.csv: holds frames of 2 videos \(.*v0, .*v1\)"):
        load_poses(path)


def test_10_pictures_number_the_rows_of_any_table(tmp_path):
    """Before: the column was passed over, and the rows were frames without a gap."""
    rows = [0, 3, 6, 9]
    head = "image," + ",".join(f"{joint}_x,{joint}_y" for joint in JOINTS)
    body = [f"shots/{n:05d}.jpg," + ",".join(f"{v:.2f}" for v in XY[n].ravel()) for n in rows]
    read(write(tmp_path / "a.csv", "\n".join([head, *body])), rows)


# --- 11: COCO ------------------------------------------------------------------------------------


def add_bottle(keypoints):
    def change(data):
        names = ["a", "b", "c", "d"] if keypoints else []
        data["categories"].append({"id": 2, "name": "bottle", "keypoints": names})
        bottle = {"id": 9999, "image_id": 1, "category_id": 2, "keypoints": keypoints}
        data["annotations"].insert(0, bottle)

    return change


def text_ids(data):
    for one in data["annotations"]:
        one["image_id"] = str(one["image_id"])


def without_category_names(data):
    add_bottle([10, 10, 2] * 4)(data)
    data["categories"] = [{"id": 1}, {"id": 2}]


@pytest.mark.parametrize(
    ("before", "change"),
    [
        ("people of 17 and 4 points in one file", add_bottle([10, 10, 2] * 4)),
        ("keypoints of shape (0,)", add_bottle([])),
        ("keypoints of shape ()", add_bottle(None)),
        ("KeyError '1'", text_ids),
        ("people of 17 and 4 points", without_category_names),
    ],
)
def test_11_what_is_no_person_and_ids_of_any_type(tmp_path, before, change):
    read(coco(tmp_path / "a.json", change=change))


@pytest.mark.parametrize("name", ["frame_{:06d}.jpg", "{}.png", "v/clip3_{:04d}_rgb2.png"])
def test_11_numbers_in_file_names_are_those_of_frames(tmp_path, name):
    """Before: every third frame came at three times the speed."""
    read(coco(tmp_path / "a.json", name, rows=range(0, FRAMES, 3)), range(0, FRAMES, 3))


def test_11_images_without_anybody_are_frames(tmp_path):
    """Before: frames before the first and after the last person were lost."""

    def change(data):
        data["annotations"] = data["annotations"][2:-3]

    assert len(load_scene(coco(tmp_path / "a.json", change=change)).times) == FRAMES


def test_11_a_point_that_is_not_labelled_is_missing_whatever_its_score(tmp_path):
    """Before: a joint at (0, 0), from files of our own that another tool has edited."""

    def change(data):
        for one in data["annotations"]:
            one["keypoints"][15:18] = [0, 0, 0]

    found = load_poses(coco(tmp_path / "a.json", change=change))
    joint = JOINTS.index(COCO[5])
    assert np.isnan(found.xy[:, joint]).all() and not found.score[:, joint].any()


@pytest.mark.parametrize(
    "names",
    [("vidA/{:03d}.jpg", "vidB/{:03d}.jpg"), ("vidA_{}.jpg", "vidB_{}.jpg"), ("v1_{}", "v2_{}")],
)
def test_11_two_videos_in_one_file_are_refused(tmp_path, names):
    """Before: one clip, the second video behind or between the frames of the first."""

    def change(data):
        for n, image in enumerate(data["images"]):
            image["file_name"] = names[n % 2].format(n // 2)

    path = coco(tmp_path / "a.json", change=change)
    with pytest.raises(FormatError, match=r"a\.json: holds frames of 2 videos \(\S+, \S+\)") as no:
        load_poses(path)
    assert "--video NAME" in str(no.value)
    for n, name in enumerate(re.findall(r"(\w+)[,)]", str(no.value))):
        found = load_scene(path, joint_map=SIZE, fps=FPS / 2, video=name).choose()
        np.testing.assert_allclose(found.xy, XY[n::2], atol=0.02)
    with pytest.raises(FormatError, match=r"no video gone, but 2 videos \("):
        load_scene(path, video="gone")


def test_11_a_video_of_several_is_chosen_in_every_list(tmp_path, vipe):
    """AlphaPose's two forms, results of a detector; and by a command."""
    body = [0.0] * 51
    rows = [{"image_id": f"v{n % 2}/{n // 2}.jpg", "keypoints": body} for n in range(8)]
    for row in rows:
        n = int(row["image_id"].split("/")[1][0])
        row["keypoints"] = [v for j in range(17) for v in (10.0 * j + n, 20.0 + j * j, 1.0)]
    tree = {row["image_id"]: {"people": [{"pose_keypoints_2d": row["keypoints"]}]} for row in rows}
    for name, data in (("list", rows), ("tree", tree)):
        path = write(tmp_path / f"{name}.json", data)
        assert len(load_scene(path, video="v1").times) == 4
        code, _, err = vipe("poses", path, "--out", tmp_path / "a.npz")
        assert code == 1 and "2 videos (v0, v1); choose one of them with --video NAME" in err
        assert vipe("poses", path, "--video", "v0", "--out", tmp_path / "a.npz")[0] == 0
        assert vipe("poses", path, "--video", "v7", "--out", tmp_path / "a.npz")[0] == 1
    code, _, err = vipe("poses", tmp_path / "a.npz", "--video", "v0", "--out", tmp_path / "b.npz")
    assert code == 1 and "leave --video out" in err


def test_11_videos_by_their_ids_are_refused(tmp_path):
    def change(data):
        data["videos"] = [{"id": 1, "name": "walk.mp4"}, {"id": 2, "name": "run.mp4"}]
        for n, image in enumerate(data["images"]):
            image["video_id"] = 1 + (n > 9)

    with pytest.raises(FormatError, match=r"walk\.mp4, run\.mp4"):
        load_poses(coco(tmp_path / "a.json", change=change))


def test_11_results_without_flags_have_the_score_of_the_person(tmp_path):
    """Before: "lists nobody: every point is missing"."""
    places = [JOINTS.index(n) if n in JOINTS else 0 for n in COCO]
    rows = []
    for n in range(FRAMES):
        points = np.column_stack([XY[n][places], np.zeros(17)])
        points[9] = 0  # not found
        one = {"image_id": n, "category_id": 1, "score": 0.9, "keypoints": points.ravel().tolist()}
        rows.append(one)
    found = load_poses(write(tmp_path / "a.json", rows))
    assert found.score[0].tolist() == pytest.approx([0.9] * 5 + [0] + [0.9] * 7)


def test_11_a_long_list_of_images_hides_no_keypoints(tmp_path):
    """Before: passed over in folders without a word, for its keypoints began after 64 KiB."""
    path = coco(tmp_path / "a.json")
    data = json.loads(path.read_text())
    data["images"] += [
        {"id": 1000 + n, "width": 480, "height": 480, "file_name": f"frame_{1000 + n:06d}.jpg"}
        for n in range(3000)
    ]
    keys = ("images", "info", "categories", "annotations")
    write(path, {key: data[key] for key in keys if key != "categories"})
    assert path.read_bytes().index(b'"keypoints"') > 1 << 17
    assert looks_like_poses(path)


@pytest.mark.parametrize("images", [None, []])
@pytest.mark.parametrize("name", ["{}", "walk/frame_{:04d}.jpg"])
def test_11_labels_without_a_list_of_images_are_read(tmp_path, images, name):
    """Before: "not of a kind that is known", or "no images"."""

    def change(data):
        data["images"] = images
        for one in data["annotations"]:
            one["image_id"] = name.format(one["image_id"])

    path = coco(tmp_path / "a.json", rows=[0, 1, 2, 6], change=change)
    with pytest.warns(VideoWarning, match=r"a\.json: its list of images is missing: frames"):
        found = load_scene(path).choose()
    assert np.flatnonzero(found.found).tolist() == [0, 1, 2, 6]
    np.testing.assert_allclose(found.xy[6], XY[6], atol=0.02)


def test_11_two_videos_without_a_list_of_images(tmp_path):
    """Before: "not of a kind that is known"."""

    def change(data):
        del data["images"]
        for one in data["annotations"]:
            one["image_id"] = f"v{one['image_id'] % 2}/{one['image_id']:04d}.jpg"

    path = coco(tmp_path / "a.json", change=change)
    with pytest.raises(FormatError, match=r"holds frames of 2 videos .*; choose one"):
        load_scene(path)
    assert load_scene(path, video="v1").choose().found.sum() == FRAMES // 2


@pytest.mark.parametrize(
    "text",
    [
        '{"images": [{"id": 1, "file_name": "frame_0001.jpg", "wid',
        '[{"image_id": "0.jpg", "category_id": 1, "key',
        '{"meta_info": {"dataset_name": "coc',
    ],
)
def test_11_a_file_that_is_cut_off_is_told_of_in_folders(tmp_path, text):
    """Before: passed over in folders without a word, where it was cut before its keypoints."""
    path = write(tmp_path / "a.json", text)
    assert looks_like_poses(path)
    with pytest.raises(FormatError, match=r"a\.json: not a JSON file, or cut off"):
        load_scene(path)
    assert not looks_like_poses(write(tmp_path / "b.json", '{"images": [{"id": 1}]}\n'))
    assert not looks_like_poses(write(tmp_path / "c.json", '{"settings": {"width": 1, "he'))


# --- 12: OpenPose --------------------------------------------------------------------------------


def test_12_coordinates_from_minus_one_to_one(tmp_path):
    """Before: with the picture's size, half of the body lay outside of the picture."""
    folder = tmp_path / "poses"
    save_poses(POSES, folder, format="openpose")
    for file in folder.iterdir():
        data = json.loads(file.read_text())
        points = np.array(data["people"][0]["pose_keypoints_2d"]).reshape(-1, 3)
        points[:, :2] = points[:, :2] / POSES.size * 2 - 1
        data["people"][0]["pose_keypoints_2d"] = points.ravel().tolist()
        write(file, data)
    with pytest.raises(FormatError, match="size = "):
        load_poses(folder)
    read(folder, joint_map=SIZE)


def test_12_a_frame_that_is_cut_off_costs_no_other(tmp_path):
    """Before: the whole folder was refused, as a killed run of OpenPose leaves it."""
    save_poses(POSES, tmp_path / "a", format="openpose")
    files = sorted((tmp_path / "a").iterdir())
    files[7].write_text('{"people": [{"pose_keypoints_2d": ["x"]}]}')
    files[-1].write_text(files[-1].read_text()[:40])
    with pytest.warns(VideoWarning, match=r"a: 2 of 20 frames could not be read .*: \w+_0+7_key"):
        found = load_scene(tmp_path / "a", joint_map=SIZE).choose()
    assert np.flatnonzero(~found.found).tolist() == [7, 19]
    for file in files:
        file.write_text("{")
    with pytest.raises(FormatError, match=r"0_keypoints\.json: not a JSON file, or cut off"):
        load_scene(tmp_path / "a")


def test_12_shares_from_zero_to_one_stay_what_they_are(tmp_path):
    head = ",".join(f"{joint}_x,{joint}_y" for joint in JOINTS)
    rows = [",".join(f"{v:.6f}" for v in (XY[n] / POSES.size).ravel()) for n in range(FRAMES)]
    read(write(tmp_path / "a.csv", "\n".join([head, *rows])), joint_map=SIZE)


@pytest.mark.parametrize(("unit", "factor"), [("mm", 1000), ("cm", 100), ("M", 1), ("in", 39.3701)])
@pytest.mark.parametrize("flat", [True, False])
def test_13_units_of_the_header_count(tmp_path, unit, factor, flat):
    """Before: a flat one in millimetres was taken for pixels, upside down."""
    points = PERSON * ([1, 1, 0] if flat else 1)
    metres = load_poses(trc(tmp_path / "m.trc", points))
    other = load_poses(trc(tmp_path / "o.trc", points * factor, unit))
    np.testing.assert_allclose(metres.xy, other.xy, atol=0.05)
    assert metres.xy[0, 0, 1] < metres.xy[0, 11, 1]  # the head is above the feet


@pytest.mark.parametrize(
    "turn", [[[1, 0, 0], [0, 0, 1], [0, -1, 0]], [[0, -1, 0], [1, 0, 0], [0, 0, 1]]]
)
def test_15_z_or_x_up_is_turned(tmp_path, turn):
    """Before: seen from above."""
    upright = load_poses(trc(tmp_path / "y.trc", PERSON))
    turned = load_poses(trc(tmp_path / "z.trc", PERSON @ np.array(turn)))
    np.testing.assert_allclose(upright.xy, turned.xy, atol=1)


def test_15_who_lies_on_the_floor_stays_there(tmp_path):
    lying = PERSON @ np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]]) + [0, 0.2, 1.5]
    found = load_poses(trc(tmp_path / "a.trc", lying))
    tall = np.ptp(load_poses(trc(tmp_path / "b.trc", PERSON)).xy[0, :, 1])
    assert np.ptp(found.xy[0, :, 1]) < 0.7 * tall


def test_15_mocap_with_z_up_is_turned_and_said(tmp_path):
    """Before: measured lying on its back."""
    turned = waving(30) @ np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])
    np.savez(tmp_path / "a.npz", clip=turned.astype(np.float32))
    lines = []
    found = load_mocap([tmp_path / "a.npz"], include=["*"], remark=lines.append)
    np.testing.assert_allclose(found, waving(30), atol=1e-5)
    assert lines == ["clip: z up; converted to metres, y up"]


# --- 14: sidecar files ---------------------------------------------------------------------------

SIDECAR = b"\0\5\x16\7\0\2\0\0Mac OS X        "


def test_14_sidecar_files_are_passed_over(tmp_path):
    """Before: `._a.bvh` and `._0001.mat` ended the reading of their folders."""
    from vipecli.index import penn_action

    motion = Motion(waving(20), np.arange(20) / 30, np.zeros((20, 13)))
    for name in ("mocap/a.bvh", "labels/0001.mat", "poses/f_0_keypoints.json"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).with_name(f"._{Path(name).name}").write_bytes(SIDECAR)
    save_motion(motion, tmp_path / "mocap/a.bvh")
    save_poses(POSES, tmp_path / "labels/0001.mat")
    save_poses(POSES, tmp_path / "b", format="openpose")
    for file in (tmp_path / "b").iterdir():
        file.rename(tmp_path / "poses" / file.name)
    assert [clip.name for clip in clips([tmp_path / "mocap"])] == ["mocap/a"]
    assert [clip.id for clip in penn_action.load(tmp_path)] == ["0001"]
    assert len(load_poses(tmp_path / "poses")) == FRAMES
    assert not looks_like_poses(tmp_path / "poses/._f_0_keypoints.json")


# --- 16: tables as European Excel writes them ----------------------------------------------------


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (table(";", ","), "utf-8"),
        ("sep=;\n" + table(";", ","), "utf-8"),
        ('"sep=;"\r\n' + table(";", ",").replace("\n", "\r\n"), "utf-8-sig"),
        ("sep=\t\n" + table("\t", ","), "utf-16"),
        (table("\t", "."), "utf-16"),
        ("\ufeff" + table(";", ","), "utf-16-be"),
        ("übung;" + table(";", ",").replace("\n", "\nä;").removesuffix("ä;"), "cp1252"),
    ],
)
def test_16_decimal_commas_separator_lines_and_utf_16(tmp_path, text, encoding):
    """Before: "lists nobody", "no columns of keypoints", "not a text file"."""
    path = write(tmp_path / "a.csv", text, encoding)
    assert looks_like_poses(path)
    read(path)


def test_16_tables_parted_by_tabs(tmp_path):
    """Before: "not a video that can be read"."""
    for name, text in (("a.tsv", table("\t", ".")), ("b.TSV", table("\t", ","))):
        assert looks_like_poses(write(tmp_path / name, text))
        read(tmp_path / name)


def test_16_other_tables_with_decimal_commas(tmp_path):
    path = deeplabcut(tmp_path / "a.csv", lambda n: [str(n)], likelihood=True)
    write(path, path.read_text().replace(",", ";").replace(".", ","))
    read(path)
    rows = ["frame;keypoint;x;y;score"]
    rows += [
        f"{n};{joint};{x:.2f};{y:.2f};0.9"
        for n in range(FRAMES)
        for joint, (x, y) in zip(JOINTS, XY[n], strict=True)
    ]
    read(write(tmp_path / "b.csv", "\n".join(rows).replace(".", ","), "utf-16"))
    points = load_poses(trc(tmp_path / "p.trc", PERSON))
    commas = load_poses(trc(tmp_path / "c.trc", PERSON, comma=True))
    np.testing.assert_allclose(points.xy, commas.xy)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("start", ["", "\r\n\n"])
def test_16_tables_without_a_mark_and_with_empty_lines(tmp_path, encoding, start):
    """Before: "no columns of keypoints"."""
    head = "image," + ",".join(f"{joint}_x,{joint}_y" for joint in JOINTS)
    body = [f"{n:05d}.jpg," + ",".join(f"{v:.2f}" for v in XY[n].ravel()) for n in ALL]
    read(write(tmp_path / "a.csv", start + "\n".join([head, *body]), encoding))


# --- 17: crowds ----------------------------------------------------------------------------------


def test_17_a_crowd_takes_work_by_its_size(tmp_path):
    """Before: 4 s of processor time for 160 people, over 13 s for 250; now 0.04 s and 0.07 s."""
    calls = dict.fromkeys((100, 400), 0)
    for people in calls:
        path = crowd(tmp_path / f"{people}.json", people)

        def count(_frame, event, _arg, people=people):
            calls[people] += event in ("call", "c_call")

        sys.setprofile(count)
        try:
            scene = load_scene(path)
        finally:
            sys.setprofile(None)
        assert len(scene.tracks.tracks) > people / 2
        assert all(len(track.frames) == 3 for track in scene.tracks.tracks)
    assert calls[400] < 8 * calls[100]  # four times the people: never 16 or 64 times, as by triples
