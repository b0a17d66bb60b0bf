"""Keypoint files and recorded motion as people have them: one row per kind.

Each row makes its input, says what is right, and what the code gave before the kind was known.
"""

import json
import re
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest

from tests.bodies import STANDING, seen, waving
from tests.conftest import ROOT
from vipecli.errors import FormatError, VideoWarning
from vipecli.evaluate.views import load_mocap
from vipecli.lifting.motion_files import Motion, save_motion
from vipecli.poses.formats import (
    JointMap,
    load_joint_map,
    load_poses,
    load_scene,
    looks_like_poses,
    save_poses,
)
from vipecli.poses.joint_sets import BODY25, COCO, MEDIAPIPE
from vipecli.poses.mocap.bvh import read_bvh
from vipecli.poses.mocap.clips import clips
from vipecli.poses.mocap.joint_names import joints_of_bvh
from vipecli.poses.skeleton import JOINTS

FRAMES = 20
FPS = 30.0
ALL = range(FRAMES)
POSES = seen(waving(FRAMES))
XY = POSES.xy
SIZE = JointMap((), size=POSES.size)


def write(path, text, encoding="utf-8"):
    path.write_bytes((text if isinstance(text, str) else json.dumps(text)).encode(encoding))
    return path


def read(path, frames=ALL, *, atol=0.02, **options):
    """Poses of a file, which have to be those of the given frames at their times, and no others."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = load_scene(path, **options).choose()
    frames = np.array(frames)
    np.testing.assert_allclose(found.times[frames], frames / FPS, atol=1e-6)
    assert np.flatnonzero(found.found).tolist() == frames.tolist()
    np.testing.assert_allclose(found.xy[frames], XY[frames], atol=atol)
    return found


# --- 10: DeepLabCut ------------------------------------------------------------------------------


def deeplabcut(path, index, *, likelihood=False, rows=ALL, missing=None):
    """A table of DeepLabCut; `index` gives the first cells of a row."""
    width = len(index(0))
    axes = ("x", "y", "likelihood") if likelihood else ("x", "y")
    lead = "," * (width - 1)
    lines = [
        f"scorer{lead}" + ",Me" * len(axes) * len(JOINTS),
        f"bodyparts{lead}" + "".join(f",{joint}" * len(axes) for joint in JOINTS),
        f"coords{lead}" + "".join(f",{axis}" for _ in JOINTS for axis in axes),
    ]
    for n in rows:
        cells = [
            *(f"{x:.2f},{y:.2f}" if (n, j) != missing else "," for j, (x, y) in enumerate(XY[n])),
        ]
        cells = [cell + (",0.9" if likelihood else "") for cell in cells]
        lines.append(",".join([*index(n), *cells]))
    return write(path, "\n".join(lines) + "\n")


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


def coco(path, name="frame_{:06d}.jpg", *, rows=ALL, change=lambda data: None):
    save_poses(POSES, path, format="coco")
    data = json.loads(path.read_text())
    data["images"] = [i for i in data["images"] if i["frame_id"] in rows]
    kept = {image["id"] for image in data["images"]}
    data["annotations"] = [a for a in data["annotations"] if a["image_id"] in kept]
    for image in data["images"]:
        image["file_name"] = name.format(image.pop("frame_id"))
        del image["time_s"]
    change(data)
    return write(path, data)


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


# --- 13, 15: .trc --------------------------------------------------------------------------------

PERSON = np.stack([STANDING] * 4) - STANDING[:, 1].min() * np.array([0, 1, 0])
NAMES = ["Head", *(f"{n[0].upper()}{n.split('_')[1].title()}" for n in JOINTS[1:])]


def trc(path, points, unit="m", comma=False):
    lines = [
        "PathFileType\t4\t(X/Y/Z)\ta.trc",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits",
        f"30\t30\t{len(points)}\t13\t{unit}",
        "Frame#\tTime\t" + "\t\t\t".join(NAMES) + "\t\t",
        "\t\tX1\tY1\tZ1",
        "",
    ]
    for n, row in enumerate(points):
        lines.append("\t".join([str(n + 1), f"{n / 30:.6f}", *(f"{v:.5f}" for v in row.ravel())]))
    text = "\n".join(lines) + "\n"
    return write(path, text.replace(".", ",") if comma else text)


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


def table(delimiter, decimal):
    head = delimiter.join(f"{joint}_{axis}" for joint in JOINTS for axis in "xy")
    rows = [
        delimiter.join(f"{v:.2f}".replace(".", decimal) for v in XY[n].ravel())
        for n in range(FRAMES)
    ]
    return "\n".join([head, *rows]) + "\n"


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


def crowd(path, people, frames=3):
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 1, (people, 1, 2)) * [1800, 900] + rng.uniform(0, 80, (people, 17, 2))
    rows = [
        {
            "image_id": n,
            "category_id": 1,
            "keypoints": np.column_stack([one + 3 * n, np.ones(17)]).ravel().round(1).tolist(),
        }
        for n in range(frames)
        for one in points
    ]
    return write(path, rows)


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


# --- 18: names -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Müller.mp4", "体操.mp4", "a\nb\tc.mp4", "bad\udcff.mp4"])
@pytest.mark.parametrize("suffix", [".trc", ".bvh", ".json", ".npz"])
def test_18_motion_of_a_clip_of_any_name(tmp_path, name, suffix):
    """Before: UnicodeEncodeError, reported as an unexpected error."""
    motion = Motion(waving(5), np.arange(5) / 30, np.zeros((5, 13)), source=name)
    save_motion(motion, tmp_path / f"a{suffix}")
    if suffix == ".trc":
        lines = (tmp_path / "a.trc").read_text(encoding="utf-8").splitlines()
        assert len(lines) == 6 + 5
        assert lines[0].count("\t") == 3
        assert "Mü" in lines[0] or "M" not in name


@pytest.mark.parametrize("name", ["Müller.mp4", "a\nb.mp4", "bad\udcff.mp4"])
@pytest.mark.parametrize("format", ["coco", "mmpose", "mediapipe", "trc", "npz"])
def test_18_poses_of_a_clip_of_any_name(tmp_path, name, format):
    from dataclasses import replace

    suffix = {"trc": ".trc", "npz": ".npz"}.get(format, ".json")
    save_poses(replace(POSES, source=name), tmp_path / f"a{suffix}", format=format)
    assert len(load_poses(tmp_path / f"a{suffix}")) == FRAMES


# --- 23: files that would fill the memory --------------------------------------------------------


def matlab_bomb(path):
    """245 kB that took 2.8 GB: a text of a hundred million letters."""
    header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM"
    size = 60_000_000
    tags = b"".join(
        [
            (6).to_bytes(4, "little") + (8).to_bytes(4, "little") + b"\4\0\0\0" + bytes(4),
            (5).to_bytes(4, "little") + (8).to_bytes(4, "little"),
            (1).to_bytes(4, "little") + size.to_bytes(4, "little"),
            b"\1\0\1\0a\0\0\0",
            (16).to_bytes(4, "little") + size.to_bytes(4, "little"),
        ]
    )
    matrix = (14).to_bytes(4, "little") + (len(tags) + size).to_bytes(4, "little") + tags
    packed = zlib.compress(matrix + bytes(size), 9)
    path.write_bytes(
        header + (15).to_bytes(4, "little") + len(packed).to_bytes(4, "little") + packed
    )


def npz_bomb(path):
    """1 MB that took 1.3 GB."""
    arrays = {
        "format_version": np.int64(1),
        "xy": np.zeros((200_000, 13, 2)),
        "score": np.zeros((200_000, 13)),
        "times": np.arange(200_000.0) * 0,
        "size": np.array([1, 1]),
        "source": "",
        "detector": "",
        "landmarks": np.zeros((200_000, 33, 3)),
    }
    np.savez_compressed(path, **arrays)


def mocap_bomb(path):
    np.savez_compressed(path, clip=np.zeros((400_000, 13, 3)))


def toml_bomb(path):
    """100 kB that took over 5.8 GB: memory by the square of the parts of a key."""
    path.write_text("a" + ".a" * 50_000 + " = 1\n")


def toml_of_many_keys(path):
    path.write_text("".join(f"{'.'.join('a' * 400)}.k{i} = 1\n" for i in range(120)))


def json_bomb(path):
    path.write_text("[" + "[]," * 12_000_000 + "[]]")


def csv_bomb(path):
    """Every row of one cell stands for ten thousand landmarks."""
    head = "frame,person,landmark,x,y\n"
    rows = [f"0,0,{k},1,1" for k in range(9000)] + [f"{n},0,1,1,1" for n in range(1, 60_000)]
    path.write_text(head + "\n".join(rows))


def line_bomb(path):
    """A line of 50 MB: took 240 MB before it was refused."""
    path.write_bytes(b"x1,y1\n" + b"1," * 25_000_000)


def trc_bomb(path):
    """Rows of two cells below ten thousand markers."""
    head = ["PathFileType\t4", "Units", "m", "F\tT\t" + "\t\t\t".join(map(str, range(9000))), ""]
    path.write_text("\n".join(head + [f"{n}\t{n}" for n in range(100_000)]))


def sparse_bomb(path):
    row = {"keypoints": [[10, 20]] * 17, "keypoint_scores": [1] * 17}
    frames = [{"frame_id": 49 * n, "instances": [row]} for n in range(20_000)]
    write(path, frames)


def read_config(path):
    from vipecli.train.config import load_config

    return load_config(path)


BOMBS = {
    "a.mat": (matlab_bomb, load_scene, "unpacks to more than 8 MB"),
    "a.npz": (npz_bomb, load_scene, "unpacks to more than 64 MB"),
    "b.npz": (mocap_bomb, lambda path: load_mocap([path], include=["*"]), "more than 64 MB"),
    "a.toml": (toml_bomb, load_joint_map, "at most 64 kB"),
    "b.toml": (toml_bomb, read_config, "at most 64 kB"),
    "c.toml": (toml_of_many_keys, load_joint_map, "at most 64 kB"),
    "a.json": (json_bomb, load_scene, "more than 20,000,000 values"),
    "b.json": (sparse_bomb, load_scene, "the limit is"),
    "a.csv": (csv_bomb, load_scene, "more than 10,000,000 points"),
    "b.csv": (line_bomb, load_scene, "a line of more than 1,048,576 characters"),
    "a.trc": (trc_bomb, load_scene, "more than 20,000,000 values"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_23_limits_hold_before_memory_is_reserved(tmp_path, name):
    """One line that says the limit, in a process that grows by less than 700 MB."""
    if name.endswith(".toml"):
        pytest.importorskip("torch", reason="needs the extra train")
    make, _, says = BOMBS[name]
    make(tmp_path / name)
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from tests.test_keypoint_kinds import BOMBS\n"
        "from vipecli.errors import FormatError\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "path = Path(sys.argv[1])\n"
        "try:\n    BOMBS[path.name][1](path)\n"
        "except FormatError as exc:\n    print(exc)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / name)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    line, grown = done.stdout.splitlines()
    assert name in line
    assert says in line
    if sys.platform == "linux":
        assert int(grown) < (50_000 if make is line_bomb else 700_000), grown


# --- 29: mocap of any unit -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("factor", "unit"),
    [
        (1, None),
        (100, "centimetres"),
        (1000, "millimetres"),
        (39.37, "inches"),
        (9, "unknown"),
    ],
)
def test_29_units_are_told_by_the_torso(tmp_path, factor, unit):
    """Before: centimetres were taken for metres without a word."""
    np.savez(tmp_path / "a.npz", clip=(waving(30) * factor).astype(np.float32))
    lines = []
    found = load_mocap([tmp_path / "a.npz"], include=["*"], remark=lines.append)
    np.testing.assert_allclose(found, waving(30), rtol=0.2 if unit == "unknown" else 1e-3)
    assert len(lines) == (unit is not None)
    assert unit is None or unit in lines[0]


def test_29_evaluation_reads_what_training_reads(tmp_path):
    """Before: .npz of one folder only."""
    truth = waving(30)
    motion = Motion(truth, np.arange(30) / 30, np.zeros((30, 13)))
    (tmp_path / "real/deep").mkdir(parents=True)
    (tmp_path / "mine").mkdir()
    save_motion(motion, tmp_path / "real/deep/walk.bvh")
    (tmp_path / "mine/link").symlink_to(tmp_path / "real", target_is_directory=True)
    (tmp_path / "mine/loop").symlink_to(tmp_path / "mine", target_is_directory=True)
    np.savez(tmp_path / "mine/a.npz", clip=truth.astype(np.float32))
    found = load_mocap([tmp_path / "mine"], include=["*"])
    assert len(found) == 60
    direct = joints_of_bvh(read_bvh(tmp_path / "real/deep/walk.bvh"), tmp_path)
    np.testing.assert_allclose(np.sort(found[30:].ravel()), np.sort(direct.ravel()), atol=1e-3)


# --- several clips named, one of them bad --------------------------------------------------------


def test_good_clips_beside_a_bad_one_are_labelled(tmp_path):
    """Before: `vipe classify a.json bad.json` did neither."""
    for label, frames in (("up", 30), ("down", 24)):
        (tmp_path / "index" / label).mkdir(parents=True)
        save_poses(seen(waving(frames)), tmp_path / "index" / label / "a.json")
    save_poses(seen(waving(33)), tmp_path / "a.json")
    (tmp_path / "bad.json").write_text("{")
    names = [str(tmp_path / n) for n in ("bad.json", "a.json", "gone.json")]
    command = [
        sys.executable,
        "-m",
        "vipecli",
        "classify",
        *names,
        "--index",
        "index",
        "--json",
        "-",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert [clip["clip"] for clip in json.loads(done.stdout)["clips"]] == [names[1]], done.stdout
    assert "bad.json" in done.stderr
    assert "gone.json" in done.stderr


# --- times, and where points are -----------------------------------------------------------------


def wide(path, columns, scale=1.0, names=JOINTS):
    """A table of a row per frame; `columns` gives further cells of a row by their names."""
    rows = [[*columns(0), *(f"{n}_{a}" for n in names for a in "xy")]]
    for i in ALL:
        rows.append([*columns(i).values(), *(repr(float(v)) for v in XY[i].ravel() * scale)])
    return write(path, "\n".join(",".join(map(str, row)) for row in rows))


@pytest.mark.parametrize(
    ("name", "of"),
    [
        ("timestamp", lambda t: 1000 * t),
        ("timestamp", lambda t: 1e6 * t),
        ("time", lambda t: f"{1.7e18 + 1e9 * t:.0f}"),
        ("timestamp", lambda t: 1.7e9 + t),
        ("timestamp", lambda t: f"2024-05-06T07:08:{9 + t:09.6f}"),
        ("time", lambda t: f"00:59:{59.2 + t:06.3f}" if t < 0.8 else f"01:00:{t - 0.8:06.3f}"),
        ("Time (s)", lambda t: t),
        ("time_sec", lambda t: t),
        ("timestampMs", lambda t: 1000 * t),
        ("elapsed_s", lambda t: t),
    ],
)
def test_10_times_of_any_unit_and_name(tmp_path, name, of):
    """Before: milliseconds were seconds, clocks began in 1970, and other names did not count."""
    path = wide(tmp_path / "a.csv", lambda i: {name: of(i / 15)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = load_scene(path).choose()
    step = np.diff(found.times)
    np.testing.assert_allclose(step, 1 / 15, atol=2e-3)
    assert 0 <= found.times[0] < 3600


def test_10_a_row_per_landmark_without_frame_numbers(tmp_path):
    """Before: all rows were one frame."""
    head = {"time": ["time", "joint", "x", "y"], "": ["joint", "x", "y"]}
    for time, names in head.items():
        rows = [names]
        for i in ALL:
            for name, (x, y) in zip(JOINTS, XY[i], strict=True):
                rows.append([*([i / FPS] if time else []), name, float(x), float(y)])
        text = "\n".join(",".join(map(str, row)) for row in rows)
        read(write(tmp_path / f"a{time}.csv", text))


def landmarks(i):
    places = XY[i] / POSES.size
    names = [name if name in JOINTS else "head" for name in MEDIAPIPE]
    return [dict(zip("xy", map(float, places[JOINTS.index(name)]), strict=True)) for name in names]


@pytest.mark.parametrize(
    ("whole", "frame"),
    [
        ({"fps": 15}, lambda i: {}),
        ({"metadata": {"frame_rate": 15, "frame_width": 1000, "frame_height": 1000}}, lambda i: {}),
        ({}, lambda i: {"timestamp": 1000 * i / 15}),
        ({}, lambda i: {"timestampMs": 1000 * i / 15}),
        ({}, lambda i: {"frame_index": 2 * i}),
        ({}, lambda i: {"frame_number": 2 * i}),
    ],
)
def test_11_landmarks_with_their_times_and_numbers(tmp_path, whole, frame):
    """Before: 30 per second, without gaps."""
    data = {**whole, "frames": [{**frame(i), "landmarks": landmarks(i)} for i in ALL]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = load_scene(write(tmp_path / "a.json", data), joint_map=SIZE).choose()
    seen_at = found.times[np.flatnonzero(found.found)]
    np.testing.assert_allclose(seen_at, np.array(ALL) / 15, atol=1e-6)


def test_11_pictures_that_bear_the_name_of_their_video(tmp_path):
    """Before: all were one frame."""
    images = [{"id": i, "file_name": "video.mp4", "width": 1000, "height": 1000} for i in ALL]
    names = list(COCO)
    places = [XY[:, JOINTS.index(n) if n in JOINTS else 0] for n in names]
    rows = [
        {
            "image_id": i,
            "category_id": 1,
            "keypoints": [[float(p[i, 0]), float(p[i, 1]), 2] for p in places],
        }
        for i in ALL
    ]
    categories = [{"id": 1, "name": "person", "keypoints": names}]
    data = {"images": images, "annotations": rows, "categories": categories}
    read(write(tmp_path / "a.json", data))


@pytest.mark.parametrize("nowhere", ["0,0", "-1,-1", "0.0,0.0"])
def test_12_points_that_are_exactly_nowhere(tmp_path, nowhere):
    """Before: a wrist in the corner of the picture."""
    path = wide(tmp_path / "a.csv", lambda i: {"frame": i})
    wrist = ",".join(repr(float(v)) for v in XY[3, 5])
    path.write_text(path.read_text().replace(wrist, nowhere, 1))
    found = load_scene(path).choose()
    assert np.isnan(found.xy[:, 5]).any(axis=1).sum() == 1
    assert found.size[0] > 900


def test_12_a_folder_of_two_videos_with_other_numbers_is_refused(tmp_path):
    """Before: the second video followed the first one."""
    for name, start in (("a", 0), ("b", 50)):
        for i in range(5):
            points = [1.0 + i, 2.0, 0.5] * 25
            text = {"people": [{"pose_keypoints_2d": points}]}
            write(tmp_path / f"{name}_{start + i:012d}_keypoints.json", text)
    with pytest.raises(FormatError, match="holds frames of 2 videos"):
        load_scene(tmp_path)


@pytest.mark.parametrize("turn", [[0, 2, 1], [0, 1, 2]])
def test_15_a_table_of_places_in_a_room(tmp_path, turn):
    """Before: z up was seen from above, y up stood on its head; with nothing said."""
    places = 1000 * waving(FRAMES)[:, :, turn] + [0, 0, 0 if turn[1] == 2 else 2500]
    names = [name if name in JOINTS else "head" for name in MEDIAPIPE]
    rows = [[f"{name}_{axis}" for name in MEDIAPIPE for axis in "xyz"]]
    rows += [[float(v) for n in names for v in places[i, JOINTS.index(n)]] for i in ALL]
    text = "\n".join(",".join(map(str, row)) for row in rows)
    with pytest.warns(VideoWarning, match="positions in 3D"):
        found = load_poses(write(tmp_path / "a.csv", text))
    assert (found.xy[:, 0, 1] < found.xy[:, 7, 1]).all()  # the head is above the hips
    assert (found.xy[:, 11, 1] - found.xy[:, 0, 1] > 500).all()


@pytest.mark.parametrize(("times", "said"), [({}, []), ({3: 0.12}, ["states the times of some"])])
def test_16_cells_of_times_that_are_empty(tmp_path, times, said):
    """Before: the times were said not to increase; of labels, some were passed over in silence."""
    path = wide(tmp_path / "a.csv", lambda i: {"frame": i, "timestamp": times.get(i, "")})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = load_poses(path)
    np.testing.assert_allclose(found.times, np.array(ALL) / 30)
    assert [str(w.message).split(": ")[1][:24] for w in caught] == said


def test_15_a_table_with_y_up_is_told_of(tmp_path):
    path = wide(tmp_path / "a.csv", lambda i: {"frame": i}, scale=np.array([1, -1] * 13))
    text = path.read_text()
    with pytest.warns(VideoWarning, match="upside down"):
        load_poses(write(tmp_path / "b.csv", text))


def test_15_who_has_only_the_hips_up_is_not_upside_down(tmp_path):
    """Before: y was said to count upwards of a bridge on the floor."""
    lying = XY[..., ::-1].copy()
    lying[:, [JOINTS.index(f"{side}_hip") for side in ("left", "right")], 1] -= 200
    rows = [
        {"image_id": i, "category_id": 1, "keypoints": person_of(i, lying).ravel().tolist()}
        for i in ALL
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_poses(write(tmp_path / "a.json", rows))


@pytest.mark.parametrize("number", [None, lambda i: f"frame_{i:05d}", lambda i: f"{i}.0"])
def test_11_frames_stated_as_names_or_not_at_all(tmp_path, number):
    """Before: refused as damaged."""
    images = [
        {"id": 90 + i, "file_name": f"{i:06d}.png", "frame_id": number and number(i)}
        for i in ALL[::2]
    ]
    rows = [
        {"image_id": 90 + i, "category_id": 1, "keypoints": person_of(i).ravel().tolist()}
        for i in ALL[::2]
    ]
    found = load_poses(write(tmp_path / "a.json", {"images": images, "annotations": rows}))
    np.testing.assert_allclose(found.times[-1], ALL[::2][-1] / 30)


@pytest.mark.parametrize(
    "turn",
    [
        [[1, 0, 0], [0, -1, 0], [0, 0, -1]],
        [[1, 0, 0], [0, 0, -1], [0, 1, 0]],
        [[0, 1, 0], [-1, 0, 0], [0, 0, 1]],
    ],
)
def test_15_y_z_or_x_down_is_turned(tmp_path, turn):
    """Before: it stood on its head, or was seen from above."""
    upright = load_poses(trc(tmp_path / "y.trc", PERSON))
    turned = load_poses(trc(tmp_path / "z.trc", PERSON @ np.array(turn)))
    np.testing.assert_allclose(upright.xy, turned.xy, atol=1)


def test_15_who_stands_on_the_hands_stays_there(tmp_path):
    height = PERSON[..., 1].max()
    found = load_poses(trc(tmp_path / "a.trc", PERSON * [1, -1, 1] + [0, height, 0]))
    assert found.xy[0, 0, 1] > found.xy[0, 11, 1]


def test_13_markers_at_the_origin_are_missing_and_times_in_milliseconds(tmp_path):
    """Before: a wrist on the floor; ten minutes for a second; refused without times."""
    points = PERSON.copy()
    points[1, 5] = 0
    path = trc(tmp_path / "a.trc", points)
    found = load_scene(path).choose()
    assert np.isnan(found.xy[1, 5]).all() and np.isfinite(found.xy[0, 5]).all()
    text = path.read_text()
    for times in (["0.000000", "33.33", "66.67", "100.0"], [""] * 4):
        changed = text
        for n, time in enumerate(times):
            changed = changed.replace(f"\n{n + 1}\t{n / 30:.6f}", f"\n{n + 1}\t{time}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            again = load_scene(write(tmp_path / "b.trc", changed)).choose()
        np.testing.assert_allclose(again.times, found.times, atol=1e-3)


# --- people and their numbers --------------------------------------------------------------------


def results(path, numbers):
    """Results of a detector with two people side by side; `numbers` gives theirs by the frame."""
    rows = []
    for i in ALL:
        for person, number in enumerate(numbers(i)):
            places = [XY[i, JOINTS.index(n) if n in JOINTS else 0] for n in COCO]
            points = [float(v) for x, y in places for v in (x + 350 * person, y, 0.9)]
            rows.append({"image_id": i, "category_id": 1, "keypoints": points, "track_id": number})
    return write(path, rows)


@pytest.mark.parametrize(
    ("numbers", "remark"),
    [
        (lambda i: (0, 1) if i < 10 else (1, 0), "exchange their numbers in it, first at 0.33 s"),
        (lambda i: (1, 0) if 8 <= i < 12 else (0, 1), "exchange their numbers"),
        (lambda i: (2 * i, 2 * i + 1), ""),
        (lambda i: (0, 1) if i < 10 else (5, 1), ""),
        (lambda i: (0, 1), ""),
    ],
)
def test_17_numbers_of_people_that_change(tmp_path, numbers, remark):
    """Before: somebody jumped to the other side, or was seen in a part of the frames only."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        scene = load_scene(results(tmp_path / "a.json", numbers))
    assert [str(one.message) for one in said if remark in str(one.message)] or not remark
    assert len(scene.tracks.tracks) == 2
    for person, aside in ((1, 0), (2, 350)):
        found = scene.choose(person)
        np.testing.assert_allclose(found.xy, np.add(XY, [aside, 0]), atol=0.02)


