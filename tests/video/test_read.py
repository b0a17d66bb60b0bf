import warnings
import weakref
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from tests.media import corner, grey, make_video, number
from vipecli.errors import VideoError, VideoWarning
from vipecli.video.read import probe, read_frames
from vipecli.video.source import ClipSource
from vipecli.video.write import VideoWriter


def times_of(path: Path, **options) -> list[float]:
    return [time_s for time_s, _ in read_frames(path, **options)]


# --- what is read --------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".mov"])
def test_frames_come_in_order_with_their_times(tmp_path, suffix):
    path = make_video(tmp_path / f"clip{suffix}", codec="mpeg4" if suffix == ".avi" else "libx264")
    frames = list(read_frames(path))
    numbers = np.array([number(image) for _, image in frames])
    assert np.abs(numbers - np.arange(20)).max() <= (suffix == ".avi")  # that codec is coarse
    assert np.allclose([t for t, _ in frames], np.arange(20) * 0.04, atol=1e-3)
    assert all(i.shape == (64, 96, 3) and i.dtype == np.uint8 for _, i in frames)


def test_variable_frame_rate_keeps_true_times(tmp_path):
    times_ms = [0, 33, 100, 101, 250, 700, 733, 800]
    path = make_video(tmp_path / "phone.mp4", times_ms)
    frames = list(read_frames(path))
    assert np.allclose([t for t, _ in frames], np.array(times_ms) / 1000, atol=1e-6)
    assert [number(image) for _, image in frames] == list(range(8))


def test_a_picture_that_starts_after_the_sound_keeps_its_delay(tmp_path):
    path = make_video(tmp_path / "late.mkv", range(500, 900, 40), audio="aac", audio_s=1.0)
    assert times_of(path)[0] == pytest.approx(0.5, abs=0.03)


def test_a_transport_stream_starts_at_zero(tmp_path):
    path = make_video(tmp_path / "clip.ts")
    assert times_of(path) == pytest.approx(np.arange(20) * 0.04, abs=1e-3)


@pytest.mark.parametrize(
    ("rotation", "red"),
    [(0, "top left"), (90, "bottom left"), (180, "bottom right"), (270, "top right")],
)
def test_rotated_footage_stands_upright(tmp_path, rotation, red):
    path = make_video(tmp_path / "phone.mp4", [0, 40], images=[corner()] * 2, rotation=rotation)
    _, image = next(read_frames(path))
    info = probe(path)
    assert image.shape[1::-1] == (info.width, info.height)
    assert (info.width, info.height) == ((96, 64) if rotation % 180 == 0 else (64, 96))
    assert info.orientation.transposed == (rotation in (90, 270))
    row, column = np.unravel_index(
        np.argmax([[image[y, x, 2] for x in (8, -8)] for y in (8, -8)]), (2, 2)
    )
    assert f"{('top', 'bottom')[row]} {('left', 'right')[column]}" == red


def test_rotation_agrees_with_opencv(tmp_path):
    path = make_video(tmp_path / "phone.mp4", [0, 40], images=[corner()] * 2, rotation=90)
    capture = cv2.VideoCapture(str(path))
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
    assert np.abs(capture.read()[1].astype(int) - next(read_frames(path))[1]).mean() < 3


def test_part_of_a_clip(tmp_path):
    path = make_video(tmp_path / "clip.mp4")
    assert times_of(path, start_s=0.2, end_s=0.4) == pytest.approx([0.2, 0.24, 0.28, 0.32, 0.36])
    assert times_of(path, end_s=0.1) == pytest.approx([0, 0.04, 0.08])
    assert times_of(path, start_s=5) == []
    assert times_of(path, start_s=-1, end_s=99) == times_of(path)


@pytest.mark.parametrize("rotation", [0, 90])
def test_scaled_by_the_decoder(tmp_path, rotation):
    path = make_video(tmp_path / "c.mp4", [0, 40], images=[corner()] * 2, rotation=rotation)
    _, image = next(read_frames(path, size=(31, 23)))
    assert image.shape == (23, 31, 3)
    red = image[-4, 4] if rotation else image[4, 4]
    assert red[2] > 200


def test_odd_sizes(tmp_path):
    path = make_video(tmp_path / "odd.mkv", size=(45, 37), codec="ffv1", pix_fmt="bgr0")
    frames = list(read_frames(path))
    assert [number(image) for _, image in frames] == list(range(20))
    assert frames[0][1].shape == (37, 45, 3)


