"""Makers of odd and broken files: each takes the folder to write into and returns the path."""

import os
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from tests.media import corner, grey, make_video
from vipecli.video.write import VideoWriter

TEN = range(0, 400, 40)
RNG = np.random.default_rng(0)


def video(name="clip.mp4", times_ms=TEN, **options):
    return lambda folder: make_video(folder / name, times_ms, **options)


def turned(degrees):
    return video(images=[corner()] * 10, rotation=degrees)


def interlaced(folder):
    """A bar that moves between the two fields of a frame."""
    with av.open(str(folder / "tape.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.options = {"x264-params": "tff=1", "crf": "1"}
        for i in range(10):
            image = np.zeros((64, 96, 3), np.uint8)
            image[::2, 8 * i : 8 * i + 8] = 255
            image[1::2, 8 * i + 8 : 8 * i + 16] = 255
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "bgr24")))
        container.mux(stream.encode(None))
    return folder / "tape.mp4"


def frames(*names, sizes=None, mode="RGB"):
    def make(folder):
        (folder / "frames").mkdir()
        for i, name in enumerate(names):
            image = Image.fromarray(grey(i)).convert(mode)
            image.save(folder / "frames" / name)
        return folder / "frames"

    return make


def frames_from_a_phone(folder):
    """Pictures whose EXIF says that they are to be turned."""
    (folder / "frames").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn clockwise
    for i in range(3):
        image = Image.fromarray(np.ascontiguousarray(corner()[..., ::-1]))
        image.save(folder / "frames" / f"{i}.jpg", exif=exif, quality=95)
    return folder / "frames"


def deep_frames(folder):
    (folder / "frames").mkdir()
    for i in range(3):
        cv2.imwrite(str(folder / "frames" / f"{i}.png"), grey(i).astype(np.uint16) * 257)
    return folder / "frames"


def damaged_frame(folder):
    path = frames("1.png", "2.png", "3.png", "4.png")(folder)
    (path / "2.png").write_bytes(b"no picture")
    return path


def renamed(make, name):
    def rename(folder):
        return make(folder).rename(folder / name)

    return rename


def linked(folder):
    make_video(folder / "real.mp4", TEN)
    (folder / "link.mp4").symlink_to("real.mp4")
    return folder / "link.mp4"


def noise_cut_short(name, share):
    """Four seconds of noise, so that the bytes spread evenly, and only a share of them."""

    def make(folder):
        noise = RNG.integers(0, 255, (64, 96, 3), np.uint8)
        with VideoWriter(folder / f"whole_{name}", size=(96, 64), fps=25) as writer:
            for i in range(100):
                writer.write(np.roll(noise, i, axis=1))
        whole = (folder / f"whole_{name}").read_bytes()
        (folder / f"whole_{name}").unlink()
        (folder / name).write_bytes(whole[: int(share * len(whole))])
        return folder / name

    return make


def hole(folder):
    path = make_video(folder / "clip.ts", range(0, 2000, 40), images=[corner()] * 50)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 2000] = bytes(2000)
    path.write_bytes(data)
    return path


def with_a_cover(folder, *, moving):
    """Sound with a cover, as songs have it; and moving pictures beside it."""
    path = folder / "song.mp4"
    with av.open(str(path), "w") as container:
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 32, 32, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        stream = container.add_stream("libx264", rate=25) if moving else None
        if stream:
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        sound = container.add_stream("aac", rate=48000, layout="mono")
        picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), "bgr24")
        container.mux(cover.encode(picture))
        container.mux(cover.encode(None))
        for i in range(10 if stream else 0):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey(i), "bgr24")))
        if stream:
            container.mux(stream.encode(None))
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        silence.sample_rate = 48000
        container.mux(sound.encode(silence))
        container.mux(sound.encode(None))
    return path


def wide_pixels(folder):
    with av.open(str(folder / "dv.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        for i in range(10):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey(i), "bgr24")))
        container.mux(stream.encode(None))
    return folder / "dv.mp4"


def bytes_named(name, data):
    def make(folder):
        (folder / name).write_bytes(data)
        return folder / name

    return make


def no_index(folder):
    whole = make_video(folder / "whole.mp4", TEN).read_bytes()
    (folder / "whole.mp4").unlink()
    (folder / "cut.mp4").write_bytes(whole[: whole.index(b"moov") - 4])
    return folder / "cut.mp4"


def unknown_codec(folder):
    path = make_video(folder / "codec.mp4", TEN)
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzzz").replace(b"avcC", b"zzzC"))
    return path


def huge_gif(folder):
    """A header that asks for gigabytes."""
    path = make_video(folder / "huge.gif", TEN, codec="gif", pix_fmt="rgb8")
    data = bytearray(path.read_bytes())
    data[6:10] = (0xFF, 0x2F, 0xFF, 0x2F)  # 12287 x 12287
    path.write_bytes(data)
    return path


def unequal_frames(folder):
    path = frames("1.png", "2.png")(folder)
    cv2.imwrite(str(path / "3.png"), grey(0, (50, 50)))
    return path


def empty_folder(folder):
    (folder / "nothing").mkdir()
    return folder / "nothing"


def pipe(folder):
    os.mkfifo(folder / "pipe.mp4")
    return folder / "pipe.mp4"


def loop(folder):
    (folder / "a.mp4").symlink_to("b.mp4")
    (folder / "b.mp4").symlink_to("a.mp4")
    return folder / "a.mp4"


def dangling(folder):
    (folder / "link.mp4").symlink_to("gone.mp4")
    return folder / "link.mp4"


def forbidden(folder):
    path = make_video(folder / "secret.mp4", TEN)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    return path


def not_archive(folder):
    (folder / "poses.npz").write_bytes(b"PK\x03\x04" + bytes(200))
    return folder / "poses.npz"
