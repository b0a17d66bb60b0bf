"""Damaged files for every reader: only our own errors may come out.

    python -m benchmarks.fuzz [--cases 100000] [--seed 0] [--only GLOB]

Each case is a small valid file (videos in many containers and codecs, folders of frames, keypoint
files of every format, recorded motion, configurations) with a few random edits: bits, bytes, cuts,
repeats, pieces of other files, and other numbers in texts. A case fails if anything but a
`VipeError` comes out, if its process dies or needs more than 1 GB beyond what it has when it
starts, or if it takes longer than 20 s. The same seed makes the same cases: ``--seed 1234
--cases 1`` is case 1234 again. ``--only "*.bvh"`` takes the kinds of file whose name matches. With
``--coverage SECONDS`` atheris, if installed (``pip install atheris``), looks for cases in the
keypoint readers by itself.
"""

import argparse
import contextlib
import faulthandler
import re
import resource
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import av
import numpy as np
from PIL import Image

from vipecli.embedding.clip_file import load_embeddings, read_key
from vipecli.errors import VipeError
from vipecli.files import read_toml
from vipecli.lifting.motion_files import Motion, load_motion, save_motion
from vipecli.poses.formats import FORMATS, load_joint_map, load_scene
from vipecli.poses.formats import save_poses as save
from vipecli.poses.mocap.amc import read_amc
from vipecli.poses.mocap.clips import clips
from vipecli.poses.mocap.units import in_metres
from vipecli.poses.poses import Poses
from vipecli.poses.skeleton import JOINTS
from vipecli.video.read import probe, read_frames

_HANG_S = 20
_MEMORY = 1 << 30  # bytes
_STACK = 2 << 20  # bytes per thread
_BATCH = 2000  # cases per process
_SIZE = (32, 24)
_VIDEOS = {  # file name: codec, pixel format, options of the container
    "a.mp4": ("libx264", "yuv420p", {}),
    "fragments.mp4": ("libx264", "yuv420p", {"movflags": "frag_keyframe+empty_moov"}),
    "a.mov": ("mjpeg", "yuvj420p", {}),
    "a.mkv": ("libx264", "yuv420p", {}),
    "a.webm": ("libvpx-vp9", "yuv420p", {}),
    "a.avi": ("mpeg4", "yuv420p", {}),
    "a.ts": ("libx264", "yuv420p", {}),
    "a.flv": ("flv1", "yuv420p", {}),
    "a.gif": ("gif", "rgb8", {}),
    "a.apng": ("apng", "rgb24", {}),
    "a.wmv": ("wmv2", "yuv420p", {}),
    "a.h264": ("libx264", "yuv420p", {}),
}
_PICTURES = (".png", ".jpg", ".bmp", ".tif", ".webp")
_ASF = """:units
length 0.45
angle deg
:root
order TX TY TZ RX RY RZ
axis XYZ
position 0 0 0
orientation 0 0 0
:bonedata
begin
name lhumerus
direction 1 0 0
length 3
axis 10 20 30 XYZ
dof rx ry
end
:hierarchy
begin
root lhumerus
end
"""
_TOKENS = (
    *(b"0", b"-1", b"1e999", b"NaN", b"Infinity", b"99999999999999999999", b"1e-320", b"null"),
    *(b'""', b"[]", b"{}", b"[[[[", b"true", b"\xff\xfe", b"\x00", b"2147483648", b"-0.0"),
)


@dataclass(frozen=True)
class Seed:
    """A valid file, and what reads it."""

    name: str
    data: bytes
    read: Callable[[Path], object]


def seeds(folder: Path) -> list[Seed]:
    """One valid file of every kind."""
    found = [Seed(name, _video(folder / name, *how), _read_video) for name, how in _VIDEOS.items()]
    for suffix in _PICTURES:
        path = folder / f"1{suffix}"
        Image.fromarray(_picture(3)).save(path)
        found.append(Seed(f"frames/1{suffix}", path.read_bytes(), _read_frames))
    for name, kind in FORMATS.items():
        path = folder / f"{name}{kind.suffix}"
        save([_poses()], path, format=name)
        if path.is_dir():
            inside = sorted(path.iterdir())[0]
            found.append(Seed(f"poses/{inside.name}", inside.read_bytes(), _read_folder))
        else:
            found.append(Seed(path.name, path.read_bytes(), _read_poses))
    joints = ", ".join(f"{joint} = {i}" for i, joint in enumerate(("head", "left_shoulder")))
    text = f"fps = 30\nsize = [64, 48]\n[joints]\n{joints.replace(', ', chr(10))}\n"
    found.append(Seed("map.toml", text.encode(), load_joint_map))
    config = "name = 'a'\nsteps = 5\n[network]\ndims = 16\n"
    found.append(Seed("train.toml", config.encode(), read_toml))
    return found + _tables() + _motion(folder)