def test_17_numbers_hold_where_people_cross(tmp_path):
    """Whoever passes in front of somebody keeps their number."""
    rows = []
    for i in ALL:
        for number, aside in ((0, 20 * i), (1, 400 - 20 * i)):
            places = [XY[i, JOINTS.index(n) if n in JOINTS else 0] for n in COCO]
            points = [float(v) for x, y in places for v in (x + aside, y, 0.9)]
            rows.append({"image_id": i, "category_id": 1, "keypoints": points, "track_id": number})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scene = load_scene(write(tmp_path / "a.json", rows))
    np.testing.assert_allclose(scene.choose(1).xy[-1], XY[-1] + [20 * (FRAMES - 1), 0], atol=0.02)


@pytest.mark.parametrize("absent", [(6,), (6, 7, 13), (6, 19)])
def test_17_who_comes_as_somebody_beside_is_missed_is_somebody_else(tmp_path, absent):
    """Before: both became one person, twice in a frame, and the second one was lost."""
    rows = []
    for i in ALL:
        for number, aside in ((4, 0), (9, 30)):
            if (i not in absent) if number == 4 else i >= 6:
                places = [XY[i, JOINTS.index(n) if n in JOINTS else 0] for n in COCO]
                points = [float(v) for x, y in places for v in (x + aside, y, 0.9)]
                row = {"image_id": i, "category_id": 1, "keypoints": points, "track_id": number}
                rows.append(row)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scene = load_scene(write(tmp_path / "a.json", rows))
    frames = [track.frames for track in scene.tracks.tracks]
    assert frames == [[i for i in ALL if i not in absent], [i for i in ALL if i >= 6]]


