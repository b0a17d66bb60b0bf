import errno
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.media import assert_same_video, grey, make_video, number, tone_starts_s
from vipecli.errors import VideoError, VipeError
from vipecli.video.planes import Planes
from vipecli.video.read import read_frames, read_planes
from vipecli.video.write import VideoWriter, exact_rate


def write(path: Path, count: int = 20, *, size=(96, 64), fps=25.0, **options) -> Path:
    with VideoWriter(path, size=size, fps=fps, **options) as writer:
        for i in range(count):
            writer.write(grey(i, size))
    return path


def streams(path: Path) -> dict[str, tuple[str, float]]:
    """Codec and length in seconds of every stream, as told by the packets."""
    found: dict[str, tuple[str, float]] = {}
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.pts is None:
                continue
            end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
            kind, codec = packet.stream.type, packet.stream.codec_context.codec.canonical_name
            found[kind] = codec, max(end, found.get(kind, (codec, 0.0))[1])
    return found


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".MP4"])
def test_what_is_written_is_read_back(tmp_path, suffix):
    path = write(tmp_path / f"out{suffix}")
    frames = list(read_frames(path))
    assert [number(image) for _, image in frames] == list(range(20))
    assert [t for t, _ in frames] == pytest.approx(np.arange(20) * 0.04, abs=1e-3)
    assert streams(path) == {"video": ("h264", pytest.approx(0.8, abs=1e-3))}
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_colours_survive(tmp_path):
    tints = np.array([(0, 0, 200), (0, 200, 0), (200, 0, 0), (60, 120, 240), (128, 128, 128)])
    with VideoWriter(tmp_path / "out.mp4", size=(160, 64), fps=25) as writer:
        writer.write(np.repeat(tints, 32, axis=0)[None].repeat(64, 0).astype(np.uint8))
    _, image = next(read_frames(tmp_path / "out.mp4"))
    assert np.abs(image[32, 16::32].astype(int) - tints).max() <= 6


def test_plays_in_a_browser(tmp_path):
    path = write(tmp_path / "out.mp4")
    data = path.read_bytes()
    assert data.find(b"moov") < data.find(b"mdat")
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.pix_fmt, context.width, context.height) == ("yuv420p", 96, 64)


def test_odd_sizes_are_made_even(tmp_path):
    path = write(tmp_path / "out.mp4", size=(45, 37))
    _, image = next(read_frames(path))
    assert image.shape == (38, 46, 3) and number(image) == 0


@pytest.mark.parametrize("size", [(64, 48), (62, 46), (6, 10)])
def test_two_pictures_can_take_turns(tmp_path, size):
    """One is changed while the other is encoded; nothing of that is seen in the film."""
    rng, wanted = np.random.default_rng(3), []
    turns = [Planes.filled(size, (0, 0, 0)).framed() for _ in range(2)]
    with VideoWriter(tmp_path / "out.mkv", size=size, fps=25, options={"crf": "0"}) as writer:
        for i in range(40):
            turns[i % 2].put(Planes.of(rng.integers(0, 256, (size[1], size[0], 3), np.uint8)))
            wanted.append(turns[i % 2].bgr())
            writer.write(turns[i % 2])
    frames = [picture.bgr() for _, picture in read_planes(tmp_path / "out.mkv")]
    assert len(frames) == 40 and (np.array(frames) == np.array(wanted)).all()


