"""Nearest clip of one query in an index, beside other libraries' DTW on the same arrays.

    python -m benchmarks.nearest [--penn DIR] [--queries N] [--json]

Without Penn Action the index is 1,000 smooth random series of 70 frames. "plain DTW" is the task of
the peers: warping of the means alone, which they get in float64, and stop as soon as a series is
sure to be further than the best so far where they can. The other rows of ours are what `classify`
does, with means and variances, the matching probability and the atrous mean. All exact.
Times are those of the processor, on one thread: other programs do not count.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

if __name__ == "__main__":  # before numba comes; who imports this keeps the threads there are
    os.environ.setdefault("NUMBA_NUM_THREADS", "1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from benchmarks.__main__ import embeddings, machine
from vipecli.embedding.embed import Embeddings, Model, embed
from vipecli.index.euclidean_dtw import Series
from vipecli.index.neighbours import NeighbourSearch

Nearest = Callable[[np.ndarray, list[np.ndarray]], int]


def peers() -> Iterator[tuple[str, Nearest]]:
    """Name and search of every library that is installed; the search returns the place."""
    import importlib.util

    if importlib.util.find_spec("dtaidistance"):
        from dtaidistance import dtw_ndim

        def with_best_so_far(x: np.ndarray, series: list[np.ndarray]) -> int:
            best, place = np.inf, -1
            for i, y in enumerate(series):
                limit = best if best < np.inf else None
                found = dtw_ndim.distance_fast(x, y, max_dist=limit)
                best, place = (found, i) if found < best else (best, place)
            return place

        yield "dtaidistance", with_best_so_far
    if importlib.util.find_spec("tslearn"):
        from tslearn.metrics import dtw

        yield "tslearn", lambda x, series: int(np.argmin([dtw(x, y) for y in series]))
    if importlib.util.find_spec("librosa"):
        from librosa.sequence import dtw as table

        def by_table(x: np.ndarray, series: list[np.ndarray]) -> int:
            found = [
                table(X=x.T, Y=y.T, metric="sqeuclidean", backtrack=False)[-1, -1] for y in series
            ]
            return int(np.argmin(found))

        yield "librosa", by_table


def penn_clips(folder: Path, *, train: bool = True) -> list[tuple[str, str, Embeddings]]:
    """Embeddings of the training split, or of the test split, from the labelled joints."""
    from vipecli.index import penn_action

    model = Model.load()
    clips = [clip for clip in penn_action.load(folder) if clip.train == train]
    return [(clip.id, clip.action, embed(clip.poses, model)) for clip in clips]


def timed(run: Callable[[], object], *, least: int) -> tuple[float, object]:
    """Least processor time of a few calls, ms, and what they return."""
    taken = []
    for _ in range(least):
        begin = time.process_time()
        found = run()
        taken.append(time.process_time() - begin)
    return 1000 * min(taken), found


def main() -> None:
    """Measure, and print one line per library and query length."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--penn", type=Path, help="folder or .npz of Penn Action")
    parser.add_argument("--queries", type=int, default=9)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    frames = 56 if args.penn else 70
    if args.penn:
        clips = penn_clips(args.penn)
        places = [i for i, clip in enumerate(clips) if len(clip[2]) == frames]
    else:
        clips = [(str(c), "", embeddings(70, c)) for c in range(1000)]
        places = list(range(len(clips)))
    places = np.random.default_rng(0).permutation(places)[: args.queries].tolist()
    packed = NeighbourSearch(clips)
    times: dict[str, list[float]] = {}
    for place in places:
        query, left_out = clips[place][2], np.arange(len(clips)) == place
        others = [clip for i, (_, _, clip) in enumerate(clips) if i != place]
        series = [np.nan_to_num(clip.mean).astype(np.float64) for clip in others]
        x = np.nan_to_num(query.mean).astype(np.float64)
        laid_out = Series(series)
        runs: dict[str, Callable[[], object]] = {
            "vipe, plain DTW": lambda x=x, s=laid_out: s.nearest(x),
            "vipe, nearest": lambda q=query, out=left_out: packed.nearest(q, 1, leave_out=out),
            "vipe, 5 nearest": lambda q=query, out=left_out: packed.nearest(q, 5, leave_out=out),
            "vipe, every distance": lambda q=query: packed.distances(q),
        }
        runs |= {name: lambda f=f, x=x, s=series: f(x, s) for name, f in peers()}
        found = {}
        for name, run in runs.items():
            if name.startswith("vipe"):
                run()  # compiled, if it was not
            taken, found[name] = timed(run, least=args.repeat)
            times.setdefault(name, []).append(taken)
        plain = found["vipe, plain DTW"][0]
        assert all(found[name] == plain for name in runs if not name.startswith("vipe"))
        exact = packed.nearest(query, 1, leave_out=left_out, exhaustive=True)[0]
        assert found["vipe, nearest"][0][0] == exact[0]
    report(times, len(clips), frames, as_json=args.json)


def report(times: dict[str, list[float]], clips: int, frames: int, *, as_json: bool) -> None:
    """Print median and extremes, and how many times those of ours."""

    def ratio(values: list[float], name: str) -> list[float]:
        found = [value / one for value, one in zip(values, times[name], strict=True)]
        return [round(x, 1) for x in (min(found), statistics.median(found))]

    rows = [
        {
            "library": name,
            "median_ms": round(statistics.median(values), 2),
            "least_ms": round(min(values), 2),
            "most_ms": round(max(values), 2),
            "of_plain_least_median": ratio(values, "vipe, plain DTW"),
            "of_nearest_least_median": ratio(values, "vipe, nearest"),
        }
        for name, values in times.items()
    ]
    if as_json:
        print(json.dumps({"machine": machine(), "clips": clips, "rows": rows}, indent=2))
        return
    print(machine())
    print(
        f"one query of {frames} frames, {clips} clips, "
        f"{len(times['vipe, nearest'])} queries, ms on one core"
    )
    for row in rows:
        print("  ".join(f"{key} {value}" for key, value in row.items()))


if __name__ == "__main__":
    main()
