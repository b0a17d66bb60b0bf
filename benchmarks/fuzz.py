"""Damaged files for every reader: only our own errors may come out.

    python -m benchmarks.fuzz [--cases 100000] [--seed 0] [--only GLOB]

Each case is a small valid file of `fuzz_seeds` (videos in many containers, codecs, sound, folders
of frames, keypoint files of every format, recorded motion, tables of labels, configurations, each
file of an index, models) with a few random edits: bits, bytes, cuts, repeats, pieces of other
files, and other numbers in texts. A case fails if anything but a `VipeError` comes out, if its
process dies or needs more than 1 GB beyond what it has when it starts, or if it takes more than 20
s of processor time (or 10 minutes, where it waits). The same seed makes the same cases: ``--seed
1234 --cases 1`` is case 1234 again. ``--only "*.bvh"`` takes the kinds of file whose name matches.
With ``--coverage SECONDS`` atheris, if installed (``pip install atheris``), looks for cases in the
keypoint readers by itself.
"""

import argparse
import contextlib
import faulthandler
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import numpy as np

from benchmarks.fuzz_seeds import Seed, seeds
from vipecli.errors import VipeError
from vipecli.poses.formats import FORMATS

_HANG_S = 20  # of processor time, so that a busy machine fails nothing
_WAIT_S = 600
_MEMORY = 1 << 30  # bytes
_STACK = 2 << 20  # bytes per thread
_BATCH = 2000  # cases per process
_TOKENS = (
    *(b"0", b"-1", b"1e999", b"NaN", b"Infinity", b"99999999999999999999", b"1e-320", b"null"),
    *(b'""', b"[]", b"{}", b"[[[[", b"true", b"\xff\xfe", b"\x00", b"2147483648", b"-0.0"),
)


# --- edits ---------------------------------------------------------------------------------------