def person_of(i, xy=XY):
    return np.array([[*xy[i, JOINTS.index(n) if n in JOINTS else 0], 0.9] for n in COCO])


LISTS = {
    "Ultralytics": lambda i: [
        {
            "name": "person",
            "keypoints": dict(zip(("x", "y", "visible"), person_of(i).T.tolist(), strict=True)),
        }
    ],
    "MMPose": lambda i: [
        {"keypoints": person_of(i)[:, :2].tolist(), "keypoint_scores": [0.9] * 17, "bbox": [[0]]}
    ],
    "OpenPifPaf": lambda i: {
        "frame": i + 1,
        "predictions": [{"keypoints": person_of(i).ravel().tolist(), "category_id": 1}],
    },
}


@pytest.mark.parametrize("frame", LISTS.values(), ids=LISTS.keys())
@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_11_lists_of_people_per_frame(tmp_path, frame, name):
    """Before: "not of a kind that is known", "not a JSON file, or cut off"."""
    rows = [frame(i) for i in ALL]
    text = "\n".join(map(json.dumps, rows)) if name.endswith("l") else rows
    path = write(tmp_path / name, text)
    read(path)
    assert looks_like_poses(path)


def one_missing(i):
    return [
        None if n == "left_eye" else point for n, point in zip(MEDIAPIPE, landmarks(i), strict=True)
    ]