def test_non_square_pixels_become_square(tmp_path):
    with av.open(str(tmp_path / "dv.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(grey(3), "bgr24")))
        container.mux(stream.encode(None))
    _, image = next(read_frames(tmp_path / "dv.mp4"))
    assert image.shape == (64, 128, 3) and number(image) == 3
    assert probe(tmp_path / "dv.mp4").width == 128


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "suffix"),
    [
        ("libx265", "yuv420p", ".mp4"),
        ("libx264", "yuv420p10le", ".mp4"),
        ("libvpx-vp9", "yuv420p", ".webm"),
        ("libsvtav1", "yuv420p", ".mp4"),
        ("gif", "rgb8", ".gif"),
        ("mjpeg", "yuvj420p", ".mov"),
    ],
)
def test_codecs(tmp_path, codec, pix_fmt, suffix):
    if codec not in av.codecs_available:
        pytest.skip(f"this PyAV has no {codec}")
    path = make_video(tmp_path / f"clip{suffix}", codec=codec, pix_fmt=pix_fmt)
    frames = list(read_frames(path))
    assert len(frames) == 20
    assert np.abs(np.array([number(image) for _, image in frames]) - np.arange(20)).max() <= 2


def test_one_frame_is_held_at_a_time(tmp_path):
    path = make_video(tmp_path / "clip.mp4", range(0, 4000, 40), images=[corner()] * 100)
    alive, most = [], 0
    for _, image in read_frames(path):
        alive.append(weakref.ref(image))
        most = max(most, sum(ref() is not None for ref in alive))
    assert most <= 2


def test_probe_tells_what_the_file_says(tmp_path):
    info = probe(make_video(tmp_path / "clip.mp4", audio="aac"))
    assert (info.width, info.height, info.frames, info.has_audio) == (96, 64, 20, True)
    assert info.fps == pytest.approx(25) and info.duration_s == pytest.approx(0.8, abs=0.05)
    assert probe(make_video(tmp_path / "one.mp4", [0])).frames == 1
    assert not probe(make_video(tmp_path / "mute.mkv")).has_audio


def test_real_footage(shared):
    path = shared / "data/videos/squat_reps.mp4"
    info = probe(path)
    assert (info.width, info.height, info.frames) == (608, 1080, 614)
    times = times_of(path, end_s=0.5, size=(76, 135))
    assert times == pytest.approx(np.arange(15) * 1001 / 30000, abs=1e-4)


# --- folders -------------------------------------------------------------------------------------


def make_folder(folder: Path, names: list[str]) -> Path:
    folder.mkdir()
    for i, name in enumerate(names):
        ok, data = cv2.imencode(Path(name).suffix, grey(i))
        assert ok
        (folder / name).write_bytes(data.tobytes())
    return folder


def test_a_folder_of_frames_in_natural_order(tmp_path):
    names = ["ü%d1.png", "ü%d2.png", "ü%d9.jpg", "ü%d10.png", "ü%d100.png"]
    folder = make_folder(tmp_path / "frames", names)
    (folder / "notes.txt").write_text("not a frame")
    frames = list(read_frames(folder))
    assert [number(image) for _, image in frames] == [0, 1, 2, 3, 4]
    assert [t for t, _ in frames] == pytest.approx(np.arange(5) / 30)
    assert times_of(folder, fps=10, start_s=0.1, end_s=0.3) == pytest.approx([0.1, 0.2])
    info = probe(folder, fps=10)
    assert (info.width, info.height, info.frames, info.duration_s) == (96, 64, 5, 0.5)


def test_a_damaged_frame_leaves_its_moment_out(tmp_path, capfd):
    folder = make_folder(tmp_path / "frames", ["1.jpg", "2.jpg", "3.jpg"])
    (folder / "2.jpg").write_bytes(b"no picture")
    whole = (folder / "3.jpg").read_bytes()
    (folder / "3.jpg").write_bytes(whole[:-20])
    with pytest.warns(VideoWarning, match="1 of 3 frames"):
        assert times_of(folder) == pytest.approx([0, 2 / 30])
    assert capfd.readouterr() == ("", "")


def test_frames_of_two_sizes_are_refused(tmp_path):
    folder = make_folder(tmp_path / "frames", ["1.png", "2.png"])
    cv2.imwrite(str(folder / "3.png"), grey(0, (50, 50)))
    with pytest.raises(VideoError, match=r"3\.png: 50 x 50"):
        list(read_frames(folder))


