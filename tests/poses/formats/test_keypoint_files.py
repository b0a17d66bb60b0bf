"""Keypoint files of other tools: what they mean, and that nothing is lost on the way."""

import json

import numpy as np
import pytest
from scipy.io import savemat

from vipecli.errors import FormatError
from vipecli.poses.formats import (
    is_pose_file,
    load_joint_map,
    load_poses,
    load_scene,
)
from vipecli.poses.skeleton import JOINTS, MIRROR

RNG = np.random.default_rng(7)

# Number of points, the places of shoulders, elbows, wrists, hips, knees and ankles (left, right),
# and the points that make the head, as the tools document them: written down here once more, so
# that a slip in the tables of the product shows.
_COCO = [(5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16)]
LAYOUTS = {
    "coco": (17, _COCO, (3, 4)),
    "halpe26": (26, _COCO, (3, 4)),
    "body25": (25, [(5, 2), (6, 3), (7, 4), (12, 9), (13, 10), (14, 11)], (18, 17)),
    "openpose18": (18, [(5, 2), (6, 3), (7, 4), (11, 8), (12, 9), (13, 10)], (17, 16)),
    "mediapipe": (33, [(11, 12), (13, 14), (15, 16), (23, 24), (25, 26), (27, 28)], (7, 8)),
}


def made_up(layout, shift=0.0):
    """Points (K, 3) whose place tells their number."""
    k = np.arange(LAYOUTS[layout][0])
    return np.stack([100 + 3 * k + shift, 200 + 2 * k, np.full(len(k), 0.75)], axis=1)


def expected(layout, shift=0.0):
    """Joints (13, 2) of `made_up`."""
    points, (_, limbs, head) = made_up(layout, shift), LAYOUTS[layout]
    order = [place for pair in limbs for place in pair]
    return np.vstack([points[list(head), :2].mean(axis=0), points[order, :2]])


def flat(layout, shift=0.0):
    return made_up(layout, shift).ravel().tolist()


def write(path, data):
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return path


# --- hand-made files -----------------------------------------------------------------------------


def coco_labels(tmp_path):
    flags = [v for x, y, _ in made_up("coco") for v in (x, y, 2)]
    images = [
        {"id": 71, "file_name": "b/10.jpg", "width": 640, "height": 480},
        {"id": 70, "file_name": "b/9.jpg", "width": 640, "height": 480},
    ]
    one = {"id": 1, "category_id": 1, "iscrowd": 0, "num_keypoints": 17, "bbox": [0, 0, 9, 9]}
    annotations = [
        one | {"image_id": 71, "keypoints": [v + (i % 3 == 0) for i, v in enumerate(flags)]},
        one | {"image_id": 70, "keypoints": flags},
        {"id": 3, "category_id": 2, "image_id": 70, "bbox": [0, 0, 1, 1]},
    ]
    data = {"images": images, "annotations": annotations, "categories": [{"id": 1}]}
    return write(tmp_path / "a.json", data), "coco", (640, 480)


def coco_results(tmp_path):
    rows = [
        {"image_id": 5 + n, "category_id": 1, "score": 0.9, "keypoints": flat("coco", n)}
        for n in (0, 1)
    ]
    return write(tmp_path / "a.json", rows), "coco", None


def alphapose(tmp_path):
    rows = [
        {"image_id": f"{n}.jpg", "category_id": 1, "score": 2.9, "box": [1, 2, 3, 4], "idx": [1.0],
         "keypoints": flat("halpe26", n)} for n in (0, 1)
    ]  # fmt: skip
    return write(tmp_path / "a.json", rows), "halpe26", None


def alphapose_cmu(tmp_path):
    data = {
        f"{n}.jpg": {"version": "AlphaPose v0.3", "bodies": [{"joints": flat("openpose18", n)}]}
        for n in (0, 1)
    }
    return write(tmp_path / "a.json", data), "openpose18", None


def openpose(tmp_path):
    for n in (0, 1):
        person = {
            "person_id": [-1],
            "pose_keypoints_2d": flat("body25", n),
            "face_keypoints_2d": [],
        }
        data = {"version": 1.3, "people": [person]}
        write(tmp_path / f"clip_{n + 7:012d}_keypoints.json", data)
    return tmp_path, "body25", None


def mmpose(tmp_path):
    frames = [
        {"frame_id": n + 1, "instances": [
            {"keypoints": made_up("coco", n)[:, :2].tolist(), "keypoint_scores": [0.75] * 17,
             "bbox": [[0, 0, 9, 9]], "bbox_score": 0.9}]} for n in (0, 1)
    ]  # fmt: skip
    meta = {"dataset_name": "coco", "num_keypoints": 17}
    return write(tmp_path / "a.json", {"meta_info": meta, "instance_info": frames}), "coco", None


