"""How takes are shown together: places, blending, mirrors, chapters."""

import contextlib
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from tests.media import corner, make_video, number
from vipecli.outputs.cutout import key_frames
from vipecli.outputs.layout import shared, tiled
from vipecli.outputs.reel import Mark, Reel, Take, pair_reel
from vipecli.outputs.screen import Follower, Screen
from vipecli.outputs.silhouette import outline, silhouette
from vipecli.outputs.synced import write_reel
from vipecli.outputs.video_options import Style, VideoOptions
from vipecli.poses.poses import Poses
from vipecli.video.planes import Planes
from vipecli.video.read import probe, read_frames, read_planes
from vipecli.video.source import ClipSource

SIZE = 96, 64


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return make_video(tmp_path_factory.mktemp("styles") / "clip.mp4", range(0, 400, 40))


def person(size=(96, 64), *, scale=1.0, at=(48.0, 32.0), frames: int = 10) -> Poses:
    """A person of some size whose hips stand at a place."""
    x = np.array([0, 8, -8, 12, -12, 14, -14, 5, -5, 5, -5, 5, -5])
    y = np.array([-24, -18, -18, -10, -10, -2, -2, 0, 0, 12, 12, 24, 24])
    xy = np.stack([x, y], axis=1) * scale + at
    xy = np.repeat(xy[None], frames, axis=0).astype(np.float32)
    return Poses(xy, np.ones((frames, 13), np.float32), np.arange(frames) / 25, size)


def reel(*takes: Take, **more) -> Reel:
    return Reel(takes, np.full(len(takes[0].times), 0.5), 25, **more)


def frames(out: Path) -> list[np.ndarray]:
    return [image for _, image in read_frames(out)]


# --- places --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "shape"), [(2, (1, 2)), (4, (2, 2)), (5, (2, 3)), (9, (3, 3))])
def test_a_grid_fills_a_screen(count, shape):
    layout = tiled([(1920, 1080)] * count, "grid", None)
    rows, columns = (len({box[i] for box in layout.pictures}) for i in (1, 0))
    assert (rows, columns) == shape
    assert count == 2 or (layout.size[0] <= 3848 and layout.size[1] <= 2500)
    assert not any(
        _overlap(a, b) for i, a in enumerate(layout.pictures) for b in layout.pictures[:i]
    )


def _overlap(a, b) -> bool:
    return all(max(a[i], b[i]) < min(a[i] + a[i + 2], b[i] + b[i + 2]) for i in (0, 1))


def test_portraits_go_in_one_row_and_a_stack_in_one_column():
    assert len({box[1] for box in tiled([(1080, 1920)] * 3, "grid", None).pictures}) == 1
    stack = tiled([(640, 480), (480, 480)], "stack", 100).pictures
    assert stack[0][1] < stack[1][1] and stack[0][3] == stack[1][3] == 100
    assert stack[1][0] > 0, "the narrower one stands in the middle"


@pytest.mark.parametrize("style", ["side", "stack", "grid"])
def test_portrait_and_landscape_get_one_area(style):
    layout = tiled([(1080, 1920), (1920, 1080)], style, 320)
    (*_, width, height), (x, y, *wide) = layout.pictures
    assert (height, width) == (320, 180)
    assert wide == pytest.approx([320, 180], abs=2)
    assert layout.captions[1][1] + layout.captions[1][3] == y, "the caption is above its picture"
    assert layout.captions[1][0] == x or style != "side"
    assert max(layout.size) / min(layout.size) < 1.9


def test_without_captions_only_pictures_are_left():
    layout = tiled([SIZE, SIZE], "side", 64, captions=False)
    assert layout.size[1] == 64 and not layout.captions
    shown = shared(
        [Take(ClipSource(Path("a")), np.zeros(1))] * 2, [SIZE, SIZE], 0, 64, captions=False
    )
    assert shown.size == (96, 64)


@pytest.mark.parametrize("mirrored", [False, True])
def test_people_are_laid_on_top_of_each_other(mirrored):
    own = person((200, 100), scale=0.5, at=(150, 40))
    times = np.arange(10) / 25
    takes = [
        Take(ClipSource(Path("a")), times, person()),
        Take(ClipSource(Path("b")), times, own, mirrored=mirrored),
    ]
    layout = shared(takes, [SIZE, (200, 100)], 0, 64, captions=False)
    x, y, width, height = layout.pictures[1]
    assert (width, height) == (400, 200), "twice as large"
    hips = np.array([200 - 150 if mirrored else 150, 40]) * 2 + (x, y)
    assert hips == pytest.approx((48, 32), abs=1)


