"""Times, places and numbers of people in keypoint files: one row per kind.

Each row makes its input, says what is right, and what the code gave before the kind was known.
"""

import json
import warnings

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
    read,
    trc,
    wide,
    write,
)
from vipecli.errors import FormatError, VideoWarning
from vipecli.poses.formats import load_poses, load_scene, looks_like_poses
from vipecli.poses.joint_sets import BODY25, COCO, MEDIAPIPE
from vipecli.poses.skeleton import JOINTS

# --- times, and where points are -----------------------------------------------------------------


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
