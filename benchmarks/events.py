"""Events filmed by two to four cameras, with a clap: errors of the shift by poses, sound and both.

    python -m benchmarks.events MOCAP FOLDER [--events 6] [--seed 40] [--people 1]

Each event is a piece of motion capture, drawn by cameras around it at 24 to 60 frames/s (`examples.
film`), that start and end at moments of their own; each has its own noise and room, and hears one
clap as late as it stands away. Films lie in FOLDER with their truth and are not drawn twice.
"""

import argparse
import itertools
import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from scipy.interpolate import CubicSpline

from benchmarks import planted
from examples.film import Camera, Look, film
from vipecli.alignment.people import choose_people
from vipecli.alignment.settings import Settings, Witness
from vipecli.alignment.takes import Clip, people_of
from vipecli.alignment.witnesses import Recording, find_shift
from vipecli.embedding.candidates import read_people
from vipecli.embedding.clip import Recipe
from vipecli.embedding.embed import Model
from vipecli.errors import UnsureError
from vipecli.video.source import ClipSource

RATES = 24, Fraction(30000, 1001), 25, 30, 50, 60
LENGTH_S = 5.0  # of an event
LEAST_S = 3.0  # that a camera films
SIZE = 240, 240
HZ = 48_000
_SOUND_M_S = 343.0
_APART_M = 1.1  # from one person to the other where they do not cross


def make(folder: Path, mocap: Path, seed: int, *, people: int = 1) -> list[dict]:
    """Film an event, unless it lies there; return file, start, rate of each camera."""
    truth = folder / f"event_{seed}_{people}.json"
    if truth.exists():
        return json.loads(truth.read_text(encoding="utf-8"))
    rng = np.random.default_rng(seed)
    scene = [_actor(mocap, seed, number, people) for number in range(people)]
    looks = [Look().random(rng) for _ in scene]
    clap_s, out = float(rng.uniform(1.9, 3.0)), []
    for number in range(int(rng.integers(2, 5))):
        rate = RATES[int(rng.integers(len(RATES)))]
        start = float(rng.uniform(0, 1.5))
        length = float(rng.uniform(LEAST_S, LENGTH_S - start))
        distance = float(rng.uniform(4.0, 5.0))
        camera = Camera(
            azimuth_deg=float(rng.uniform(0, 360)), elevation_deg=8.0, distance_m=distance
        )
        at = start + np.arange(int(length * rate)) / float(rate)
        path = folder / f"event_{seed}_{people}_{number}.mp4"
        joints = [actor(at) for actor in scene]
        silent = path.with_suffix(".silent.mp4")
        film(joints, silent, fps=float(rate), camera=camera, look=looks, size=SIZE)
        heard = clap_s + distance / _SOUND_M_S - start
        _add_sound(silent, path, _sound(heard, len(at) / float(rate), rng))
        silent.unlink()
        out.append({"file": path.name, "start_s": start, "rate": float(rate)})
    truth.write_text(json.dumps(out), encoding="utf-8")
    return out


def _actor(mocap: Path, seed: int, number: int, people: int) -> CubicSpline:
    """Joints (T, 13, 3) of one person at any moment; two people cross each other's way."""
    _, joints = planted.motions(mocap, 2 * (seed % 50) + number + 1, seed=seed)[-1]
    frames = int(LENGTH_S * planted.RATE) + 1
    back_and_forth = np.r_[joints, joints[-2:0:-1]]
    joints = np.resize(back_and_forth, (frames, 13, 3)).copy()
    if people > 1:
        side = (number - (people - 1) / 2) * 2 * _APART_M
        joints[..., 0] += side * np.cos(np.linspace(0, np.pi, frames))[:, None]
        joints[..., 2] += 0.35 * np.sign(side)
    return CubicSpline(np.arange(frames) / planted.RATE, joints)