def mmpose_list(tmp_path):
    path, *rest = mmpose(tmp_path)
    return write(path, json.loads(path.read_text())["instance_info"]), *rest


def _landmarks(shift):
    points = made_up("mediapipe", shift) / [640, 480, 1]
    return [{"x": x, "y": y, "z": 0.1, "visibility": v} for x, y, v in points.tolist()]


def mediapipe(tmp_path):
    frames = [{"timestamp_ms": 40 * n, "landmarks": [_landmarks(n)]} for n in (0, 1)]
    data = {"width": 640, "height": 480, "frames": frames}
    return write(tmp_path / "a.json", data), "mediapipe", (640, 480)


def mediapipe_csv(tmp_path):
    head = ",".join(f"{axis}{i}" for i in range(1, 34) for axis in "xyzv")
    rows = [
        ",".join(f"{x},{y},0.1,{v}" for x, y, v in made_up("mediapipe", n).tolist()) for n in (0, 1)
    ]
    return write(tmp_path / "a.csv", "\n".join([head, *rows])), "mediapipe", None


def mediapipe_long_csv(tmp_path):
    rows = [
        f"{n},{k},{x},{y},0.1,{v}"
        for n in (0, 1)
        for k, (x, y, v) in enumerate(made_up("mediapipe", n).tolist())
    ]
    head = "frame,landmark,x,y,z,visibility"
    return write(tmp_path / "a.csv", "\n".join([head, *rows])), "mediapipe", None


HAND_MADE = [
    *(coco_labels, coco_results, alphapose, alphapose_cmu, openpose, mmpose, mmpose_list),
    *(mediapipe, mediapipe_csv, mediapipe_long_csv),
]


@pytest.mark.parametrize("make", HAND_MADE)
def test_hand_made_file(tmp_path, make):
    path, layout, size = make(tmp_path)
    assert is_pose_file(path)
    found = load_poses(path, fps=25)
    np.testing.assert_allclose(found.xy[0], expected(layout), atol=1e-3)
    np.testing.assert_allclose(found.xy[1], expected(layout, 1), atol=1e-3)
    np.testing.assert_allclose(found.score, 1 if make is coco_labels else 0.75, atol=1e-6)
    np.testing.assert_allclose(found.times, [0, 0.04])
    assert size is None or found.size == size


def test_deeplabcut_table(tmp_path):
    parts = [*JOINTS, "tail"]
    lines = [
        "scorer" + ",net" * 3 * len(parts),
        "bodyparts," + ",".join(f"{p},{p},{p}" for p in parts),
        "coords" + ",x,y,likelihood" * len(parts),
        *(f"{n}," + ",".join(f"{10 + k + n},{20 + k},0.5" for k in range(14)) for n in (0, 1)),
    ]
    found = load_poses(write(tmp_path / "a.csv", "\n".join(lines)))
    np.testing.assert_allclose(found.xy[1, :, 0], 11 + np.arange(13))
    assert found.detector == "deeplabcut"


def test_sleap_table(tmp_path):
    head = "track,frame_idx,instance.score," + ",".join(
        f"{name}.x,{name}.y,{name}.score" for name in JOINTS
    )
    rows = [
        f"track_{who},{n},0.9," + ",".join(f"{100 * who + k + n},{20 + k},0.5" for k in range(13))
        for n in (3, 4)
        for who in (1, 2)
    ]
    scene = load_scene(write(tmp_path / "a.csv", "\n".join([head, *rows])))
    first, second = scene.everyone()
    np.testing.assert_allclose(first.xy[1, :, 0], 104 + np.arange(13))
    np.testing.assert_allclose(second.xy[0, :, 0], 203 + np.arange(13))


def test_penn_labels_are_swapped_and_outside_is_missing(tmp_path):
    x = np.tile(np.arange(13.0) * 10 + 50, (2, 1))
    y, seen = x + 5, np.ones((2, 13))
    x[0, 12] = y[0, 12] = 1  # outside, the viewer's right ankle
    seen[0, [11, 12]] = 0
    content = {"x": x, "y": y, "visibility": seen, "dimensions": [[360.0, 480.0, 2.0]]}
    savemat(tmp_path / "0001.mat", content)
    found = load_poses(tmp_path / "0001.mat")
    assert found.size == (480, 360)
    np.testing.assert_allclose(found.xy[1, :, 0], x[1, list(MIRROR)])
    assert np.isnan(found.xy[0, 11]).all()
    assert found.score[0, [11, 12]].tolist() == [0, 0.5]