def test_a_picture_without_a_person_fits_into_the_canvas():
    takes = [
        Take(ClipSource(Path("a")), np.zeros(2), person()),
        Take(ClipSource(Path("b")), np.zeros(2)),
    ]
    assert shared(takes, [SIZE, (96, 32)], 0, 64, captions=False).pictures[1] == (0, 16, 96, 32)


@pytest.mark.parametrize("style", list(Style))
def test_every_style_shows_both_clips(clip, tmp_path, style):
    times = np.arange(10) / 25
    takes = [
        Take(ClipSource(clip), times, person()),
        Take(ClipSource(clip), times[::-1].cumsum() * 0 + 0.36, person()),
    ]
    write_reel(
        reel(*takes), tmp_path / "out.mp4", VideoOptions(style=style, height=64, skeleton=False)
    )
    seen = frames(tmp_path / "out.mp4")
    assert len(seen) == 10
    first, last = (number(np.full((1, 1, 3), v)) for v in (seen[0].min(), seen[0].max()))
    assert first <= 2
    if style == "overlay":
        y = seen[0].shape[0] // 2 - 10
        assert number(seen[0][y : y + 4, 44:52]) >= 6, "the person"
        assert number(seen[0][y : y + 4, :6]) == 0, "the reference around it"
    else:
        assert last >= 9


@pytest.mark.parametrize("style", ["side", "overlay", "wipe"])
@pytest.mark.parametrize("size", [(96, 64), (95, 63)])
def test_mirrored_clips_in_every_style(tmp_path, style, size):
    path = make_video(tmp_path / "c.mkv", (0, 40), size=(96, 64), images=[corner()] * 2)
    times = np.zeros(2)
    poses = None if style == "overlay" else person(size)  # without: the whole picture is blended
    takes = [
        Take(ClipSource(path), times, poses),
        Take(ClipSource(path), times, poses, mirrored=True),
    ]
    options = {"captions": False, "skeleton": False, "height": size[1] + 1}
    write_reel(reel(*takes), tmp_path / "out.mp4", VideoOptions(style=style, **options))
    image = frames(tmp_path / "out.mp4")[0].astype(int)
    left, right = image[5:20, 4:20, 2].mean(), image[5:20, -20:-4, 2].mean()
    assert min(left, right) > (80 if style == "overlay" else 180)
    assert image[-15:, 10:-10].mean() < 20


def moving_square(tmp_path: Path, frames: int = 10) -> tuple[Path, Poses]:
    """A bright person, upright, who goes from left to right before a dark wall."""
    places = np.linspace(20, 76, frames)
    poses = person(frames=frames)
    xy = poses.xy + np.stack([places - 48, 0 * places], axis=1)[:, None].astype(np.float32)
    images = []
    for x in places:
        image = np.full((64, 96, 3), 30, np.uint8)
        image[4:60, round(x) - 8 : round(x) + 9] = 220
        images.append(image)
    path = make_video(tmp_path / "walk.mkv", range(0, 40 * frames, 40), size=SIZE, images=images)
    return path, replace(poses, xy=xy)


def test_a_silhouette_follows_the_colours(tmp_path):
    path, poses = moving_square(tmp_path, 2)
    picture = next(read_planes(ClipSource(path)))[1]
    mask = silhouette(picture, poses.xy[0])
    assert mask.shape == (64, 96) and mask[20:45, 16:25].min() > 0.9
    assert mask[:, 50:].max() == 0
    assert not silhouette(picture, np.full((13, 2), np.nan)).any()
    assert not silhouette(picture, poses.xy[0] + 500).any(), "outside of the picture"
    line = outline(np.float32(mask > 0.5), 2)
    assert line[30, 20] < 0.1 and line[30].max() > 0.7