def _sound(clap_s: float, length_s: float, rng: np.random.Generator) -> np.ndarray:
    """Samples of one camera: noise of its own, and the clap with the echo of where it stands."""
    out = 0.004 * rng.standard_normal(int(length_s * HZ))
    burst = np.random.default_rng(7).standard_normal(720) * np.exp(-np.arange(720) / 120)
    echo = 0.12 * rng.standard_normal(9600) * np.exp(-np.arange(9600) / 1900)
    echo[0] = 1.0
    heard = np.convolve(burst, echo)
    first = round(clap_s * HZ)
    part = heard[: max(0, len(out) - first)]
    out[first : first + len(part)] += 0.25 * part
    return out.clip(-1, 1).astype(np.float32)


def _add_sound(silent: Path, out: Path, samples: np.ndarray) -> None:
    """Copy the pictures, and encode the sound as AAC beside them."""
    with av.open(str(silent)) as source, av.open(str(out), "w") as target:
        video = target.add_stream_from_template(source.streams.video[0])
        sound = target.add_stream("aac", rate=HZ, layout="mono")
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = video
                target.mux(packet)
        for first in range(0, len(samples), 1024):
            part = np.ascontiguousarray(samples[None, first : first + 1024])
            frame = av.AudioFrame.from_ndarray(part, "fltp", "mono")
            frame.sample_rate, frame.pts, frame.time_base = HZ, first, Fraction(1, HZ)
            target.mux(sound.encode(frame))
        target.mux(sound.encode(None))


def read(folder: Path, cameras: list[dict], model: Model) -> list[Clip]:
    """Takes of an event, of the people who match."""
    people = [
        people_of(ClipSource(folder / one["file"]), read_people(folder / one["file"], _RECIPE))
        for one in cameras
    ]
    return choose_people(people, lambda: model, settings=Settings(clock="offset"))


_RECIPE = Recipe(person="matching")


def main() -> None:
    """Print the errors of all pairs of cameras, by witness."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mocap", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--events", type=int, default=6)
    parser.add_argument("--seed", type=int, default=40)
    parser.add_argument("--people", type=int, default=1)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    model, errors = Model.load(), {by: [] for by in Witness}
    refused = dict.fromkeys(Witness, 0)
    for seed in range(args.seed, args.seed + args.events):
        cameras = make(args.folder, args.mocap, seed, people=args.people)
        clips = [
            Recording(c.embeddings, c.sound, c.rises) for c in read(args.folder, cameras, model)
        ]
        for i, j in itertools.combinations(range(len(clips)), 2):
            truth = cameras[i]["start_s"] - cameras[j]["start_s"]
            rate = min(cameras[i]["rate"], cameras[j]["rate"])
            told = [f"{seed}: {cameras[i]['rate']:.4g} and {cameras[j]['rate']:.4g} frames/s"]
            for by in Witness:
                try:
                    got = find_shift(clips[i], clips[j], by=by)
                except UnsureError as exc:
                    refused[by] += 1
                    told.append(f"{by.value} refused ({exc})")
                    continue
                error = got.shift_s - truth
                errors[by].append((error, rate, bool(got.warning)))
                told.append(f"{by.value} {1000 * error:+.1f} ms ({got.confidence:.0f})")
            print("; ".join(told), flush=True)
    for by, found in errors.items():
        off, rate, warned = np.array(found, float).reshape(-1, 3).T
        if not len(off):
            print(f"{by.value:6s} none of {refused[by]} pairs answered")
            continue
        print(
            f"{by.value:6s} {len(off)} pairs, {refused[by]} refused, {warned.sum():.0f} with a "
            f"warning: median {1000 * np.median(abs(off)):.1f} ms, largest "
            f"{1000 * abs(off).max():.1f} ms; in frames of the slower camera "
            f"{np.median(abs(off) * rate):.2f} and {(abs(off) * rate).max():.2f}"
        )


if __name__ == "__main__":
    main()
