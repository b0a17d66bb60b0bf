"""Pictures as films store them."""

import numpy as np
import pytest

from tests.media import grey, make_video, number
from vipecli.video.planes import Planes, mean
from vipecli.video.read import read_frames, read_planes

RNG = np.random.default_rng(5)


def smooth(width: int, height: int) -> np.ndarray:
    """A picture in which colour changes slowly, BGR, so that half of its pixels tell it."""
    y, x = np.mgrid[:height, :width]
    channels = 40 + 120 * x / width, 200 - 150 * y / height, 60 + 80 * (x + y) / (width + height)
    return np.stack(channels, axis=-1).astype(np.uint8)


@pytest.mark.parametrize("size", [(40, 30), (41, 30), (40, 31), (41, 31), (1, 1)])
def test_there_and_back(size):
    image = smooth(*size)
    planes = Planes.of(image)
    assert planes.size == size and planes.u.shape == ((size[1] + 1) // 2, (size[0] + 1) // 2)
    assert np.abs(planes.bgr().astype(int) - image).max() <= 8
    again = Planes.of(planes.bgr())
    for name in ("y", "u", "v"):
        before, after = getattr(planes, name), getattr(again, name)
        assert np.abs(before.astype(int) - after).max() <= 1


def test_what_is_drawn_changes_no_other_part():
    planes = Planes.of(RNG.integers(0, 256, (60, 80, 3), dtype=np.uint8))
    before = planes.bgr()
    with planes.drawn((21, 13, 30, 20)) as (image, (left, top)):
        assert (left, top) == (20, 12) and image.shape == (22, 32, 3)
        image[8:12, 10:14] = 0, 0, 255
    after = planes.bgr()
    assert (after[20:24, 30:34] - np.array([0, 0, 255]) <= 2).all()
    rest = np.ones((60, 80), bool)
    rest[12:34, 20:52] = False
    assert (after == before)[rest].all()


@pytest.mark.parametrize("box", [(-50, 0, 20, 20), (80, 0, 5, 5), (0, 0, 0, 0)])
def test_nothing_is_drawn_outside(box):
    planes = Planes.filled((80, 60), (10, 200, 30))
    with planes.drawn(box) as (image, _):
        image[:] = 255
    assert (np.abs(planes.bgr().astype(int) - (10, 200, 30)) <= 2).all()


def test_parts_begin_at_even_places():
    planes = Planes.filled((80, 60), (0, 0, 0))
    planes.part((40, 20, 21, 11)).put(Planes.filled((21, 11), (255, 255, 255)))
    white = planes.y > 128
    assert white[20:31, 40:61].all() and white.sum() == 21 * 11
    for x, y in ((1, 0), (0, 3)):
        with pytest.raises(ValueError, match=f"{x},{y}"):
            planes.part((x, y, 10, 10))


def test_mixing():
    dark, light = (Planes.filled((8, 6), (v, v, v)) for v in (40, 200))
    assert mean([dark, light], np.array([0.75, 0.25])).bgr().mean() == pytest.approx(80, abs=1)
    dark.blend(light, 0.25)
    assert dark.bgr().mean() == pytest.approx(80, abs=1)
    dark.part((8, 6, 0, 0)).blend(light.part((0, 0, 0, 0)), 0.5)  # nothing, and no error


HD, SD = (1280, 720), (96, 64)  # a file that names no colours means those of TV by its size


@pytest.mark.parametrize(
    ("suffix", "size", "options"),
    [
        (".mp4", SD, {}),
        (".mp4", HD, {}),
        (".mp4", SD, {"rotation": 90}),
        (".mp4", SD, {"rotation": 180}),
        (".mp4", SD, {"pix_fmt": "yuv444p"}),
        (".webm", SD, {"codec": "libvpx-vp9"}),
        (".gif", SD, {"codec": "gif", "pix_fmt": "rgb8"}),
        (".avi", SD, {"codec": "mjpeg", "pix_fmt": "yuvj422p"}),
    ],
)
@pytest.mark.parametrize("asked", [None, (33, 47)])
def test_films_have_the_same_colours_as_otherwise(tmp_path, suffix, size, options, asked):
    images = [smooth(*size)] * 3
    path = make_video(tmp_path / f"clip{suffix}", (0, 40, 80), size=size, images=images, **options)
    frames, planes = list(read_frames(path, size=asked)), list(read_planes(path, size=asked))
    assert [t for t, _ in frames] == [t for t, _ in planes] and len(frames) == 3
    for (_, image), (_, picture) in zip(frames, planes, strict=True):
        assert picture.size == image.shape[1::-1]
        away = np.abs(picture.bgr().astype(int) - Planes.of(image).bgr())
        assert away.mean() <= 3 and np.percentile(away, 99) <= 12


def test_folders_of_frames_are_read_from_a_moment_on(tmp_path):
    import cv2

    for i in range(5):
        cv2.imwrite(str(tmp_path / f"{i}.png"), grey(i))
    found = [number(picture.bgr()) for _, picture in read_planes(tmp_path, start_s=0.05)]
    assert found == [2, 3, 4]