def test_what_a_film_shows_can_be_written_again_and_again(tmp_path):
    source = make_video(tmp_path / "source.mp4", options={"bf": "2"})
    with VideoWriter(tmp_path / "out.mp4", size=(96, 64), fps=25) as writer:
        for _, picture in read_planes(source):
            writer.write(picture)
            writer.write(picture)
    frames = list(read_frames(tmp_path / "out.mp4"))
    assert [number(image) for _, image in frames] == [i // 2 for i in range(40)]
    assert [t for t, _ in frames] == pytest.approx(np.arange(40) * 0.04, abs=1e-3)


def test_same_input_same_video(tmp_path):
    sound = make_video(tmp_path / "sound.mp4", audio="aac")
    for suffix in (".mp4", ".mkv"):
        one, two = (write(tmp_path / f"{n}{suffix}", audio_from=sound) for n in ("one", "two"))
        assert_same_video(one, two)


@pytest.mark.parametrize(
    ("codec", "suffix", "written"),
    [
        ("aac", ".mp4", "aac"),
        ("aac", ".ts", "aac"),
        ("libmp3lame", ".mkv", "mp3"),
        ("pcm_s16le", ".avi", "aac"),
        ("flac", ".mkv", "aac"),
        ("libopus", ".webm", "aac"),
    ],
)
@pytest.mark.parametrize("start_s", [0.0, 0.2, -0.2])
def test_sound_goes_along_in_step(tmp_path, codec, suffix, written, start_s):
    video_codec = {".avi": "mpeg4", ".webm": "libvpx-vp9"}.get(suffix, "libx264")
    source = make_video(
        tmp_path / f"source{suffix}", range(0, 2000, 100), codec=video_codec, audio=codec, audio_s=2
    )
    starts_s = tone_starts_s(source)
    path = write(tmp_path / "out.mp4", 50, audio_from=source, audio_times=np.array([start_s]))
    found = streams(path)
    assert found["video"] == ("h264", pytest.approx(2.0, abs=1e-3))
    assert found["audio"] == (written, pytest.approx(2.0 - max(0, start_s), abs=0.06))
    assert tone_starts_s(path) == pytest.approx(starts_s - start_s, abs=0.03)


def test_sound_is_cut_to_the_length_of_the_video(tmp_path):
    source = make_video(tmp_path / "source.mp4", audio="aac", audio_s=5)
    path = write(tmp_path / "out.mp4", 20, audio_from=source)
    assert streams(path)["audio"][1] == pytest.approx(0.8, abs=0.05)


def test_a_silent_source_gives_a_silent_video(tmp_path):
    source = make_video(tmp_path / "mute.mp4")
    (tmp_path / "frames").mkdir()
    for audio_from in (source, tmp_path / "frames"):
        path = write(tmp_path / "out.mp4", audio_from=audio_from)
        assert set(streams(path)) == {"video"}


@pytest.mark.parametrize(
    ("fps", "exact"),
    [(29.97, Fraction(30000, 1001)), (30.001, 30), (59.94006, Fraction(60000, 1001)), (12.5, 12.5)],
)
def test_usual_rates_are_exact(fps, exact):
    assert exact_rate(fps) == exact


# --- what must not happen ------------------------------------------------------------------------


def folder_as_target(folder: Path) -> Path:
    (folder / "dir.mp4").mkdir()
    return folder / "dir.mp4"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "out.avi", r"\.mp4, \.mov, \.mkv"),
        (lambda folder: folder / "out", "without extension"),
        (lambda folder: folder / "gone" / "out.mp4", "gone"),
        (folder_as_target, "folder"),
        (lambda folder: folder / "input.mp4", "replace an input"),
        (lambda folder: folder / "link.mp4", "replace an input"),
    ],
)
def test_bad_targets(tmp_path, make, message):
    source = make_video(tmp_path / "input.mp4")
    (tmp_path / "link.mp4").hardlink_to(source)
    before, out = source.read_bytes(), make(tmp_path)
    names = {p.name for p in tmp_path.iterdir()}
    with pytest.raises(VipeError, match=message) as error:
        write(out, audio_from=source)
    assert "\n" not in str(error.value) and out.name in str(error.value)
    assert {p.name for p in tmp_path.iterdir()} == names
    assert source.read_bytes() == before


@pytest.mark.parametrize("failure", [KeyboardInterrupt, VideoError, ZeroDivisionError])
@pytest.mark.parametrize("existing", [True, False])
def test_a_failure_leaves_nothing_behind(tmp_path, failure, existing):
    out = tmp_path / "out.mp4"
    if existing:
        out.write_bytes(b"older")
    with pytest.raises(failure), VideoWriter(out, size=(96, 64), fps=25) as writer:
        writer.write(grey(0))
        raise failure
    assert [p.read_bytes() for p in tmp_path.iterdir()] == ([b"older"] if existing else [])


def test_a_video_without_pictures_is_not_written(tmp_path):
    with pytest.raises(VideoError, match="no picture to write"):
        write(tmp_path / "out.mp4", 0)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_told(tmp_path):
    with (
        pytest.raises(VideoError, match=r"out\.mp4: could not be written \(No space left"),
        VideoWriter(tmp_path / "out.mp4", size=(96, 64), fps=25) as writer,
    ):
        writer.write(grey(0))
        writer._container = _Full(writer._container)
        writer.write(grey(1))
    assert not list(tmp_path.iterdir())


class _Full:
    """A container on a full disk."""

    def __init__(self, container: av.container.OutputContainer) -> None:
        self.close = container.close

    def mux(self, packets: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_picture_of_another_size_is_refused(tmp_path):
    with (
        pytest.raises(ValueError, match="size"),
        VideoWriter(tmp_path / "out.mp4", size=(96, 64), fps=25) as writer,
    ):
        writer.write(grey(0, (64, 96)))
    assert not list(tmp_path.iterdir())