@pytest.mark.parametrize(
    "data",
    [
        {str(i): landmarks(i) for i in ALL},
        {f"frame_{i}": {"landmarks": landmarks(i)} for i in ALL},
        [[list(point.values()) for point in landmarks(i)] for i in ALL],
        [{"landmarks": [[*point.values(), 0.0, 0.9] for point in landmarks(i)]} for i in ALL],
        [{"landmarks": dict(zip(MEDIAPIPE, landmarks(i), strict=True))} for i in ALL],
        [{"landmarks": one_missing(i)} for i in ALL],
    ],
)
def test_11_landmarks_in_other_forms(tmp_path, data):
    """Before: "not of a kind that is known"; one landmark that is null refused the file."""
    read(write(tmp_path / "a.json", data), joint_map=SIZE)


@pytest.mark.parametrize("frame", ["Frame Number", "FRAME#", "frameNo", "frame_nr"])
def test_10_frame_numbers_under_other_names(tmp_path, frame):
    """Before: the column was passed over, and the rows were frames without a gap."""
    found = load_scene(wide(tmp_path / "a.csv", lambda i: {frame: 2 * i})).choose()
    assert np.flatnonzero(found.found).tolist() == [2 * i for i in ALL]


def test_10_a_column_of_the_rate(tmp_path):
    """Before: 30 per second."""
    found = load_scene(wide(tmp_path / "a.csv", lambda i: {"fps": 60})).choose()
    np.testing.assert_allclose(found.times, np.array(ALL) / 60)


