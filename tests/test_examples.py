"""The film studio of examples/: geometry, motions by rule, a tiny picture, the committed clips."""

import json
from pathlib import Path

import av
import numpy as np
import pytest

from examples.camera import Camera, facing, place
from examples.film import film, frames, main, proportions, uneven_times, warp
from examples.motions import ACTIONS, Body, Style, mirrored, perform, two_link
from examples.person import Look, unit
from vipecli.poses.skeleton import LEFT_SHOULDER, LEFT_WRIST, MIRROR, RIGHT_SHOULDER

CLIPS = Path(__file__).parent.parent / "examples" / "clips"
TRUTH = json.loads((CLIPS / "truth.json").read_text())
# parent and child of each bone whose length the rules keep
BONES = ((1, 3), (2, 4), (3, 5), (4, 6), (7, 9), (8, 10), (9, 11), (10, 12), (1, 2), (7, 8))


@pytest.fixture(scope="module")
def standing():
    return perform("arm_raise", phase=np.zeros(2)).joints


def test_camera_projects_known_points(standing):
    camera = Camera(0, 0, 4.0, fov_deg=90, facing_deg=0, target=(0, 1, 0))
    view = place(camera, [standing], (200, 100))
    # 90 degrees over 100 pixels: focal length 50; 4 m away, 1 m is 12.5 pixels
    points = np.array([[0, 1, 0], [1, 1, 0], [0, 2, 0], [1, 1, 2], [0, 1, 9]], float)
    expected = [[100, 50], [112.5, 50], [100, 37.5], [125, 50], [np.nan, np.nan]]
    np.testing.assert_allclose(view.project(points), expected, atol=1e-9)


@pytest.mark.parametrize(
    ("azimuth", "left_of_picture"), [(0, RIGHT_SHOULDER), (180, LEFT_SHOULDER)]
)
def test_azimuth_0_is_the_face(standing, azimuth, left_of_picture):
    xy = place(Camera(azimuth), [standing], (100, 100)).project(standing[0])
    assert xy[[LEFT_SHOULDER, RIGHT_SHOULDER], 0].argmin() + 1 == left_of_picture


def test_azimuth_90_is_the_persons_left(standing):
    view = place(Camera(90), [standing], (100, 100))
    depth = view.to_camera(standing[0])[:, 2]
    assert depth[LEFT_SHOULDER] < depth[RIGHT_SHOULDER] - 0.3


def test_facing_follows_the_person(standing):
    turn = np.radians(70)
    spin = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
    assert facing(standing) == pytest.approx(0, abs=1)
    assert facing(standing @ spin.T) == pytest.approx(70, abs=1)
    assert facing(perform("push_up").joints) == pytest.approx(0, abs=2)
    assert facing(perform("sit_up").joints) == pytest.approx(0, abs=2)


def test_roll_turns_the_picture_upside_down(standing):
    upright = place(Camera(roll_deg=0), [standing], (100, 100)).project(standing)
    over = place(Camera(roll_deg=180), [standing], (100, 100)).project(standing)
    assert upright[0, 0, 1] < upright[0, 11, 1]
    assert over[0, 0, 1] > over[0, 11, 1]


def test_whole_motion_fits_the_picture():
    joints = perform("jumping_jack").joints
    for azimuth in range(0, 360, 45):
        xy = place(Camera(azimuth), [joints], (300, 400)).project(joints)
        assert (xy > 0).all() and (xy < (300, 400)).all()
        assert np.ptp(xy[..., 1]) > 150


def test_warp_identity_and_inverse():
    joints = perform("squat", seconds=2.0).joints
    own = np.arange(len(joints)) / 30
    np.testing.assert_allclose(warp(joints, own), joints, atol=1e-5)
    times = own**1.3
    there = warp(joints, times[times < own[-1]])
    assert np.abs(there[10] - warp(joints, np.array([times[10]]))[0]).max() < 1e-6