def trc(table, names, units="m"):
    lines = [
        "PathFileType\t4\t(X/Y/Z)\ta.trc",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate",
        f"60\t60\t{len(table)}\t{len(names)}\t{units}\t60\t0\t{len(table)}",
        "Frame#\tTime\t" + "\t\t\t".join(names) + "\t\t",
        "\t\tX1\tY1\tZ1",
    ]
    for n, points in enumerate(table):
        cells = [f"{v:.6f}" if v == v else "" for v in np.ravel(points)]
        lines.append("\t".join([str(n), str(n / 60), *cells]))
    return "\n".join(lines) + "\n"


PERSON = {  # facing +z, y up, metres: the person's left is at +x
    **{"Head": (0, 1.7, 0), "Nose": (0, 1.6, 0.1)},
    **{"LShoulder": (0.2, 1.4, 0), "RShoulder": (-0.2, 1.4, 0)},
    **{"LElbow": (0.3, 1.1, 0), "RElbow": (-0.3, 1.1, 0)},
    **{"LWrist": (0.3, 0.9, 0.1), "RWrist": (-0.3, 0.9, 0.1)},
    **{"LHip": (0.1, 0.9, 0), "RHip": (-0.1, 0.9, 0)},
    **{"LKnee": (0.1, 0.5, 0), "RKnee": (-0.1, 0.5, 0)},
    **{"LAnkle": (0.1, 0.1, 0), "RAnkle": (-0.1, 0.1, 0)},
}


def test_flat_markers_in_metres_stand_upright(tmp_path):
    points = np.array(list(PERSON.values())) * [1, 1, 0]
    found = load_poses(write(tmp_path / "a.trc", trc([points, points], list(PERSON))))
    head, left, right = found.xy[0, 0], found.xy[0, 11], found.xy[0, 12]
    assert head[1] < left[1]
    assert left[0] > right[0]
    assert np.diff(found.times) == pytest.approx(1 / 60)


def test_flat_markers_in_pixels_stay_where_they_are(tmp_path):
    points = np.array(list(PERSON.values())) * [300, -300, 0] + [400, 600, 0]
    found = load_poses(write(tmp_path / "a.trc", trc([points, points], list(PERSON))))
    np.testing.assert_allclose(found.xy[0, 11], points[list(PERSON).index("LAnkle"), :2])


def test_markers_in_space_are_seen_from_the_front(tmp_path):
    points = np.array(list(PERSON.values()))
    turned = points @ [[0, 0, 1], [0, 1, 0], [-1, 0, 0]]  # facing -x
    for name, one in (("a.trc", points), ("b.trc", turned)):
        found = load_poses(write(tmp_path / name, trc([one, one], list(PERSON))))
        assert found.xy[0, 11, 0] > found.xy[0, 12, 0] + 10, name
        assert found.xy[0, 0, 1] < found.xy[0, 11, 1]
        assert "front" in found.detector


# --- joint sets that are not known ---------------------------------------------------------------


def odd_file(tmp_path, count=14):
    points = [value for k in range(count) for value in (10.0 + 10 * k, 20.0 + k, 0.9)]
    rows = [{"image_id": f"{n}.jpg", "category_id": 1, "keypoints": points} for n in (0, 1)]
    return write(tmp_path / "odd.json", rows)


def test_unknown_joint_set_asks_for_a_map(tmp_path):
    path = odd_file(tmp_path)
    with pytest.raises(FormatError, match=r"14 points.*--joints MAP\.toml"):
        load_poses(path)
    lines = [f"{joint} = {k}" for k, joint in enumerate(JOINTS)]
    lines[0] = "head = [0, 13]"
    write(tmp_path / "map.toml", "size = [320, 200]\nfps = 10\n[joints]\n" + "\n".join(lines))
    found = load_poses(path, joint_map=load_joint_map(tmp_path / "map.toml"))
    assert found.size == (320, 200)
    assert found.times.tolist() == [0, 0.1]
    np.testing.assert_allclose(found.xy[0, :2, 0], [75, 20])


def test_names_that_are_not_understood_are_not_guessed(tmp_path):
    path, *_ = coco_labels(tmp_path)
    data = json.loads(path.read_text())
    data["categories"][0]["keypoints"] = [f"p{k}" for k in range(17)]
    write(path, data)
    with pytest.raises(FormatError, match=r"p0, p1.*--joints MAP\.toml"):
        load_poses(path)
    lines = [f'{joint} = "p{k}"' for k, joint in enumerate(JOINTS)]
    write(tmp_path / "map.toml", "[joints]\n" + "\n".join(lines))
    joint_map = load_joint_map(tmp_path / "map.toml")
    found = load_poses(path, joint_map=joint_map)
    np.testing.assert_allclose(found.xy[0], made_up("coco")[:13, :2])
    known, *_ = coco_labels(tmp_path)  # the map is meant for another file than this one
    np.testing.assert_allclose(load_poses(known, joint_map=joint_map).xy[0], expected("coco"))