def _tables() -> list[Seed]:
    """Tables as people write them that vipe does not write."""
    xy = _poses().xy
    parts = [cell for name in JOINTS for cell in (name, name)]
    lines = ["scorer" + ",Me" * 26, "bodyparts," + ",".join(parts), "coords" + ",x,y" * 13]
    lines += [f"v/img{n}.png," + ",".join(f"{v:.1f}" for v in xy[n].ravel()) for n in range(3)]
    head = "sep=;\nimage;" + ";".join(f"{name}_{axis}" for name in JOINTS for axis in "xy")
    rows = [f"{n}.png;" + ";".join(f"{v:.1f}" for v in xy[n].ravel()) for n in range(3)]
    excel = "\n".join([head, *rows]).replace(".", ",").replace(",png", ".png")
    return [
        Seed("labels.csv", "\n".join(lines).encode(), _read_poses),
        Seed("excel.csv", excel.encode("utf-16"), _read_poses),
    ]


def _motion(folder: Path) -> list[Seed]:
    """Recorded motion: what is written, and a skeleton of Acclaim with its motion."""
    rng = np.random.default_rng(0)
    joints = rng.normal(0, 0.05, (3, 13, 3)) + np.linspace(0, 1, 13)[:, None]
    motion = Motion(joints, np.arange(3) / 30, np.zeros((3, 13)))
    found = []
    for name, read in (("m.bvh", _read_mocap), ("m.npz", load_motion), ("m.trc", _read_poses)):
        save_motion(motion, folder / name)
        found.append(Seed(name, (folder / name).read_bytes(), read))
    np.savez_compressed(folder / "mocap.npz", **{"a/b": joints.astype(np.float32)})
    found.append(Seed("mocap.npz", (folder / "mocap.npz").read_bytes(), _read_mocap))
    (folder / "a.asf").write_text(_ASF)
    amc = ":FULLY-SPECIFIED\n:DEGREES\n1\nroot 0 0 0 0 0 0\nlhumerus 1 2\n"
    found.append(Seed("a.amc", amc.encode(), lambda path: read_amc(path, folder / "a.asf")))
    found.append(Seed("b.asf", _ASF.encode(), lambda path: _read_skeleton(path, amc)))
    return found


def _read_mocap(path: Path) -> None:
    for clip in clips([path]):
        in_metres(clip.read()[0])


def _read_skeleton(path: Path, amc: str) -> None:
    path.with_suffix(".amc").write_text(amc)
    read_amc(path.with_suffix(".amc"), path)


def _picture(i: int) -> np.ndarray:
    noise = np.random.default_rng(i).integers(0, 255, (_SIZE[1] // 4, _SIZE[0] // 4, 3))
    return np.kron(noise, np.ones((4, 4, 1))).astype(np.uint8)


def _video(path: Path, codec: str, pix_fmt: str, options: dict[str, str]) -> bytes:
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = *_SIZE, pix_fmt
        for i in range(4):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(_picture(i), "bgr24")))
        container.mux(stream.encode(None))
    return path.read_bytes()


def _poses() -> Poses:
    rng = np.random.default_rng(0)
    points = rng.uniform(1, 60, (3, 33, 3)).astype(np.float32)
    return Poses(
        xy=points[:, :13, :2],
        score=rng.uniform(0.5, 1, (3, 13)).astype(np.float32),
        times=np.arange(3) / 30,
        size=(64, 64),
        source="a.mp4",
        detector="test",
        landmarks=points,
        landmark_score=rng.uniform(0, 1, (3, 33)).astype(np.float32),
        world=points / 60,
    )


def _read_video(path: Path) -> None:
    probe(path)
    for count, _ in enumerate(read_frames(path)):
        if count > 300:  # edits make rates and durations up, but no more than that is asked for
            return


def _read_frames(path: Path) -> None:
    _read_video(path.parent)


def _read_poses(path: Path) -> None:
    load_scene(path).choose()
    if path.suffix == ".npz":
        read_key(path)
        load_embeddings(path)


def _read_folder(path: Path) -> None:
    load_scene(path.parent).choose()


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
    kinds = [seed for seed in seeds(folder) if fnmatch(seed.name, only)]
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
    limit = _MEMORY + _address_space()
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    faulthandler.enable()
    outcomes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        run = cases(first, count, Path(name), only=only)
        for case in range(first, first + count):
            print(f"case {case}", flush=True)
            faulthandler.dump_traceback_later(_HANG_S, exit=True)
            _, seed, error = next(run)
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
        size = min(_BATCH, end - at)
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
        print(f"{at - first} of {count} cases, {len(failures)} failures", flush=True)
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
    print(*failures, sep="\n")
    print(
        f"{args.cases} cases: {read} read, {refused} refused, {len(failures)} failures "
        f"in {time.perf_counter() - start:.0f} s"
    )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