def test_uneven_times_run_through_at_the_asked_speeds():
    times = uneven_times(4.0, np.random.default_rng(0), slowest=0.5, fastest=2.0)
    speed = np.diff(times) * 30
    assert times[0] == 0 and 3.9 < times[-1] <= 4.0
    assert speed.min() > 0.49 and speed.max() < 2.02 and np.ptp(speed) > 0.3


def test_proportions_change_lengths_and_keep_directions():
    joints = perform("squat").joints
    other = proportions(joints, size=1.1, legs=0.9, arms=1.2)
    for a, b in BONES:
        old, new = joints[:, b] - joints[:, a], other[:, b] - other[:, a]
        assert (unit(old) * unit(new)).sum(-1).min() > 0.99999
    arm = np.linalg.norm(other[:, 5] - other[:, 3], axis=-1)
    np.testing.assert_allclose(arm, 0.26 * 1.1 * 1.2, rtol=1e-4)
    np.testing.assert_allclose(proportions(joints), joints, atol=1e-5)
    # the feet stay where they were, but for what the wider hips shift them
    assert np.ptp(other[:, 11], axis=0).max() < 0.02


def test_two_link_reaches_and_keeps_lengths():
    rng = np.random.default_rng(1)
    root, target = rng.normal(0, 0.1, (50, 3)), rng.normal(0, 0.4, (50, 3))
    middle, end = two_link(root, target, 0.3, 0.25, np.array([0.0, 0.0, 1.0]))
    np.testing.assert_allclose(np.linalg.norm(middle - root, axis=-1), 0.3)
    np.testing.assert_allclose(np.linalg.norm(end - middle, axis=-1), 0.25)
    way = np.linalg.norm(target - root, axis=-1)
    near = (way < 0.54) & (way > 0.07)
    assert near.sum() > 10
    np.testing.assert_allclose(end[near], target[near], atol=1e-9)


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("seed", [None, 0, 1, 2])
def test_actions_keep_bones_contacts_and_floor(action, seed):
    rng = None if seed is None else np.random.default_rng(seed)
    motion = perform(action, seconds=4.0, rng=rng)
    joints = motion.joints
    assert joints.shape == (120, 13, 3) and np.isfinite(joints).all()
    for a, b in BONES:
        length = np.linalg.norm(joints[:, b] - joints[:, a], axis=-1)
        assert np.ptp(length) < 1e-5, (a, b)
    step = np.linalg.norm(np.diff(joints, axis=0), axis=-1)
    held = motion.contact[:-1] & motion.contact[1:]
    assert motion.contact.any()
    assert step[held].max() < 0.003, "a contact slides"
    assert joints[..., 1].min() > 0.02
    # no joint jumps: 0.5 m in 1/30 s would be 15 m/s
    assert step.max() < 0.5


def test_same_phase_is_the_same_pose():
    even = perform("squat", phase=np.linspace(0, 0.999, 40)).joints
    uneven = perform("squat", phase=np.linspace(0, 1, 40) ** 2 * 0.999).joints
    np.testing.assert_allclose(even[0], uneven[0], atol=1e-6)
    np.testing.assert_allclose(even[-1], uneven[-1], atol=1e-6)


