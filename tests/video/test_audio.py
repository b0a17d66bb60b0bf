"""Sound at another speed: in step with the pictures, at the pitch it has."""

import tracemalloc
from fractions import Fraction

import av
import numpy as np
import pytest

from tests.media import grey
from vipecli.video.audio import RATE, is_steady
from vipecli.video.write import VideoWriter

FPS = 25


def make_beeps(path, seconds: float = 8.0, layout: str = "stereo"):
    """A tone of 440 Hz in the first half of every second."""
    t = np.arange(int(seconds * RATE)) / RATE
    wave = (0.5 * np.sin(2 * np.pi * 440 * t) * (t % 1 < 0.5)).astype(np.float32)
    planes = np.stack([wave, 0.5 * wave][: 2 if layout == "stereo" else 1])
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=RATE, layout=layout)
        resampler = av.AudioResampler("s16", layout, RATE)
        frame = av.AudioFrame.from_ndarray(planes, "fltp", layout)
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        for part in resampler.resample(frame):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path


def heard(path) -> np.ndarray:
    """Samples of the first channel by their place in time."""
    with av.open(str(path)) as container:
        out = np.zeros(30 * RATE, np.float32)
        resampler = av.AudioResampler("fltp", "mono", RATE)
        for frame in container.decode(audio=0):
            at = round(float(frame.pts * frame.time_base) * RATE)
            for part in resampler.resample(frame):
                samples = part.to_ndarray()[0]
                out[max(0, at) : at + len(samples)] = samples[max(0, -at) :]
                at += len(samples)
    return out


def write(source, out, times):
    with VideoWriter(out, size=(96, 64), fps=FPS, audio_from=source, audio_times=times) as writer:
        for i in range(len(times)):
            writer.write(grey(i % 20))
    return heard(out)


def loud(sound: np.ndarray, at_s: np.ndarray) -> np.ndarray:
    """Whether there is a tone around moments of the new track."""
    spans = [slice(round((t - 0.02) * RATE), round((t + 0.02) * RATE)) for t in at_s]
    return np.array([np.abs(sound[span]).max() > 0.15 for span in spans])


@pytest.mark.parametrize("layout", ["mono", "stereo"])
def test_a_warped_clip_sounds_when_its_pictures_say_so(tmp_path, layout):
    source = make_beeps(tmp_path / "beeps.wav", layout=layout)
    speed = np.interp(np.arange(250), [0, 60, 125, 200, 250], [1, 0.5, 0.6, 1.2, 0.8])
    times = np.cumsum(speed) / FPS
    sound = write(source, tmp_path / "out.mp4", times)
    at = np.arange(0.2, 9.8, 0.05)
    moments = np.interp(at, np.arange(250) / FPS, times)
    near_edge = np.minimum(moments % 0.5, 0.5 - moments % 0.5) < 0.06
    assert (loud(sound, at) == (moments % 1 < 0.5))[~near_edge].mean() > 0.97
    start = at[(moments % 1 > 0.1) & (moments % 1 < 0.15) & (at > 2)][0]
    part = sound[round(start * RATE) :][:12000]
    peak = np.abs(np.fft.rfft(part * np.hanning(len(part)), 1 << 18)).argmax() * RATE / (1 << 18)
    assert peak == pytest.approx(440, abs=4), "the pitch is kept"


def test_a_clip_that_waits_or_starts_over(tmp_path):
    source = make_beeps(tmp_path / "beeps.wav")
    times = np.r_[np.full(50, 0.25), np.arange(50) / FPS, np.arange(50) / FPS]
    sound = write(source, tmp_path / "out.mp4", times)
    assert not loud(sound, np.array([0.5, 1.0, 1.5])).any(), "a still is silent"
    assert loud(sound, np.array([2.25, 3.25, 4.25, 5.25])).all()
    assert not loud(sound, np.array([2.75, 3.75, 4.75, 5.75])).any()


def test_sound_of_an_even_clip_is_copied():
    even = 3.0 + np.arange(100) / FPS
    assert is_steady(even, FPS) and is_steady(np.zeros(1), FPS)
    assert not is_steady(even * 1.01, FPS)


def tape(path, *parts, codec="mp2"):
    """A transport stream of pictures and sound: (start in s, layout, rate) of each second."""
    for n, (start_s, layout, rate) in enumerate(parts):
        piece = path.with_name(f"{n}.ts")
        with av.open(str(piece), "w") as container:
            video = container.add_stream("mpeg2video", rate=25)
            video.width, video.height = 64, 48
            track = container.add_stream(codec, rate=rate, layout=layout)
            for i in range(25):
                frame = av.VideoFrame.from_ndarray(grey(i, (64, 48)), "bgr24")
                frame.pts, frame.time_base = round(25 * start_s) + i, Fraction(1, 25)
                container.mux(video.encode(frame))
            for first in range(0, rate, 1152):
                wave = np.full((1, 1152 * len(track.layout.channels)), 9000, np.int16)
                frame = av.AudioFrame.from_ndarray(wave, "s16", layout)
                frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
                frame.pts = round(start_s * rate) + first
                container.mux(track.encode(frame))
            container.mux(track.encode(None))
            container.mux(video.encode(None))
    path.write_bytes(b"".join(path.with_name(f"{n}.ts").read_bytes() for n in range(len(parts))))
    return path


@pytest.mark.parametrize(
    "parts",
    [
        [(0.0, "mono", 48000), (36000.0, "mono", 48000)],  # before: 7 GB of silence
        [(0.0, "mono", 48000), (1.0, "stereo", 32000)],  # before: an unexpected ValueError
    ],
    ids=["a gap of ten hours", "another layout and rate"],
)
@pytest.mark.parametrize("speed", [1.0, 0.8])
def test_sound_that_jumps_or_changes(tmp_path, parts, speed):
    source = tape(tmp_path / "tape.ts", *parts)
    tracemalloc.start()
    write(source, tmp_path / "out.mp4", np.arange(40) / 25 * speed)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 << 20
    assert np.abs(heard(tmp_path / "out.mp4")[: RATE // 2]).max() > 0.1


def test_copied_sound_whose_times_start_anew(tmp_path):
    parts = [(0.0, "mono", 48000), (0.0, "mono", 48000)]  # before: the video could not be written
    write(tape(tmp_path / "tape.ts", *parts, codec="mp3"), tmp_path / "out.mp4", np.arange(40) / 25)
    assert np.abs(heard(tmp_path / "out.mp4")[: RATE // 2]).max() > 0.1
