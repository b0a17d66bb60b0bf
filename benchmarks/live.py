"""`vipe live` against what `vipe align` finds afterwards, and how far behind the camera it is.

    python -m benchmarks.live [--set told] [--folder build/pairs]
    python -m benchmarks.live --delay CLIP --reference A

The first follows the second film of every pair of `benchmarks.differences` through the first, as
the detector saw them: the place on line against that of the off-line path. Then as somebody who
gives up somewhere in the middle and begins again, and who goes through it three times; beside it
Dixon's on-line time warping, which cannot begin again. The second
plays a clip at its own speed, finds, follows and draws, and measures the time from a frame's moment
to its picture.
"""

import argparse
import os
from pathlib import Path

import numpy as np

from benchmarks.differences import SETS, load_case
from benchmarks.oltw import OnlineWarping
from vipecli.alignment.align import align
from vipecli.alignment.online import Follower
from vipecli.alignment.takes import Clip
from vipecli.alignment.time_map import warp
from vipecli.embedding.clip import Recipe, check_clip, read_clip
from vipecli.embedding.embed import Embeddings, Model, embed
from vipecli.embedding.stream import PoseStream
from vipecli.outputs.live import run
from vipecli.outputs.live_view import ReferenceFilm, View
from vipecli.video.camera import Feed, paced

FPS = 30.0
WINDOWS_S = 0.3, 0.6, 1.2, 10.0
"""Windows of Dixon's algorithm that are tried; he has 10 s."""

_AFTER_S = 0.3  # after a restart


def _follow(reference: Embeddings, person: Embeddings) -> tuple[np.ndarray, int]:
    """Places (T,), seconds of the reference, and repetitions counted."""
    follower = Follower(reference)
    found = [follower.step(person.part(slice(i, i + 1))) for i in range(len(person))]
    return np.array([one.reference_s for one in found]), found[-1].repetitions


def _warped(reference: Embeddings, person: Embeddings, window_s: float) -> np.ndarray:
    """Places (T,) by Dixon's algorithm, seconds of the reference."""
    window = max(2, round(window_s / np.median(np.diff(person.times))))
    follower = OnlineWarping(reference, window=window)
    return np.array([follower.step(person.part(slice(i, i + 1))) for i in range(len(person))])


def _in_turn(parts: list[Embeddings]) -> Embeddings:
    """One clip after the other, at the rate of the first."""
    mean, std = (np.concatenate([getattr(p, name) for p in parts]) for name in ("mean", "std"))
    times = np.arange(len(mean)) * np.median(np.diff(parts[0].times))
    return Embeddings(mean, std, times, parts[0].model, parts[0].sigmoid)


def place(folder: Path, which: str) -> None:
    """Print errors of the on-line path, after restarts too, and of the count."""
    model, rng = Model.load(), np.random.default_rng(0)
    frames, after, counted, peer = [], [], [], []
    for path in sorted(folder.glob(f"{which}_[0-9][0-9].npz")):
        case = load_case(path)
        a, b = (embed(side.poses, model) for side in (case.a, case.b))
        there = warp(align(a, b), b.times, onto="b")
        frames.append(np.median(np.abs(_follow(a, b)[0] - there)) * FPS)
        peer.append([np.median(np.abs(_warped(a, b, c) - there)) * FPS for c in WINDOWS_S])
        given_up = int(len(b) * rng.uniform(0.3, 0.7))
        again = _follow(a, _in_turn([b.part(slice(0, given_up)), b]))[0][given_up:]
        after.append(np.median(np.abs(again - there)[b.times >= _AFTER_S]))
        counted.append(_follow(a, _in_turn([b, b, b]))[1] == 3)
    quantiles = np.percentile(frames, (50, 90))
    print(
        f"{len(frames)} pairs: on-line against off-line, frames, median of the pairs' medians "
        f"{quantiles[0]:.1f}, 90 % {quantiles[1]:.1f}; at most 3: "
        f"{np.mean(np.array(frames) <= 3):.0%}"
    )
    for window_s, errors in zip(WINDOWS_S, np.array(peer).T, strict=True):
        quantiles = np.percentile(errors, (50, 90))
        print(
            f"Dixon's, window of {window_s} s: {quantiles[0]:.1f}, 90 % {quantiles[1]:.1f}; "
            f"at most 3: {np.mean(errors <= 3):.0%}"
        )
    print(
        f"from {_AFTER_S} s after a restart: median {np.median(after):.2f} s, at most 0.3 s in "
        f"{np.mean(np.array(after) <= 0.3):.0%}; three repetitions counted: {np.mean(counted):.0%}"
    )


class _Nowhere:
    """A screen that takes pictures as a window would."""

    def show(self, image: np.ndarray, status: object) -> bool:
        return True


def delay(clip: Path, reference: Path) -> None:
    """Print the delay of a clip that is played at its own speed."""
    info = check_clip(reference)
    poses, embeddings = read_clip(reference, Recipe())
    known = Clip(info.source, poses, embeddings)
    film = ReferenceFilm(known.source, known.poses, flip=True)
    load = os.getloadavg()[0]
    with PoseStream(Model.load()) as stream, Feed(lambda: paced(clip)) as feed:
        log = run(feed, stream, View(film, flip=True), follower=Follower(known.embeddings),
                  screen=_Nowhere())  # fmt: skip
    data = log.as_data()
    delays = np.array([row["delay_ms"] for row in data["frames"] if row["time_s"] > 1])
    print(
        f"{clip.name}: {data['shown']} shown, {data['dropped']} dropped, {data['fps']} frames/s; "
        f"delay median {np.median(delays):.0f} ms, 95 % {np.percentile(delays, 95):.0f} ms; "
        f"load {load:.1f} on {os.cpu_count()} cores"
    )


def main() -> None:
    """Measure one of the two."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", default="told", choices=SETS)
    parser.add_argument("--folder", type=Path, default=Path("build/pairs"))
    parser.add_argument("--delay", type=Path, metavar="CLIP")
    parser.add_argument("--reference", type=Path, metavar="A")
    args = parser.parse_args()
    if args.delay:
        delay(args.delay, args.reference or args.delay)
    else:
        place(args.folder, args.set)


if __name__ == "__main__":
    main()