# --- bad input -----------------------------------------------------------------------------------


def text_file(folder: Path) -> Path:
    (folder / "text.mp4").write_text("I am no video\n" * 100)
    return folder / "text.mp4"


def empty_file(folder: Path) -> Path:
    (folder / "empty.mp4").touch()
    return folder / "empty.mp4"


def no_index(folder: Path) -> Path:
    whole = make_video(folder / "whole.mp4").read_bytes()
    (folder / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    return folder / "cut.mp4"


def only_sound(folder: Path) -> Path:
    make_video(folder / "both.mp4", audio="aac")
    with av.open(str(folder / "both.mp4")) as source, av.open(str(folder / "s.m4a"), "w") as out:
        stream = out.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    return folder / "s.m4a"


def no_frames(folder: Path) -> Path:
    (folder / "frames").mkdir()
    (folder / "frames" / "notes.txt").touch()
    return folder / "frames"


def damaged_frames(folder: Path) -> Path:
    (folder / "frames").mkdir()
    (folder / "frames" / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    return folder / "frames"


def header_only(folder: Path) -> Path:
    make_video(folder / "whole.mkv")
    (folder / "head.mkv").write_bytes((folder / "whole.mkv").read_bytes()[:700])
    return folder / "head.mkv"


def playlist(folder: Path) -> Path:
    (folder / "list.mp4").write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n"
    )
    return folder / "list.mp4"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "gone.mp4", "no such file"),
        (text_file, "not a video"),
        (empty_file, "empty"),
        (no_index, "index is missing"),
        (only_sound, "no picture"),
        (no_frames, "holds no frames"),
        (damaged_frames, "no picture"),
        (header_only, "no picture"),
        (playlist, ""),
        (lambda folder: Path("-"), "standard input"),
        (lambda folder: "https://example.org/a.mp4", "download"),
        (lambda folder: Path("rtsp://example.org/a"), "download"),
        (lambda folder: Path("/dev/null"), "neither"),
    ],
)
def test_bad_input_gives_one_line(tmp_path, capfd, make, message):
    path = make(tmp_path)
    for read in (probe, lambda p: next(read_frames(p))):
        with pytest.raises(VideoError) as error:
            read(path)
        assert message in str(error.value)
        assert Path(path).name in str(error.value) and "\n" not in str(error.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_truncated_file_gives_what_is_readable_and_says_so(tmp_path, capfd, suffix):
    noise = np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8)
    with VideoWriter(tmp_path / f"whole{suffix}", size=(96, 64), fps=25) as writer:
        for i in range(100):
            writer.write(np.roll(noise, i, axis=1))
    whole = (tmp_path / f"whole{suffix}").read_bytes()
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(whole[: int(0.6 * len(whole))])
    source = ClipSource(path)
    times = times_of(source)
    assert source.remarks and source.remarks[0].endswith("of 4.0 s")
    assert 25 < len(times) < 75 and (np.diff(times) > 0).all()
    assert capfd.readouterr() == ("", "")


def test_damage_in_the_middle_leaves_the_rest(tmp_path, capfd):
    path = make_video(tmp_path / "clip.ts", range(0, 4000, 40), images=[corner()] * 100)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 2000] = bytes(2000)
    path.write_bytes(data)
    with warnings.catch_warnings(record=True):
        times = times_of(path)
    assert times[-1] > 3.5 and (np.diff(times) > 0).all()
    assert capfd.readouterr() == ("", "")


def test_rgb_is_bgr_the_other_way_round(tmp_path):
    path = tmp_path / "a.mp4"
    ramp = np.linspace(0, 255, 64 * 48 * 3).reshape(48, 64, 3).astype(np.uint8)
    with VideoWriter(path, size=(64, 48), fps=30) as writer:
        for shift in range(3):
            writer.write(np.roll(ramp, shift, axis=1))
    folder = tmp_path / "frames"
    folder.mkdir()
    cv2.imwrite(str(folder / "1.png"), ramp)
    for clip in (path, folder):
        pairs = zip(read_frames(clip), read_frames(clip, rgb=True), strict=True)
        for (time_s, bgr), (same_s, rgb) in pairs:
            assert time_s == same_s
            assert rgb.flags.c_contiguous
            np.testing.assert_array_equal(rgb[..., ::-1], bgr)
