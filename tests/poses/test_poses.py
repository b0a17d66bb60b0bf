import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from vipecli.errors import FormatError, NoPoseError
from vipecli.poses.detect import detect, detect_everyone
from vipecli.poses.detection import blazepose
from vipecli.poses.detection.blazepose import BlazePose
from vipecli.poses.gaps import fill_gaps, missing_spans
from vipecli.poses.poses import Poses
from vipecli.poses.skeleton import LEFT_SHOULDER, MIRROR, RIGHT_SHOULDER
from vipecli.video import read as video

CLIPS = Path(__file__).resolve().parent.parent.parent / "examples" / "clips"
FRONT, BACK = "jumping_jack/jumpingjack_000_eva.mp4", "jumping_jack/jumpingjack_120_finn.mp4"


def poses(missing=(), t=20, fps=10):
    """A person who moves 10 px per second to the right."""
    times = np.arange(t) / fps
    xy = np.ones((t, 13, 2), np.float32) * (10 * times[:, None, None] + [0, 100]).astype(np.float32)
    score = np.full((t, 13), 0.8, np.float32)
    xy[list(missing)], score[list(missing)] = np.nan, 0
    return Poses(xy, score, times, (640, 480))


def test_short_gaps_are_filled_on_a_straight_line_long_ones_are_not():
    before = poses(missing=[0, 4, 5, 9, 10, 11, 12, 13, 19])
    after = fill_gaps(before, max_gap_s=0.5)
    assert np.flatnonzero(~after.found).tolist() == [0, 9, 10, 11, 12, 13, 19]
    np.testing.assert_allclose(after.xy[4:6], poses().xy[4:6], rtol=1e-5)
    np.testing.assert_allclose(after.score[4:6], 0.4)
    np.testing.assert_array_equal(after.xy[6:9], before.xy[6:9])
    assert not before.found[4]  # the input is left alone


def test_gaps_are_measured_in_seconds_not_frames():
    uneven = replace(poses(missing=[5]), times=np.arange(20) * 0.4)
    assert not fill_gaps(uneven).found[5]
    assert fill_gaps(uneven, max_gap_s=0.8).found[5]


def test_gap_of_a_single_joint():
    one = poses()
    one.xy[5, 3], one.score[5, 3] = np.nan, 0
    np.testing.assert_allclose(fill_gaps(one).xy, poses().xy, rtol=1e-5)


def test_landmarks_are_filled_too():
    gap = np.zeros(20, bool)
    gap[4] = True
    points = np.where(gap[:, None, None], np.nan, np.ones((20, 33, 3))).astype(np.float32)
    score = np.where(gap[:, None], 0, np.ones((20, 33))).astype(np.float32)
    made = replace(poses(missing=[4]), landmarks=points, landmark_score=score, world=points)
    after = fill_gaps(made)
    assert (after.landmarks == 1).all() and (after.world == 1).all()
    assert (after.landmark_score[4] == 0.5).all()


def test_nothing_to_fill():
    whole = poses()
    assert fill_gaps(whole) is whole
    nobody = poses(missing=range(20))
    assert not fill_gaps(nobody).found.any()


def test_missing_spans():
    spans = missing_spans(poses(missing=[0, 5, 6, 7, 19]))
    np.testing.assert_allclose(spans, [(0, 0.1), (0.5, 0.8), (1.9, 1.9)])
    assert missing_spans(poses(missing=[0, 5, 6, 7]), min_s=0.2) == [pytest.approx((0.5, 0.8))]
    assert missing_spans(poses()) == []
    assert missing_spans(poses(missing=range(20))) == [pytest.approx((0, 1.9))]


@pytest.mark.parametrize(
    "change",
    [
        {"xy": np.ones((20, 12, 2))},
        {"times": np.zeros(20)},
        {"times": np.full(20, np.nan)},
        {"score": np.full((20, 13), 1.5)},
        {"xy": np.full((20, 13, 2), np.nan)},
        {"world": np.ones((20, 33, 2))},
        {"size": (0, 10)},
    ],
)
def test_contradictory_poses_are_refused(change):
    with pytest.raises(FormatError):
        replace(poses(), **change)