def test_people_stay_where_they_were_at_key_moments(tmp_path):
    path, poses = moving_square(tmp_path)
    times = np.arange(10) / 25
    takes = [Take(ClipSource(path), times, poses)] * 2
    options = VideoOptions(style="strobe", height=64, skeleton=False, captions=False)
    write_reel(reel(*takes), tmp_path / "out.mp4", options)
    first, last = (
        image[32, :96].mean(axis=-1) for image in np.array(frames(tmp_path / "out.mp4"))[[0, -1]]
    )
    assert first[20] > 180 and first[76] < 60
    assert last[76] > 180, "the person"
    assert 100 < last[20] < 200, "frozen where the person started"
    assert key_frames(reel(*takes)) == [0, 2, 4, 7, 9], "evenly: no joint turns"


def test_a_person_who_is_out_of_sight_is_not_laid_over(clip, tmp_path):
    times, gone = np.zeros(2), person()
    gone = replace(gone, xy=gone.xy * np.float32(np.nan), score=0 * gone.score)
    takes = [
        Take(ClipSource(clip), times, person()),
        Take(ClipSource(clip), times + 0.36, gone),
    ]
    options = VideoOptions(style="overlay", height=64, skeleton=False, captions=False)
    write_reel(reel(*takes), tmp_path / "out.mp4", options)
    assert number(frames(tmp_path / "out.mp4")[0]) == 0


def test_mirrored_clips_are_shown_as_filmed_where_asked(tmp_path):
    path = make_video(tmp_path / "c.mkv", (0, 40), size=(96, 64), images=[corner()] * 2)
    take = Take(ClipSource(path), np.zeros(2), person(), mirrored=True)
    lit = []
    for flip in (True, False):
        video = VideoOptions(captions=False, skeleton=False, height=64, flip=flip)
        write_reel(reel(take), tmp_path / "out.mp4", video)
        image = frames(tmp_path / "out.mp4")[0]
        lit.append((image[5:20, 4:20, 2].mean() > 150, image[5:20, -20:-4, 2].mean() > 150))
    assert lit == [(False, True), (True, False)]


def test_the_edge_of_a_wipe_moves(clip, tmp_path):
    times = np.arange(50) / 50 * 0.01
    takes = [Take(ClipSource(clip), times, person()), Take(ClipSource(clip), times + 0.3, person())]
    write_reel(
        reel(*takes), tmp_path / "out.mp4", VideoOptions(style="wipe", height=64, captions=False)
    )
    widths = [(image[4:10].mean(axis=(0, 2)) < 60).sum() for image in frames(tmp_path / "out.mp4")]
    assert min(widths[:25]) >= 40 and max(widths) - min(widths) >= 15


# --- pictures ------------------------------------------------------------------------------------


def screen(take: Take, resample: str, stack: contextlib.ExitStack, speed: float = 1.0) -> Screen:
    return Screen(take, SIZE, np.full(len(take.times), speed), 25, resample, stack)


def test_blending_mixes_neighbours_by_their_distance(clip):
    moments = np.array([0.0, 0.01, 0.02, 0.03, 0.04])
    with contextlib.ExitStack() as stack:
        nearest = screen(Take(ClipSource(clip), moments), "nearest", stack)
        blend = screen(Take(ClipSource(clip), moments), "blend", stack, speed=0.25)
        grey = [[s.picture(i).bgr().mean() for i in range(5)] for s in (nearest, blend)]
    step = grey[1][4] - grey[1][0]
    assert np.diff(grey[1]) == pytest.approx([step / 4] * 4, abs=1)
    assert grey[0][:2] == pytest.approx([grey[1][0]] * 2) and grey[0][3] == grey[1][4]


def test_blending_averages_what_a_fast_clip_skips(clip):
    with contextlib.ExitStack() as stack:
        fast = screen(
            Take(ClipSource(clip), np.array([0.0, 0.16, 0.32])), "blend", stack, speed=4.0
        )
        greys = [fast.picture(i).bgr().astype(int) for i in range(3)]
    with contextlib.ExitStack() as stack:
        sharp = screen(Take(ClipSource(clip), np.array([0.16])), "nearest", stack).picture(0).bgr()
    assert greys[1].mean() == pytest.approx(sharp.mean(), abs=1), "the mean of a steady change"
    assert greys[0].mean() > sharp.mean() * 0.3


def test_a_clip_can_start_over(clip):
    moments = np.array([0.0, 0.2, 0.36, 0.04, 0.2])
    with contextlib.ExitStack() as stack:
        one = screen(Take(ClipSource(clip), moments), "nearest", stack)
        assert [number(one.picture(i).bgr()) for i in range(5)] == [0, 5, 9, 1, 5]


