"""How time and memory grow: each size in a process of its own, with its peak of memory."""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.footage import FULL_HD, SQUATS, film, vipe
from benchmarks.rows import Row, embeddings

_SIZES = {
    "align": (300, 1000, 3000, 10_000, 20_000),
    "pairs": (10, 100, 1000),
    "index": (100, 1000, 10_000),
    "video": (60, 600, 3600),
    "films": (10, 60, 600),
}
_TASKS = {
    "align": "align two clips of {} frames",
    "pairs": "align {} pairs of clips of 100 frames",
    "index": "one query against {} clips of 56 frames",
    "video": "vipe embed, a video of {} s, 320 x 320, 2 frames/s",
    "films": "vipe align, two films of {} s, 1080p, 2 frames/s",
}
_FPS = 2  # of the videos: what grows does so by their frames, and an hour has 7,200 of them


def rows() -> Iterator[Row]:
    """Time and peak memory of every kind and size."""
    for kind, sizes in _SIZES.items():
        for size in sizes:
            yield one_row(kind, size)


def one_row(kind: str, size: int) -> Row:
    """Measure one size in a new process."""
    command = [sys.executable, "-m", "benchmarks.growth", kind, str(size)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    taken_ms, peak_mb, before_mb = json.loads(found.stdout.splitlines()[-1])
    note = f"{before_mb:.0f} MB before"
    return Row(_TASKS[kind].format(f"{size:,}"), taken_ms, note=note, peak_mb=peak_mb)


def _align(size: int) -> Callable[[], object]:
    from vipecli.alignment.align import align

    a, b = embeddings(size, 1), embeddings(size, 2)
    align(a.part(slice(0, 40)), b.part(slice(0, 40)))
    return lambda: align(a, b)


def _pairs(size: int) -> Callable[[], object]:
    from vipecli.alignment.align import align

    clips = [embeddings(100, seed) for seed in range(11)]
    align(clips[0], clips[1])
    return lambda: [align(clips[k % 11], clips[(k + 1 + k // 11) % 11]) for k in range(size)]


def _index(size: int) -> Callable[[], object]:
    from vipecli.index.neighbours import NeighbourSearch

    packed = NeighbourSearch([(str(c), str(c % 15), embeddings(56, c)) for c in range(size)])
    query = embeddings(56, size)
    packed.distances(embeddings(3, 0))
    return lambda: packed.distances(query)


def _video(size: int) -> Callable[[], object]:
    return _command(size, SQUATS[:1], "scale=320:-2", "embed", "--force")


def _films(size: int) -> Callable[[], object]:
    return _command(size, SQUATS, FULL_HD, "align", "--out", "synced.mp4")


def _command(size: int, sources: list[Path], picture: str, *words: str) -> Callable[[], object]:
    """Command on videos of some seconds, made of example clips."""
    folder = tempfile.TemporaryDirectory()
    where = Path(folder.name)
    clips = [
        film(where / source.name, source, seconds=size, picture=picture, fps=_FPS)
        for source in sources
    ]
    words = [where / word if word.endswith(".mp4") else word for word in words]
    return lambda folder=folder: vipe(words[0], *clips, *words[1:])


def main() -> None:
    """Measure one kind and size; print milliseconds, and megabytes at the peak and before."""
    kind, size = sys.argv[1], int(sys.argv[2])
    makers = {"align": _align, "pairs": _pairs, "index": _index, "video": _video, "films": _films}
    run = makers[kind](size)
    before = _peak_mb()
    start = time.perf_counter()
    run()
    taken = time.perf_counter() - start
    print(json.dumps([1000 * taken, _peak_mb(), before]))


def _peak_mb() -> float:
    """Largest resident memory of a process so far; Linux counts in KB, macOS in bytes."""
    who = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
    peak = max(resource.getrusage(one).ru_maxrss for one in who)
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


if __name__ == "__main__":
    main()