@pytest.fixture(scope="module")
def truth():
    return json.loads((CLIPS / "truth.json").read_text())


@pytest.fixture(scope="module")
def front():
    done = []
    return detect(CLIPS / FRONT, progress=done.append), done


def test_rendered_clip_is_found_where_it_was_drawn(front, truth):
    found, done = front
    real = np.array(truth[FRONT]["xy_px"])
    assert done == list(range(1, len(found) + 1))
    assert found.found.all()
    assert found.source == Path(FRONT).name
    assert found.detector.startswith("mediapipe-")
    torso = np.linalg.norm(real[:, 1:3].mean(1) - real[:, 7:9].mean(1), axis=-1)[:, None]
    right = np.linalg.norm(found.xy - real, axis=-1) < 0.25 * torso
    assert right.mean() > 0.95
    swapped = np.linalg.norm(found.xy[:, list(MIRROR)] - real, axis=-1) < 0.25 * torso
    assert swapped.mean() < 0.5  # so left is the person's left
    assert found.landmarks.shape == (len(found), 33, 3) == found.world.shape
    height = np.ptp(found.world[..., 1], axis=1)
    assert ((height > 1.0) & (height < 2.2)).all()  # metres


def test_part_of_a_clip(front):
    part = detect(CLIPS / FRONT, start_s=0.5, end_s=1.0, person=1)
    assert 0.5 - 1e-6 <= part.times[0] < part.times[-1] <= 1.0 + 1e-6
    shared = np.isin(np.round(front[0].times, 4), np.round(part.times, 4))
    assert np.nanmedian(np.abs(front[0].xy[shared] - part.xy)) < 3


def test_more_people_than_there_are():
    with pytest.raises(NoPoseError, match=r"person 2 .*only 1 was found.*--person"):
        detect(CLIPS / FRONT, person=2, end_s=0.3)


