from pathlib import Path

import numpy as np
import pytest

from tests.media import assert_same_video, grey, make_video, number
from vipecli.alignment.align import Alignment
from vipecli.errors import VideoError, VipeError
from vipecli.outputs.draw import (
    LEFT,
    MIDDLE,
    RIGHT,
    _font,
    _missing,
    draw_skeleton,
    draw_text,
    elide,
    text_width,
)
from vipecli.outputs.layout import tiled
from vipecli.outputs.reel import Reel, Take
from vipecli.outputs.strip import _columns, clock, make_strip
from vipecli.outputs.synced import write_reel, write_synced
from vipecli.outputs.video_options import VideoOptions
from vipecli.poses.poses import Poses
from vipecli.video.container import open_media
from vipecli.video.read import probe, read_frames
from vipecli.video.source import ClipSource

SIZE_A, SIZE_B = (128, 96), (66, 120)


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> tuple[Path, Path]:
    """A of 10 frames at 25 fps, wide, and B of 20 frames at 25 fps, tall; B is half as fast."""
    folder = tmp_path_factory.mktemp("clips")
    a = make_video(folder / "a.mp4", range(0, 400, 40), size=SIZE_A, audio="aac", audio_s=0.4)
    b = make_video(folder / "b.mp4", range(0, 800, 40), size=SIZE_B, audio="aac")
    return a, b


def poses(path: Path) -> Poses:
    """A person who stands in the left half of the picture."""
    info = probe(path)
    times = np.array([time_s for time_s, _ in read_frames(path)])
    xy = np.full((len(times), 13, 2), (0.25 * info.width, 0.5 * info.height), np.float32)
    xy[:, 1::2] += (0.1 * info.width, 0)
    xy += np.linspace(0, 0.2 * info.height, 13)[:, None] * (0, 1)
    return Poses(xy, np.ones((len(times), 13), np.float32), times, (info.width, info.height))


def half_speed(count: int = 10) -> Alignment:
    """Frame i of a belongs to frames 2i and 2i + 1 of b."""
    path = np.stack([np.repeat(np.arange(count), 2), np.arange(2 * count)], axis=1)
    match = np.linspace(0.1, 0.9, 2 * count, dtype=np.float32)
    times = path * 0.04
    return Alignment(path, 0.5, times[:, 0], times[:, 1], -np.log(match), match, "demo:0")