def test_17_a_row_per_landmark_of_two_people(tmp_path):
    """Before: the second person took the place of the first one."""
    rows = ["frame,joint,x,y"]
    for i in ALL:
        for aside in (0, 350):
            rows += [f"{i},{n},{x + aside},{y}" for n, (x, y) in zip(JOINTS, XY[i], strict=True)]
    scene = load_scene(write(tmp_path / "a.csv", "\n".join(rows)))
    assert len(scene.tracks.tracks) == 2
    np.testing.assert_allclose(scene.choose(1).xy, XY, atol=0.02)


@pytest.mark.parametrize("about", [{"frame": 2}, {"frame_number": 2}, {"timestamp": 1000 / 15}])
@pytest.mark.parametrize("kind", ["openpose", "mmpose", "coco"])
def test_11_frames_state_their_numbers_or_times(tmp_path, about, kind):
    """Before: 30 per second, without gaps."""
    rows = []
    for i in ALL:
        own = {key: value * i for key, value in about.items()}
        points = person_of(i)
        if kind == "mmpose":
            one = {"keypoints": points[:, :2].tolist(), "keypoint_scores": [0.9] * 17}
            rows.append(own | {"instances": [one]})
        elif kind == "openpose":
            places = dict(zip(COCO, points, strict=True))
            flat = [float(v) for n in BODY25 for v in places.get(n, np.zeros(3))]
            rows.append(own | {"people": [{"pose_keypoints_2d": flat}]})
        else:
            rows.append(own | {"id": i, "width": 1000, "height": 1000, "file_name": "a.mp4"})
    data = rows
    if kind == "coco":
        people = [{"image_id": i, "keypoints": person_of(i).ravel().tolist()} for i in ALL]
        data = {"images": rows, "annotations": people}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = load_scene(write(tmp_path / "a.json", data)).choose()
    seen_at = found.times[np.flatnonzero(found.found)]
    np.testing.assert_allclose(seen_at, np.array(ALL) / 15, atol=1e-6)