def mutated(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """A file with a few edits, some of them with pieces of another one."""
    edits = (_flip, _overwrite, _cut, _drop, _repeat, _insert, _number, _token)
    data = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        if not data:
            break
        edit = edits[int(rng.integers(len(edits)))]
        data = bytearray(edit(data, rng) if edit is not _insert else _insert(data, other, rng))
    return bytes(data[: 1 << 20])


def _span(data: bytes, rng: np.random.Generator) -> slice:
    first = int(rng.integers(len(data)))
    return slice(first, first + int(2 ** rng.uniform(0, 9)))


def _flip(data: bytearray, rng: np.random.Generator) -> bytearray:
    for _ in range(int(2 ** rng.uniform(0, 5))):
        # headers stand at the start, and are what is fragile
        at = int(rng.integers(min(len(data), int(2 ** rng.uniform(3, 16)))))
        data[at] ^= 1 << int(rng.integers(8))
    return data


def _overwrite(data: bytearray, rng: np.random.Generator) -> bytearray:
    span = _span(data, rng)
    fill = (0, 255, 127, 128, int(rng.integers(256)))[int(rng.integers(5))]
    data[span] = bytes([fill]) * len(data[span])
    return data


def _cut(data: bytearray, rng: np.random.Generator) -> bytearray:
    return data[: int(rng.integers(len(data)))]


def _drop(data: bytearray, rng: np.random.Generator) -> bytearray:
    del data[_span(data, rng)]
    return data


def _repeat(data: bytearray, rng: np.random.Generator) -> bytearray:
    span = _span(data, rng)
    data[span] = data[span] * int(2 ** rng.uniform(0, 5))
    return data


def _insert(data: bytearray, other: bytes, rng: np.random.Generator) -> bytearray:
    at = int(rng.integers(len(data)))
    data[at:at] = other[_span(other, rng)] if rng.random() < 0.7 else rng.bytes(16)
    return data


def _number(data: bytearray, rng: np.random.Generator) -> bytearray:
    """Another 32-bit number at some place."""
    at = int(rng.integers(len(data)))
    value = (0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**16, int(rng.integers(2**32)))
    order = "big" if rng.random() < 0.5 else "little"
    data[at : at + 4] = value[int(rng.integers(7))].to_bytes(4, order)
    return data


def _token(data: bytearray, rng: np.random.Generator) -> bytearray:
    """Another number or word in a text."""
    found = list(re.finditer(rb"-?\d+(\.\d+)?|\"\w+\"", bytes(data[:20000])))
    if found:
        one = found[int(rng.integers(len(found)))]
        data[one.start() : one.end()] = _TOKENS[int(rng.integers(len(_TOKENS)))]
    return data


# --- running -------------------------------------------------------------------------------------


def cases(
    first: int, count: int, folder: Path, *, only: str = "*"
) -> Iterator[tuple[int, str, Exception | None]]:
    """Run cases, and yield number, file name and what came out of each: None, or an error."""
    yield from _cases(first, count, folder, _chosen(folder, only))


def _chosen(folder: Path, only: str) -> list[Seed]:
    return [seed for seed in seeds(folder) if fnmatch(seed.name, only)]


def _cases(
    first: int, count: int, folder: Path, kinds: list[Seed]
) -> Iterator[tuple[int, str, Exception | None]]:
    for case in range(first, first + count):
        rng = np.random.default_rng(case)
        seed = kinds[case % len(kinds)]
        other = kinds[int(rng.integers(len(kinds)))].data
        path = folder / "case" / seed.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(mutated(seed.data, other, rng))
        yield case, seed.name, _outcome(seed, path)
        path.unlink()


def _outcome(seed: Seed, path: Path) -> Exception | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            seed.read(path)
        except Exception as exc:
            return exc
    return None


def _worker(first: int, count: int, only: str) -> None:
    """Run cases in this process; print failures, and the number of each case before it starts."""
    faulthandler.enable()
    faulthandler.register(signal.SIGPROF, chain=True)  # then the signal ends the process
    outcomes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        kinds = _chosen(Path(name), only)  # loads all libraries
        limit = _MEMORY + _address_space()
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        run = _cases(first, count, Path(name), kinds)
        for case in range(first, first + count):
            print(f"case {case}", flush=True)
            faulthandler.dump_traceback_later(_WAIT_S, exit=True)
            signal.setitimer(signal.ITIMER_PROF, _HANG_S)
            _, seed, error = next(run)
            signal.setitimer(signal.ITIMER_PROF, 0)
            faulthandler.cancel_dump_traceback_later()
            outcomes["refused" if error else "read"] += 1
            if error is not None and (not isinstance(error, VipeError) or "\n" in str(error)):
                trace = "".join(traceback.format_exception(error))
                print(f"failed {case} {seed}: {type(error).__name__}: {error}\n{trace}", flush=True)
    print(f"done {outcomes['read']} {outcomes['refused']}", flush=True)


def _address_space() -> int:
    """Bytes that this process has mapped already, most of them libraries."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def _run(first: int, count: int, only: str) -> tuple[int, int, list[str]]:
    """Run cases in processes of their own; read, refused, and failures."""
    # The limit is on address space, most of which the stacks of threads would take otherwise.
    resource.setrlimit(
        resource.RLIMIT_STACK, (_STACK, resource.getrlimit(resource.RLIMIT_STACK)[1])
    )
    read = refused = 0
    failures: list[str] = []
    at, end = first, first + count
    while at < end:
        size, before = min(_BATCH, end - at), len(failures)
        command = [sys.executable, "-m", "benchmarks.fuzz", "--worker", str(at), str(size)]
        command += ["--only", only]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        lines = [line for line in done.stdout.splitlines() if not line.startswith("case ")]
        failures += re.split(r"\n(?=failed )", "\n".join(lines[:-1])) if len(lines) > 1 else []
        if lines and lines[-1].startswith("done "):
            more = lines[-1].split()
            read, refused = read + int(more[1]), refused + int(more[2])
            at += size
        else:
            last = int(re.findall(r"^case (\d+)", done.stdout, re.M)[-1])
            reason = f"the process died ({done.returncode})\n{done.stderr[-2000:]}"
            failures.append(f"failed {last}: {reason}")
            at = last + 1
        print(
            *failures[before:],
            f"{at - first} of {count} cases, {len(failures)} failures",
            sep="\n",
            flush=True,
        )
    return read, refused, failures


def _by_coverage(seconds: int) -> None:
    """Let atheris look for cases in the keypoint readers."""
    import atheris

    with atheris.instrument_imports(include=["vipecli.poses.formats"]):
        for name in [name for name in sys.modules if name.startswith("vipecli.poses.formats")]:
            del sys.modules[name]
        from vipecli.poses import formats
    suffixes = [one.suffix for one in FORMATS.values() if one.suffix]
    folder = Path(tempfile.mkdtemp())
    corpus = folder / "corpus"
    corpus.mkdir()
    (folder / "seeds").mkdir()
    for seed in seeds(folder / "seeds"):
        if Path(seed.name).suffix in suffixes and "/" not in seed.name:
            kind = suffixes.index(Path(seed.name).suffix)
            (corpus / seed.name).write_bytes(bytes([kind]) + seed.data)

    def one(data: bytes) -> None:
        path = folder / f"case{suffixes[data[0] % len(suffixes)]}" if data else folder / "case.npz"
        path.write_bytes(data[1:])
        with contextlib.suppress(VipeError), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            formats.load_scene(path).choose()

    atheris.Setup(
        [sys.argv[0], str(corpus), f"-max_total_time={seconds}", "-rss_limit_mb=4096"], one
    )
    atheris.Fuzz()


def main() -> int:
    """Run, print what failed, and say how many cases were read and refused."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="*", metavar="GLOB")
    parser.add_argument("--coverage", type=int, metavar="SECONDS")
    parser.add_argument("--worker", type=int, nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        _worker(*args.worker, args.only)
        return 0
    if args.coverage:
        _by_coverage(args.coverage)
        return 0
    start = time.perf_counter()
    read, refused, failures = _run(args.seed, args.cases, args.only)
    print(
        f"{args.cases} cases: {read} read, {refused} refused, {len(failures)} failures "
        f"in {time.perf_counter() - start:.0f} s"
    )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