def shown(out: Path, height: int) -> list[tuple[int, ...]]:
    """Which frame of each clip every frame of the video shows."""
    boxes = tiled([SIZE_A, SIZE_B], "side", height).pictures
    return [
        tuple(number(image[y + h // 3 : y + h // 2, x + w // 2 : x + w]) for x, y, w, h in boxes)
        for _, image in read_frames(out)
    ]


def synced(clips: tuple[Path, Path], out: Path, **options) -> Path:
    a, b = clips
    write_synced(half_speed(), (a, poses(a)), (b, poses(b)), out, **{"height": 96, **options})
    return out


# --- the video -----------------------------------------------------------------------------------


def test_b_is_warped_onto_the_time_of_a(clips, tmp_path):
    out = synced(clips, tmp_path / "out.mp4")
    frames = shown(out, 96)
    assert [a for a, _ in frames] == list(range(10))
    b = np.array([b for _, b in frames])
    assert np.abs(b - (2 * np.arange(10) + 0.5)).max() <= 1.5 and (np.diff(b) >= 0).all()
    info = probe(out)
    assert info.fps == 25 and info.duration_s == pytest.approx(0.4, abs=0.03) and info.has_audio


def test_a_is_warped_onto_the_time_of_b(clips, tmp_path):
    frames = shown(synced(clips, tmp_path / "out.mp4", onto="b"), 96)
    assert [b for _, b in frames] == list(range(20))
    assert np.abs(np.array([a for a, _ in frames]) - np.arange(20) / 2).max() <= 1.5


def test_both_meet_in_the_middle(clips, tmp_path):
    frames = shown(synced(clips, tmp_path / "out.mp4", onto="both"), 96)
    assert len(frames) == pytest.approx(15, abs=1)
    assert frames[0] == (0, 0) and frames[-1] == (9, 19)


def test_variable_rate_goes_onto_an_even_grid(tmp_path):
    times_ms = [0, 40, 80, 240, 280, 320, 360]  # three frames are missing
    a = make_video(tmp_path / "a.mp4", times_ms, size=SIZE_A)
    b = make_video(tmp_path / "b.mp4", range(0, 400, 40), size=SIZE_B)
    steps = np.array(times_ms) / 1000
    path = np.stack([np.arange(7), np.array(times_ms) // 40], axis=1)
    p = np.full(7, 0.5, np.float32)
    alignment = Alignment(path, 0.5, steps, steps, p, p, "demo:0")
    write_synced(alignment, (a, poses(a)), (b, poses(b)), tmp_path / "out.mp4", height=96)
    assert probe(tmp_path / "out.mp4").fps == 25
    frames = shown(tmp_path / "out.mp4", 96)
    assert [a for a, _ in frames] == [0, 1, 2, 2, 3, 3, 3, 4, 5, 6] or [a for a, _ in frames] == [
        0, 1, 2, 2, 2, 3, 3, 4, 5, 6
    ]  # fmt: skip
    assert np.abs([b - i for i, (_, b) in enumerate(frames)]).max() <= 1


def test_the_same_video_twice(clips, tmp_path):
    one, two = (synced(clips, tmp_path / name) for name in ("one.mp4", "two.mp4"))
    assert_same_video(one, two)


@pytest.mark.parametrize(("audio", "starts"), [("a", 0.3), ("b", 0.3), ("none", None)])
def test_whose_sound(clips, tmp_path, audio, starts):
    out = synced(clips, tmp_path / "out.mp4", audio=audio, onto="both")
    assert probe(out).has_audio == (audio != "none")
    if starts:
        from tests.media import tone_starts_s

        assert tone_starts_s(out) == pytest.approx(starts, abs=0.04)


def test_h264_for_browsers(clips, tmp_path):
    out = synced(clips, tmp_path / "out.mp4")
    with open_media(out) as media:
        context = media.video.codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        assert context.width % 2 == context.height % 2 == 0


def test_pictures_are_not_stretched():
    sizes = [(1920, 1080), (1440, 1080), (301, 199)]
    layout = tiled(sizes, "side", 360)
    for (width, height), box in zip(sizes, layout.pictures, strict=True):
        assert box[3] == 360 and box[2] == pytest.approx(360 * width / height, abs=0.5)
    ends = [x + width for x, _, width, _ in layout.pictures]
    assert all(x >= end for (x, *_), end in zip(layout.pictures[1:], ends, strict=False))
    assert layout.size[0] in (ends[-1], ends[-1] + 1)


def test_default_height_is_that_of_the_taller_clip():
    def height(sizes, style="side"):
        return tiled(sizes, style, None).pictures[0][3]

    assert height([(640, 480), (320, 240)]) == 480
    assert height([(1080, 1920)] * 2) == 1920
    assert height([(3840, 2160)] * 2) == 2160
    with pytest.raises(ValueError, match="height is 8"):
        tiled([(640, 480)], "side", 8)


def test_skeletons_can_be_switched_off(clips, tmp_path):
    plain = synced(clips, tmp_path / "plain.mp4", skeleton=False)
    drawn = synced(clips, tmp_path / "drawn.mp4")
    (_, one), (_, two) = next(read_frames(plain)), next(read_frames(drawn))
    for x, y, w, h in tiled([SIZE_A, SIZE_B], "side", 96).pictures:
        changed = np.abs(one[y : y + h, x : x + w].astype(int) - two[y : y + h, x : x + w]) > 40
        assert changed[:, : w // 2].any() and not changed[:, 2 * w // 3 :].any()


def test_a_folder_of_frames_beside_a_video(clips, tmp_path):
    import cv2

    (tmp_path / "frames").mkdir()
    for i in range(10):
        cv2.imwrite(str(tmp_path / "frames" / f"{i}.png"), grey(i, SIZE_A))
    times = np.arange(10) / 30
    takes = [
        Take(ClipSource(tmp_path / "frames"), times),
        Take(ClipSource(clips[1]), times, label="tall"),
    ]
    write_reel(
        Reel(tuple(takes), np.full(10, 0.5), 30), tmp_path / "out.mp4", VideoOptions(height=96)
    )
    assert [a for a, _ in shown(tmp_path / "out.mp4", 96)] == list(range(10))


def test_a_single_frame(clips, tmp_path):
    takes = [Take(ClipSource(path), np.zeros(1)) for path in clips]
    write_reel(Reel(tuple(takes), np.ones(1), 25), tmp_path / "out.mp4", VideoOptions(height=96))
    assert shown(tmp_path / "out.mp4", 96) == [(0, 0)]


# --- what must not happen ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gone/out.mp4", "out.avi", "a.mp4", "."])
def test_bad_targets_leave_nothing(clips, tmp_path, name):
    a = tmp_path / "a.mp4"
    a.write_bytes(clips[0].read_bytes())
    with pytest.raises(VipeError):
        synced((a, clips[1]), tmp_path / name)
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]
    assert a.read_bytes() == clips[0].read_bytes()


def test_a_clip_that_went_away_leaves_nothing(clips, tmp_path):
    alignment, of_a, of_b = half_speed(), poses(clips[0]), poses(clips[1])
    with pytest.raises(VideoError, match=r"gone\.mp4"):
        write_synced(
            alignment, (clips[0], of_a), (tmp_path / "gone.mp4", of_b), tmp_path / "out.mp4"
        )
    assert not list(tmp_path.iterdir())


def test_interrupted(clips, tmp_path, monkeypatch):
    def interrupt(*_args, **_named):
        raise KeyboardInterrupt

    monkeypatch.setattr("vipecli.outputs.screen.draw_skeleton", interrupt)
    with pytest.raises(KeyboardInterrupt):
        synced(clips, tmp_path / "out.mp4")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("options", [{"onto": "c"}, {"audio": "both"}, {"height": 3}])
def test_wrong_options(clips, tmp_path, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        synced(clips, tmp_path / "out.mp4", **options)


def test_one_time_per_frame_is_needed(clips):
    with pytest.raises(ValueError, match="one time per frame"):
        Reel((Take(ClipSource(clips[0]), np.zeros(3)),), np.ones(2), 25)


# --- drawing -------------------------------------------------------------------------------------


def person() -> np.ndarray:
    """A person of 13 joints who fills most of a 200 x 200 picture, facing us."""
    x = [100, 130, 70, 150, 50, 160, 40, 120, 80, 125, 75, 125, 75]
    y = [20, 50, 50, 80, 80, 110, 110, 110, 110, 150, 150, 190, 190]
    return np.stack([x, y], axis=1).astype(np.float32)


def test_left_and_right_have_their_colours():
    image = np.zeros((200, 200, 3), np.uint8)
    draw_skeleton(image, person(), np.ones(13))
    for joints, colour in (((1, 3), LEFT), ((2, 4), RIGHT)):
        x, y = person()[list(joints)].mean(axis=0).astype(int)
        assert np.abs(image[y, x].astype(int) - colour).max() <= 2


@pytest.mark.parametrize("missing", [np.nan, np.inf, 1e9])
def test_missing_joints_are_left_out(missing):
    xy, score = person(), np.ones(13)
    xy[[5, 6]], score[[5, 6]] = missing, 0
    image = np.full((200, 200, 3), 90, np.uint8)
    draw_skeleton(image, xy, score)
    assert (image[104:, :60] == 90).all() and (image[104:, 146:] == 90).all()
    nobody = np.full((200, 200, 3), 90, np.uint8)
    draw_skeleton(nobody, np.full((13, 2), missing), np.zeros(13))
    assert (nobody == 90).all()


def test_filled_joints_are_hollow():
    filled = np.arange(13) == 5
    x, y = (4 * person()[5]).astype(int)
    seen, image = (np.full((800, 800, 3), 90, np.uint8) for _ in range(2))
    draw_skeleton(seen, 4 * person(), np.ones(13))
    assert np.abs(seen[y, x].astype(int) - MIDDLE).max() <= 2
    draw_skeleton(image, 4 * person(), np.ones(13), filled=filled)
    assert (image[y - 2 : y + 3, x - 2 : x + 3] == 90).all()
    ring = np.abs(image[y - 12 : y + 13, x - 12 : x + 13].astype(int) - LEFT).max(axis=2) <= 2
    assert ring.sum() > 20
    draw_skeleton(image, 4 * person() - (640, 430), np.ones(13), filled=filled)  # over the edge


@pytest.mark.parametrize("away", [(500, 0), (-500, 0), (0, 500), (0, -500)])
def test_filled_joints_outside_of_the_picture_are_not_seen(away):
    image = np.full((200, 200, 3), 90, np.uint8)
    draw_skeleton(image, person() + np.array(away), np.ones(13), filled=np.arange(13) == 5)
    assert (image == 90).all()


def test_drawing_stays_inside_its_part_of_a_picture():
    image = np.zeros((200, 400, 3), np.uint8)
    draw_skeleton(image[:, 200:], np.add(person(), (60, 0)), np.ones(13))
    draw_skeleton(image[:, 200:], np.add(person(), (-150, 0)), np.ones(13))
    draw_text(image[:, 200:], "over the edge", (-40, 100), 20, LEFT)
    assert not image[:, :200].any() and image[:, 200:].any()


def test_lines_grow_with_the_person():
    areas = []
    for scale in (1, 2, 4):
        image = np.zeros((200 * scale, 200 * scale, 3), np.uint8)
        draw_skeleton(image, person() * scale, np.ones(13))
        areas.append((image.max(axis=2) > 128).sum())
    assert 2.5 < areas[1] / areas[0] < 5 and 2.5 < areas[2] / areas[1] < 5


def test_text_that_is_too_long_is_shortened_in_the_middle():
    name = "a very long name of a video that nobody wants to read.mp4"
    short = elide(name, 20, 200)
    assert text_width(short, 20) <= 200
    assert short.startswith("a very") and short.endswith(".mp4") and "…" in short
    assert elide("short.mp4", 20, 500) == "short.mp4"


def test_digits_of_a_clock_do_not_dance():
    widths = {text_width(text, 20, tabular=True) for text in ("0:01.11", "0:08.88", "0:04.74")}
    assert len(widths) == 1


def test_accents_can_be_written():
    for text in ("Été à Zürich – naïve.mp4", "Ωμέγα.mp4", "Привет.mp4"):
        assert _missing(_font(20, frozenset(text)), text) == 0


@pytest.mark.parametrize(
    ("time_s", "text"),
    [
        (0, "0:00.00"),
        (3.254, "0:03.25"),
        (59.999, "1:00.00"),
        (3723.5, "1:02:03.50"),
        (-1, "0:00.00"),
    ],
)
def test_clock(time_s, text):
    assert clock(time_s) == text


@pytest.mark.parametrize("frames", [1, 2, 7, 500, 5000])
def test_columns_of_the_graph_are_means(frames):
    match = np.random.default_rng(0).random(frames)
    columns = _columns(match, 300)
    assert columns.shape == (300,) and (columns >= match.min() - 1e-9).all()
    assert (columns <= match.max() + 1e-9).all()
    assert np.allclose(_columns(np.full(frames, 0.3), 300), 0.3)


@pytest.mark.parametrize("size", [(160, 50), (301, 51), (3840, 200)])
def test_the_playhead_moves_over_the_graph(size):
    match = np.linspace(0.05, 0.95, 50)
    strip = make_strip(match, 2.0, size, size[1] / 4.6)
    heads = []
    for frame in (0, 25, 49):
        image = strip.picture(frame)
        assert image.shape == (size[1], size[0], 3)
        row = image[strip.top - 1, : strip.left + strip.width + 2].min(axis=1)
        heads.append(int(row.argmax()))
    assert heads == sorted(heads)
    assert heads[0] == pytest.approx(strip.left, abs=2)
    assert heads[-1] == pytest.approx(strip.left + strip.width, abs=strip.font / 3 + 2)


def test_a_camera_that_starts_late_waits_and_then_runs_at_full_speed():
    """The speed of cameras of one event is 1 from the first frame on, not 2 beside the wait."""
    at = np.arange(60) / 30
    there = np.clip(at - 0.5, 0, 1.2)
    takes = [Take(ClipSource(Path("x.mp4")), times) for times in (at, there)]
    speeds = Reel(tuple(takes), np.ones(60), 30).speeds(1)
    assert speeds[:15].tolist() == [0] * 15 and speeds[-6:].tolist() == [0] * 6
    np.testing.assert_allclose(speeds[15:52], 1)
    assert Reel(tuple(takes), np.ones(60), 30).speeds(0) == pytest.approx(np.ones(60))


@pytest.mark.parametrize(
    ("mirrored", "space", "want"),
    [
        (False, 400, "a_rather_long_name.mp4"),
        (True, 400, "a_rather_long_name.mp4 (mirrored)"),
        (True, 180, " (mirrored)"),
    ],
)
def test_a_narrow_caption_still_says_that_a_clip_is_mirrored(mirrored, space, want):
    from vipecli.outputs.draw import text_width
    from vipecli.outputs.synced import _named

    take = Take(ClipSource(Path("a_rather_long_name.mp4")), np.zeros(2), mirrored=mirrored)
    got = _named(take, 16, space)
    assert got.endswith(want) and text_width(got, 16) <= space
    assert ("…" in got) is (space < 400)


def test_one_speed_of_b_in_video_terminal_and_page():
    """B takes half the time for the movement: played at half its speed, it is twice as fast."""
    from vipecli.alignment.time_map import speed
    from vipecli.outputs.report_data import events
    from vipecli.outputs.synced import _relative
    from vipecli.outputs.text import speed_in_words, times_as_fast

    n = 60
    path = np.stack([np.arange(n), np.arange(n) // 2], axis=1)
    half = np.full(n, 0.5, np.float32)
    alignment = Alignment(path, 0.5, path[:, 0] / 30, path[:, 1] / 30, half, half, "demo:0")
    (part,) = speed(alignment)
    shown = _relative(np.full(3, 0.5), np.ones(3))
    assert part.ratio == pytest.approx(2.0, rel=0.1) and shown == pytest.approx(2.0)
    assert speed_in_words(2.0, "a") == "2.0x as fast as a" and times_as_fast(2.0) == "2.0x as fast"
    assert events(alignment)[0][2] == f"B is {part.ratio:.1f}x as fast as A"
    assert times_as_fast(16.0) == "waits" and speed_in_words(16.0, "a") == "stays at one moment"