def test_moments_far_into_a_clip_are_reached_by_seeking(tmp_path):
    path = make_video(tmp_path / "long.mp4", range(0, 8000, 40), options={"g": "25"})
    asked = []

    def read(start_s=None):
        asked.append(start_s)
        return read_planes(path, start_s=start_s)

    follower = Follower(read, 6.0)
    assert asked == [pytest.approx(5.0)]
    assert follower.nearest(6.01)[0] == pytest.approx(6.0, abs=1e-3)
    assert follower.nearest(60.0)[0] == pytest.approx(7.96, abs=1e-3), "the last one stays"
    follower.close()


def test_mirrored_clips_are_shown_mirrored(tmp_path):
    path = make_video(tmp_path / "corner.mp4", (0, 40), images=[corner()] * 2)
    seen = person(at=(20, 32), frames=2)
    with contextlib.ExitStack() as stack:
        plain, flipped = (
            screen(Take(ClipSource(path), np.zeros(2), seen, mirrored=m), "nearest", stack)
            for m in (0, 1)
        )
        assert plain.picture(0).bgr()[5, 5, 2] > 150 and flipped.picture(0).bgr()[5, -5, 2] > 150
        pictures = [Planes.filled(SIZE, (0, 0, 0)) for _ in range(2)]
        for one, picture in zip((plain, flipped), pictures, strict=True):
            one.draw_skeleton(picture)
    drawn = [picture.bgr() for picture in pictures]
    assert drawn[0][:, :48].any() and not drawn[0][:, 60:].any()
    assert drawn[1][:, 48:].any() and not drawn[1][:, :36].any()
    # Its left is drawn as the other one's right: both have the colours of one side in one place.
    assert np.abs(drawn[0][:, :41].astype(int) - drawn[1][:, 55:]).mean() > 1


# --- reels ---------------------------------------------------------------------------------------


def test_chapters_are_in_the_file(clip, tmp_path):
    times = np.arange(10) / 25
    shown = reel(
        Take(ClipSource(clip), times),
        Take(ClipSource(clip), times),
        marks=(Mark(4, "turn"), Mark(8, "end")),
    )
    assert shown.chapters == [(0, 4, "Start"), (4, 8, "turn"), (8, 10, "end")]
    for suffix in (".mp4", ".mkv"):
        out = tmp_path / f"out{suffix}"
        write_reel(shown, out, VideoOptions(chapters=True, height=64))
        with av.open(str(out)) as container:
            got = [(float(c["start"] * c["time_base"]), c["metadata"]["title"])
                   for c in container.chapters()]  # fmt: skip
        assert got == [(0, "Start"), (pytest.approx(0.16, abs=2e-3), "turn"),
                       (pytest.approx(0.32, abs=2e-3), "end")]  # fmt: skip
    write_reel(shown, out, VideoOptions(height=64))
    with av.open(str(out)) as container:
        assert container.chapters() == []


def test_pictures_are_as_large_as_filmed(clip, tmp_path):
    times = np.arange(10) / 25
    write_reel(
        reel(Take(ClipSource(clip), times)), tmp_path / "out.mp4", VideoOptions(captions=False)
    )
    info = probe(tmp_path / "out.mp4")
    assert (info.width, info.height) == SIZE


def test_speeds_do_not_look_across_a_cut():
    times = np.r_[np.arange(20), np.arange(20)] / 25
    shown = reel(Take(ClipSource(Path("a")), times), cuts=(20,))
    assert shown.speeds(0) == pytest.approx(np.ones(40))


@pytest.mark.parametrize("options", [{"style": "pile"}, {"resample": "cubic"}, {"style": "wipe"}])
def test_what_cannot_be_shown(clip, tmp_path, options):
    takes = [Take(ClipSource(clip), np.zeros(1))] * 3
    with pytest.raises(ValueError, match=next(iter(options))):
        write_reel(reel(*takes), tmp_path / "out.mp4", VideoOptions(**options))
    assert not list(tmp_path.iterdir())


def test_onto_is_checked():
    with pytest.raises(ValueError, match="onto is 'c'"):
        pair_reel(None, ("a", person()), ("b", person()), onto="c")