def test_names_tell_a_joint_set_of_the_same_size_apart(tmp_path):
    """Human3.6M has 17 points, too."""
    names = "root right_hip right_knee right_foot left_hip left_knee left_foot spine thorax "
    names += "neck_base head left_shoulder left_elbow left_wrist right_shoulder right_elbow "
    names = (names + "right_wrist").split()
    path, *_ = mmpose(tmp_path)
    data = json.loads(path.read_text())
    data["meta_info"]["keypoint_id2name"] = {str(k): name for k, name in enumerate(names)}
    found = load_poses(write(path, data))
    order = [10, 11, 14, 12, 15, 13, 16, 4, 1, 5, 2, 6, 3]
    np.testing.assert_allclose(found.xy[0], made_up("coco")[order, :2])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[joints]\nnose = 1", "nose is none of the joints"),
        ("[joints]\nhead = 1", "left_shoulder"),
        ("joints = 3", "joints"),
        ("[joints]\nhead = [1.5]", "head should be"),
        ("size = [1]", "size should be"),
        ("fps = -1", "fps should be"),
        ("= = =", "not a TOML file"),
    ],
)
def test_bad_joint_map(tmp_path, text, says):
    with pytest.raises(FormatError, match=says):
        load_joint_map(write(tmp_path / "map.toml", text))


def test_joint_map_beyond_the_points(tmp_path):
    lines = [f"{joint} = {k + 5}" for k, joint in enumerate(JOINTS)]
    write(tmp_path / "map.toml", "[joints]\n" + "\n".join(lines))
    with pytest.raises(FormatError, match="only 0 to 13"):
        load_poses(odd_file(tmp_path), joint_map=load_joint_map(tmp_path / "map.toml"))


def test_shares_of_a_picture_need_its_size(tmp_path):
    path, *_ = mediapipe(tmp_path)
    data = json.loads(path.read_text())
    write(path, data["frames"])
    with pytest.raises(FormatError, match="size = "):
        load_poses(path)
    write(tmp_path / "map.toml", "size = [640, 480]")
    found = load_poses(path, joint_map=load_joint_map(tmp_path / "map.toml"))
    np.testing.assert_allclose(found.xy[0], expected("mediapipe"), atol=1e-3)


# --- damage --------------------------------------------------------------------------------------

BAD = {
    "empty.json": "",
    "list.json": "[]",
    "number.json": "3",
    "text.json": "hello",
    "cut.json": '[{"image_id": "0.jpg", "keypoints": [1, 2',
    "deep.json": "[" * 100_000,
    "huge.json": '[{"image_id": "0.jpg", "keypoints": [' + "9" * 400 + ", 1, 1]}]",
    "far.json": json.dumps([{"image_id": n, "keypoints": flat("coco")} for n in (0, 10**12)]),
    "words.json": '[{"image_id": "0.jpg", "keypoints": ["a", "b", "c"]}]',
    "odd.json": '[{"image_id": "0.jpg", "keypoints": [1, 2]}]',
    "null.json": '[{"image_id": "0.jpg", "keypoints": null}]',
    "nobody.json": '{"images": [], "annotations": []}',
    "people.json": '{"version": 1.3, "people": []}',
    "times.json": json.dumps(
        {"frames": [{"time_s": 1, "landmarks": _landmarks(0)}] * 2, "width": 9, "height": 9}
    ),
    "mixed.json": json.dumps([{"image_id": n, "keypoints": [1] * 3 * (17 + n)} for n in (0, 1)]),
    "size.json": json.dumps(
        {"frames": [{"landmarks": _landmarks(0)}], "width": 10**9, "height": 10**9}
    ),
    "sep.csv": "sep=;\n",
    "a.csv": "name,age\nada,3\n",
    "b.csv": "x1,y1\n1,2\n",
    "c.csv": 'x1,y1\n"1,2\n' + "3" * 200_000,
    "a.trc": "hello\n",
    "b.trc": trc([[[np.nan] * 3]], ["A"]),
    "a.mat": "MATLAB 5.0 MAT-file" + " " * 200,
}


@pytest.mark.parametrize("name", BAD)
def test_damaged_file_is_one_clear_line(tmp_path, name):
    path = write(tmp_path / name, BAD[name])
    if name == "far.json":
        assert len(load_poses(path)) == 2  # numbers that count no frames: their order does
        return
    with pytest.raises(FormatError) as caught:
        load_poses(path)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