def test_performers_differ_and_repeat_by_seed():
    one, again, two = (perform("lunge", rng=np.random.default_rng(s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.joints, again.joints)
    assert one.body != two.body and one.style != two.style
    assert Body() != one.body and Style() != one.style


def test_mirrored_swaps_the_sides():
    motion = perform("golf_swing")
    other = mirrored(motion)
    np.testing.assert_allclose(other.joints[:, LEFT_WRIST, 0], -motion.joints[:, 6, 0])
    np.testing.assert_array_equal(mirrored(other).joints, motion.joints)
    assert sorted(MIRROR) == list(range(13))


def test_unknown_action_is_named():
    with pytest.raises(ValueError, match="moonwalk"):
        perform("moonwalk")


def test_picture_shows_a_person_where_the_joints_are(standing):
    look = Look(shirt=(255, 0, 255), legwear=(0, 255, 0), shoes=(0, 255, 0), shorts=1.0)
    shot = film(standing[:1], look=look, size=(160, 200))
    image = next(frames(standing[:1], look=look, size=(160, 200))).astype(int)
    assert image.shape == (200, 160, 3)
    for joint in (1, 2):  # magenta shirt
        x, y = shot.xy[0, joint].astype(int)
        assert image[y, x, 0] > 2 * image[y, x, 1] and image[y, x, 2] > 2 * image[y, x, 1]
    for joint in (7, 8, 9, 10):  # green trousers
        x, y = shot.xy[0, joint].astype(int)
        assert image[y, x, 1] > 2 * image[y, x, 0]
    assert image[2, 2].min() > 150, "a pale wall in the corner"
    assert shot.visible.all()


def test_a_body_hides_the_one_behind(standing):
    behind = standing - np.array([0, 0, 1.0], np.float32)
    shot = film([standing, behind], camera=Camera(elevation_deg=0), size=(120, 160))
    assert shot.xy.shape == (2, 2, 13, 2)
    assert shot.visible[0].all()
    assert not shot.visible[1][:, [0, 1, 2, 7, 8]].any()


def test_film_writes_h264(tmp_path, standing):
    path = tmp_path / "a.mp4"
    film(np.repeat(standing, 3, axis=0), path, size=(64, 96), fps=25)
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        assert stream.codec_context.name == "h264" and stream.average_rate == 25
        assert sum(1 for _ in file.decode(stream)) == 6


def test_film_rejects_other_joint_sets():
    with pytest.raises(ValueError, match="13, 3"):
        film(np.zeros((4, 17, 3)))


def test_command_films_an_action(tmp_path, capsys):
    out = tmp_path / "a.mp4"
    assert main(["squat", str(out), "--seconds", "0.2", "--size", "64", "64", "--seed", "1"]) == 0
    assert out.exists() and "6 frames" in capsys.readouterr().out


@pytest.mark.parametrize("name", TRUTH)
def test_committed_clip_agrees_with_its_truth(name):
    path, truth = CLIPS / name, TRUTH[name]
    assert path.stat().st_size < 1_000_000
    assert path.parent.name == truth["label"]
    assert f"_{truth['azimuth_deg']:03d}_" in name
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        assert stream.codec_context.name == "h264" and stream.average_rate == truth["fps"]
        pictures = [f.to_ndarray(format="bgr24") for f in file.decode(stream)]
    assert [pictures[0].shape[1], pictures[0].shape[0]] == truth["size"]
    source_s, xy = np.array(truth["source_s"]), np.array(truth["xy_px"])
    assert len(pictures) == len(source_s) == len(xy) and 3 <= len(xy) / 30 <= 5
    assert (np.diff(source_s) > 0).all()
    # what moves in the picture moves where the joints are: the person is no part of the mean
    back = np.median(np.stack(pictures[::8]), axis=0)
    moved = np.abs(pictures[len(xy) // 2] - back).max(-1) > 25
    if moved.sum() > 500:
        rows, columns = np.nonzero(moved)
        low, high = xy[len(xy) // 2].min(0) - 60, xy[len(xy) // 2].max(0) + 60
        inside = (columns > low[0]) & (columns < high[0]) & (rows > low[1]) & (rows < high[1])
        assert inside.mean() > 0.5


def test_no_clip_without_truth_and_two_views_per_label():
    files = {str(p.relative_to(CLIPS)) for p in CLIPS.rglob("*.mp4")}
    assert files == set(TRUTH)
    views: dict[str, set] = {}
    for truth in TRUTH.values():
        views.setdefault(truth["label"], set()).add(truth["azimuth_deg"])
    assert len(views) >= 3 and all(len(v) >= 2 for v in views.values())