def test_two_people_side_by_side(front, monkeypatch):
    """Both are followed, and each can be chosen; one far smaller is not the largest."""
    read = video.read_frames

    def twice(path, **options):
        import cv2

        for time_s, image in read(path, **options):
            small = cv2.resize(image[:, ::-1], None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
            padded = np.full_like(image, 128)
            padded[-small.shape[0] :, : small.shape[1]] = small
            yield time_s, np.hstack([padded, image])

    monkeypatch.setattr(video, "read_frames", twice)
    width = front[0].size[0]
    middle = {
        who: np.nanmedian(detect(CLIPS / FRONT, person=who, end_s=1.5).xy[..., 0]) / width
        for who in ("largest", 1)
    }
    assert 1 < middle["largest"] < 2
    assert 0 < middle[1] < 1


def test_everyone_is_seen_in_every_frame_where_it_matters(front, monkeypatch):
    read = video.read_frames

    def three(path, **options):
        for time_s, image in read(path, **options):
            third = image[:, image.shape[1] // 5 : -image.shape[1] // 5]
            yield time_s, np.ascontiguousarray(np.hstack([third, third[:, ::-1], third]))

    monkeypatch.setattr(video, "read_frames", three)
    beside = detect_everyone(CLIPS / FRONT, end_s=1.0)
    assert sum(len(track.frames) for track in beside.tracks.tracks) < 2 * len(beside.times)
    for who in (1, 2, 3):
        poses = detect(CLIPS / FRONT, person=who, end_s=1.0)
        assert poses.found.mean() > 0.95
        assert 0.2 < np.nanmedian(poses.xy[..., 0]) / poses.size[0] * 3 - (who - 1) < 0.8


def test_somebody_small_in_a_large_picture(front, monkeypatch):
    """Found in parts of the picture, and followed from near."""
    import cv2

    read, factor, at = video.read_frames, 0.25, (900, 420)

    def from_afar(path, **options):
        for time_s, image in read(path, **options):
            small = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
            picture = np.full((720, 1280, 3), image[5, 5], np.uint8)
            picture[at[1] : at[1] + small.shape[0], at[0] : at[0] + small.shape[1]] = small
            yield time_s, picture

    monkeypatch.setattr(video, "read_frames", from_afar)
    found = fill_gaps(detect(CLIPS / FRONT, end_s=0.6)).part(slice(0, 15))
    assert found.found.all()
    expected = front[0].xy[: len(found)] * factor + at
    assert np.nanmedian(np.abs(found.xy - expected)) < 3


def test_nobody_in_view(monkeypatch):
    empty = ((i / 30, np.full((240, 320, 3), 90, np.uint8)) for i in range(3))
    monkeypatch.setattr(video, "read_frames", lambda path, **_: empty)
    with pytest.raises(NoPoseError, match=r"a\.mp4: nobody was found in 3 frames"):
        detect("a.mp4")


def test_wrong_person_is_refused_before_anything_is_read():
    with pytest.raises(ValueError, match="largest"):
        detect("absent.mp4", person="tallest")


def test_worn_session_is_replaced_without_a_break(front, monkeypatch):
    from vipecli.poses.detection import mediapipe_session

    monkeypatch.setattr(mediapipe_session, "_MOST_FRAMES", 7)
    again = detect(CLIPS / FRONT, end_s=1.0)
    assert again.found.all()
    assert np.nanmedian(np.abs(again.xy - front[0].xy[: len(again)])) < 3


def test_times_that_do_not_advance_a_millisecond(front):
    from vipecli.poses.detection.model_file import model_path

    image = np.full((120, 160, 3), 90, np.uint8)
    with BlazePose(model_path()) as finder:
        for time_s in (0, 0.0001, 0.0002, 0.5):
            assert finder.people(image, time_s, (160, 120)) == []


def test_terminal_stays_clean():
    script = (
        "import sys; from vipecli.poses.detect import detect; "
        "detect(sys.argv[1], end_s=0.2); print('note', file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(CLIPS / BACK)],
        capture_output=True,
        check=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("", "note\n")


@pytest.mark.parametrize(("camera", "faces_us"), [("01", True), ("04", False)])
def test_real_footage_from_both_sides(shared, camera, faces_us):
    clip = shared / "data" / "videos" / f"pose2sim_balancing_cam{camera}.mp4"
    found = detect(clip, end_s=0.5)
    assert found.found.all()
    left_of = found.xy[:, LEFT_SHOULDER, 0] < found.xy[:, RIGHT_SHOULDER, 0]
    assert (left_of != faces_us).mean() > 0.95  # mediapipe 0.10.33 swaps the sides in one of 30


@pytest.fixture(scope="module")
def two_people():
    """Frames of two people, five per second: each alone in a picture of 320 x 320."""
    both = []
    for name in (FRONT, BACK):
        read = video.read_frames(CLIPS / name, size=(320, 320), rgb=True, end_s=2.5)
        both.append([image for i, (_, image) in enumerate(read) if i % 6 == 0])
    return both


def _look_at(pairs):
    """People found in pictures of 640 x 320, five per second, and how many were surveyed."""
    from vipecli.poses.detection.model_file import model_path

    surveys, found = 0, []
    with BlazePose(model_path()) as finder:
        survey = finder._survey

        def counted(*args, **options):
            nonlocal surveys
            surveys += 1
            return survey(*args, **options)

        finder._survey = counted
        for i, (left, right) in enumerate(pairs):
            found.append(len(finder.people(np.hstack([left, right]), i / 5, (640, 320))))
    return found, surveys


def test_nobody_else_is_sought_where_nothing_changes(two_people):
    empty = np.full_like(two_people[1][0], two_people[1][0][0, 0])
    found, surveys = _look_at([(left, empty) for left in two_people[0]])
    assert set(found) == {1}
    assert surveys == 1


def test_somebody_who_comes_in_is_seen_within_a_second(two_people):
    left, right = two_people
    empty = np.full_like(right[0], right[0][0, 0])
    found, _ = _look_at(zip(left, [empty] * 4 + right[4:], strict=True))
    assert set(found[:4]) == {1}
    assert max(found[4:10]) == 2
    assert set(found[4:]) == {1, 2}  # others than the one followed are searched now and then


def test_who_bends_down_steadily_is_not_looked_at_twice_in_every_frame(monkeypatch):
    clip = CLIPS / "toe_touch/toetouch_000_cleo.mp4"
    looks, near = [], BlazePose._near
    monkeypatch.setattr(
        BlazePose, "_near", lambda self, look, *more: (looks.append(1), near(self, look, *more))[1]
    )
    found, counts = [], []
    for trust_s in (0.0, blazepose._TRUST_S):
        monkeypatch.setattr(blazepose, "_TRUST_S", trust_s)
        looks.clear()
        found.append(detect(clip, end_s=2.0).xy)
        counts.append(len(looks))
    assert counts[0] >= 8 and 1 <= counts[1] <= counts[0] / 2
    assert np.abs(found[0] - found[1]).max() <= 2, "pixels"


def test_clips_read_side_by_side_are_as_if_read_alone():
    """They share what looks at single pictures."""
    from vipecli.embedding.clip import Recipe, read_clip
    from vipecli.embedding.clips import read_clips

    recipe = Recipe(cached=False, end_s=0.4)
    paths = [CLIPS / FRONT, CLIPS / BACK]
    together = read_clips(paths, recipe, lambda clip, steps: None)
    for path, (seen, embedded) in zip(paths, together, strict=True):
        alone, embedded_alone = read_clip(path, recipe)
        np.testing.assert_array_equal(seen.landmarks, alone.landmarks)
        np.testing.assert_array_equal(embedded.mean, embedded_alone.mean)


def test_what_was_filled_is_marked():
    before = poses(missing=[4, 5, 9, 10, 11, 12, 13, 19])
    after = fill_gaps(before, max_gap_s=0.5)
    assert before.filled is None and np.flatnonzero(after.filled.any(axis=1)).tolist() == [4, 5]
    again = fill_gaps(after, max_gap_s=2.0)
    assert np.flatnonzero(again.filled.all(axis=1)).tolist() == [4, 5, 9, 10, 11, 12, 13]
    assert again.part(slice(9, 12)).filled.all()
    assert after.part(slice(0, 4)).filled is None
    assert fill_gaps(before, max_gap_s=0).filled is None


def test_a_small_person_is_followed_in_a_window(monkeypatch):
    """MediaPipe's detector sees nobody so small in a whole frame; before, each was searched."""
    from vipecli.poses.detection.model_file import model_path

    calls, detect_one = [], BlazePose._detect
    monkeypatch.setattr(BlazePose, "_detect", lambda *args: (calls.append(1), detect_one(*args))[1])
    found, looks = [], []
    with BlazePose(model_path()) as finder:
        for time_s, image in video.read_frames(CLIPS / FRONT, size=(110, 110), rgb=True, end_s=1):
            picture = np.full((720, 1280, 3), 120, np.uint8)
            picture[400:510, 700:810] = image
            calls.clear()
            found += finder.people(picture, time_s, (1280, 720))
            looks.append(len(calls))
    middle = np.array([person[:, :2].mean(axis=0) for person in found])
    assert len(found) == len(looks) and (np.abs(middle - (755, 455)) < 30).all()
    assert sum(looks[1:]) < len(looks) / 6


def test_who_walks_in_before_a_small_person_in_a_window_is_followed():
    """Before: the rest of the frame was never looked at again, and nobody larger was seen."""
    from vipecli.poses.detection.model_file import model_path

    with BlazePose(model_path()) as finder:
        frames = video.read_frames(CLIPS / FRONT, size=(480, 480), rgb=True, end_s=1.5)
        for time_s, image in frames:
            picture = np.full((720, 1280, 3), 120, np.uint8)
            picture[400:510, 100:210] = cv2.resize(image, (110, 110))
            if time_s >= 0.8:
                picture[200:680, 600:1080] = image
            found = finder.people(picture, time_s, (1280, 720))
    middles = [person[:, :2].mean(axis=0) for person in found]
    assert any(np.abs(middle - (840, 440)).max() < 60 for middle in middles)


def test_poses_say_in_one_line_what_they_hold():
    xy = np.zeros((3, 13, 2), np.float32)
    xy[1] = np.nan
    score = np.ones((3, 13), np.float32)
    score[1] = 0
    poses = Poses(xy, score, np.arange(3) / 10, (64, 48), "a.mp4")
    want = "Poses(a.mp4; 3 frames, 2 with a person, 0.00-0.20 s, 64 x 48)"
    assert repr(poses) == want
