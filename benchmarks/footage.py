"""Commands on videos, beside the bare parts that they are made of."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.rows import Row

_CLIPS = sorted((Path(__file__).parent.parent / "examples/clips").glob("*/*.mp4"))
SQUATS = [clip for clip in _CLIPS if clip.parent.name == "squat"]
FULL_HD = "scale=-2:1080,pad=1920:1080:(ow-iw)/2:0"
_ROUNDS = 3
_WARM_UP = "from vipecli.alignment.same_action import warm_up; warm_up()"


def vipe(*args: object) -> float:
    """Run a command of vipe, without its cache; seconds."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "vipecli", *map(str, args)],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=_environment(),
    )
    return time.perf_counter() - start


def _environment() -> dict[str, str]:
    """As a user has it: compiled modules are kept. The cache is off, or a second run finds all."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"VIPE_CACHE": "off"}


def film(
    path: Path, source: Path, *, seconds: float = 10, picture: str = FULL_HD, fps: float = 30
) -> Path:
    """An example clip over and over, as H.264 with sound left out."""
    command = ["ffmpeg", "-v", "error", "-y", "-stream_loop", "-1", "-i", str(source)]
    command += ["-t", str(seconds), "-vf", picture, "-r", str(fps), "-an", "-c:v", "libx264"]
    subprocess.run([*command, "-preset", "veryfast", "-crf", "20", str(path)], check=True)
    return path


@contextmanager
def _films(sources: list[Path], seconds: float) -> Iterator[list[Path]]:
    """A folder with films of example clips, 1920 x 1080, 30 frames/s, and room beside it."""
    with tempfile.TemporaryDirectory() as folder:
        clips = Path(folder) / "clips"
        clips.mkdir()
        yield [film(clips / source.name, source, seconds=seconds) for source in sources]


def start() -> Iterator[Row]:
    """Starting up: the help, the import, and the kernels in a new process."""
    taken = []
    for _ in range(5):
        before = os.times().children_user
        taken.append((vipe("--help"), os.times().children_user - before))
    wall, cpu = (min(column) for column in zip(*taken, strict=True))
    yield Row("vipe --help", 1000 * wall, note=f"least of 5; {1000 * cpu:.0f} ms of CPU")
    ready = "import numpy, scipy.interpolate, scipy.optimize, vipecli.embedding.embed"
    for task, before, code in (
        ("import vipecli (CPU)", "pass", "import vipecli"),
        ("numba and compiled kernels, until first used (CPU)", ready, _WARM_UP),
    ):
        timed = f"{before}; import time; t = time.process_time(); {code}"
        command = [sys.executable, "-c", f"{timed}; print(time.process_time() - t)"]
        taken = [
            float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            for _ in range(6)
        ]
        yield Row(task, 1000 * min(taken[1:]), note="least of 5")


def bare_mediapipe(path: Path) -> int:
    """MediaPipe's pose landmarker on every frame that OpenCV reads, and nothing else."""
    import cv2
    import mediapipe
    from mediapipe.tasks.python import BaseOptions, vision

    from vipecli.poses.detection.model_file import model_path

    options = vision.PoseLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(model_path())),
        running_mode=vision.RunningMode.VIDEO,
    )
    capture, frames = cv2.VideoCapture(str(path)), 0
    with vision.PoseLandmarker.create_from_options(options) as landmarker:
        while True:
            read, bgr = capture.read()
            if not read:
                return frames
            rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
            image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=rgb)
            landmarker.detect_for_video(image, frames * 33 + 1)
            frames += 1


def embed() -> Iterator[Row]:
    """`vipe embed` of a folder, start included, and MediaPipe alone on the same frames, one by one.

    The peer is a process of its own, too, and loads its model once per clip. Two of it at once,
    each with half of the clips, tell how much two jobs can bring on this machine.
    """
    if shutil.which("ffmpeg") is None:
        return
    for sources, seconds in ((_CLIPS, 5), (SQUATS, 10)):
        with _films(sources, seconds) as clips:
            yield from _embedded(clips, f"{len(clips)} films of {seconds} s 1080p")


def _embedded(clips: list[Path], what: str) -> Iterator[Row]:
    folder = clips[0].parent
    taken: dict[int, list[tuple[float, float]]] = {1: [], 2: []}
    at_once = []
    for turn in range(_ROUNDS + 1):
        ours = {
            jobs: vipe("embed", folder, "--jobs", jobs, "--out", folder.parent / f"{turn}.{jobs}")
            for jobs in taken
        }
        theirs = bare_loop(clips)
        halves = bare_loop(clips[::2], clips[1::2])
        if turn:  # the first turn warms the caches
            at_once.append((halves, theirs))
            for jobs, pairs in taken.items():
                pairs.append((ours[jobs], theirs))
    for jobs, pairs in taken.items():
        yield _typical(f"vipe embed --jobs {jobs}, {what}", pairs, "bare MediaPipe")
    yield _typical(f"two bare loops at once, {what}", at_once, "one of them")


def bare_loop(*parts: list[Path]) -> float:
    """Seconds that processes of bare MediaPipe take, one per part of the clips, all at once."""
    code = "import sys; from pathlib import Path; from benchmarks.footage import bare_mediapipe"
    loop = [sys.executable, "-c", f"{code}; [bare_mediapipe(Path(p)) for p in sys.argv[1:]]"]
    start = time.perf_counter()
    running = [
        subprocess.Popen([*loop, *clips], stderr=subprocess.DEVNULL, env=_environment())
        for clips in parts
    ]
    if any([process.wait() for process in running]):
        raise RuntimeError("bare MediaPipe failed")
    return time.perf_counter() - start


def align() -> Iterator[Row]:
    """`vipe align` of two clips, and finding the poses of both (side by side) plus one encode.

    The encode is ffmpeg's, of the finished video with the settings that vipe uses.
    """
    if shutil.which("ffmpeg") is None:
        return
    with _films(SQUATS, 10) as (a, b):
        out, again = a.parent.parent / "synced.mp4", a.parent.parent / "again.mp4"
        encode = ["ffmpeg", "-v", "error", "-y", "-i", str(out), "-c:v", "libx264", "-preset"]
        encode += ["veryfast", "-crf", "20", "-an", str(again)]
        code = "import sys; from pathlib import Path\n"
        code += "from vipecli.embedding.clip import Recipe\n"
        code += "from vipecli.embedding.clips import read_clips"
        both = "read_clips([Path(p) for p in sys.argv[1:]], Recipe(cached=False), lambda *_: 0)"
        pairs = []
        for turn in range(_ROUNDS + 1):
            ours = vipe("align", a, b, "--out", out)
            begin = time.perf_counter()
            subprocess.run(
                [sys.executable, "-c", f"{code}; {both}", a, b],
                check=True,
                stderr=subprocess.DEVNULL,
                env=_environment(),
            )
            subprocess.run(encode, check=True)
            if turn:
                pairs.append((ours, time.perf_counter() - begin))
        yield _typical("vipe align, two clips of 10 s 1080p", pairs, "detection + x264 encode")


def _typical(task: str, pairs: list[tuple[float, float]], peer: str) -> Row:
    """Row of the turn with the middle ratio."""
    pairs = sorted(pairs, key=lambda pair: pair[1] / pair[0])
    ours, theirs = pairs[len(pairs) // 2]
    ratios = ", ".join(f"{theirs / ours:.2f}" for ours, theirs in pairs)
    return Row(task, 1000 * ours, peer, 1000 * theirs, f"ratios of the turns: {ratios}")