@pytest.mark.parametrize(
    "written",
    [
        lambda v: f"{v:,.3f}",
        lambda v: f"{v:.3f}".replace("-", "\u2212").replace(".", ","),
        lambda v: f"{v:,.3f}".replace(",", "\u202f").replace(".", ","),
        lambda v: f"{v:,.3f}".replace(",", "'"),
        lambda v: f"{v:,.3f}".replace(",", "x").replace(".", ",").replace("x", "."),
    ],
)
def test_16_numbers_as_other_countries_write_them(tmp_path, written):
    """Before: cells of more than three digits were missing points, without a word."""
    head = ["frame", *(f"{n}_{a}" for n in JOINTS for a in "xy")]
    rows = [[str(i), *(written(10 * v) for v in XY[i].ravel())] for i in ALL]
    found = load_poses(write(tmp_path / "a.csv", "\n".join(map(";".join, [head, *rows]))))
    np.testing.assert_allclose(found.xy, 10 * XY, atol=0.02)


def test_16_cells_that_a_spreadsheet_took_for_dates_are_told_of(tmp_path):
    """Before: missing points, without a word."""
    path = wide(tmp_path / "a.csv", lambda i: {"frame": i})
    wrist = repr(float(XY[3, 5, 0]))
    path.write_text(path.read_text().replace(wrist, "01. Mai", 1))
    with pytest.warns(VideoWarning, match="a cell is no number, such as '01. Mai'"):
        load_poses(path)
