"""People who cross, lie, stand on their heads or are small: drawn, and found again.

    python -m benchmarks.poses MOCAP [--clips FOLDER] [--kind KIND] [--split tune|judge] [--brief]

draws clips with known joints (once, into FOLDER) and prints, for plain MediaPipe, for what `vipe`
does, and for `vipe` without each of its measures: the share of frames in which the person is
found, PCK@0.2 and the mean error in torso lengths, and for crossings the share of frames in which
a person keeps the name they had. MOCAP is the folder with `cmu_joints13_30fps.npz` and
`deepmimic_joints13_30fps.npz`. What was decided by looking was decided on the clips `tune`.
"""

import argparse
import itertools
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from examples.film import Camera, Look, Shot, film
from examples.gym import SCENES, film_gym
from examples.motions import perform
from vipecli.evaluate.metrics import pck
from vipecli.poses.detection.blazepose import MEASURES, BlazePose, prepare
from vipecli.poses.detection.model_file import model_path
from vipecli.poses.gaps import fill_gaps
from vipecli.poses.poses import Scene
from vipecli.poses.tracking import Tracks
from vipecli.video.read import read_frames

_ON_TORSOS = 0.5
WITHIN = 0.2  # of the torso: left shoulder to right hip, as long as it truly is at its distance


@dataclass(frozen=True)
class Take:
    """A clip to draw.

    Attributes
    ----------
    kind, split
        what it is about; ``tune`` or ``judge``.
    motions
        one per person: name of a recording, or of an exercise with a number for its performer.
    azimuth_deg, roll_deg, size, distance_m
        the camera.
    upended
        everyone stands on their head.
    scene
        of `examples.gym`, by the number in `motions`; empty = a studio.
    """

    kind: str
    split: str
    motions: tuple[str, ...]
    azimuth_deg: float = 0
    roll_deg: float = 0
    size: tuple[int, int] = (480, 360)
    distance_m: float | None = None
    upended: bool = False
    scene: str = ""

    @property
    def name(self) -> str:
        """File name without extension."""
        if self.scene:
            return "-".join(("gym", self.scene, *self.motions))
        parts = (self.kind, *self.motions, f"{self.azimuth_deg:g}", f"{self.roll_deg:g}")
        return "-".join(parts).replace("/", "_")


_TUNE = {  # motions by what the clips are about
    "crossing": [
        ("amc/07_01", "amc/08_01"),
        ("amc/02_01", "amc/16_15"),
        ("amc/07_07", "amc/16_21"),
        ("amc/35_05", "amc/08_03"),
        ("amc/39_03", "amc/02_02"),
        ("amc/39_07", "amc/08_09"),
    ],
    "lying": ["push_up:1", "sit_up:2", "deepmimic/getup_facedown"],
    "upended": ["arm_raise:4", "amc/13_29"],
    "acrobatic": ["deepmimic/cartwheel"],
    "upright": ["squat:5", "deepmimic/spinkick"],
    "afar": [("sit_up:2", False), ("squat:5", True)],  # and whether on the head
}
_JUDGE = {  # other motions and performers
    "crossing": [
        ("amc/35_01", "amc/39_01"),
        ("amc/07_06", "amc/05_01"),
        ("amc/38_01", "bvh/007_01"),
        ("amc/16_22", "amc/07_03"),
        ("amc/35_12", "amc/43_01"),
    ],
    "lying": [
        *("push_up:11", "sit_up:12", "bench_press:13"),
        *("deepmimic/crawl", "deepmimic/getup_faceup"),
    ],
    "upended": ["jumping_jack:14", "lunge:15", "deepmimic/dance_a"],
    "acrobatic": ["deepmimic/sideflip", "deepmimic/backflip", "deepmimic/roll"],
    "upright": ["golf_swing:16", "deepmimic/kick", "amc/86_01"],
    "afar": [("push_up:11", False), ("bench_press:13", False), ("jumping_jack:14", True)],
}


_GYM_SEEDS = {"tune": (1,), "judge": (11,)}
_GYM_S = 4.0


def takes() -> Iterator[Take]:
    """Every clip; those of `judge` show other motions and performers from other directions."""
    yield from _takes("tune", _TUNE, (75, 310), sideways=90)
    yield from _takes("judge", _JUDGE, (50, 100, 285), sideways=270)
    for scene, (split, seeds) in itertools.product(SCENES, _GYM_SEEDS.items()):
        for seed in seeds:
            yield Take(f"gym, {scene}", split, (str(seed),), scene=scene)


def _takes(split: str, motions: dict, angles: tuple[int, ...], *, sideways: int) -> Iterator[Take]:
    first = angles[0]
    for motion, head_down in motions["afar"]:
        camera = {"size": (1280, 720), "distance_m": 12}
        yield Take("lying, upended afar", split, (motion,), first, **camera, upended=head_down)
    for pair, angle in itertools.product(motions["crossing"], (90, 70)):
        yield Take("crossing", split, pair, angle, size=(640, 360))
    for motion, angle in itertools.product(motions["lying"], angles):
        yield Take("lying", split, (motion,), angle)
    for motion, angle in itertools.product(motions["upended"], (0, first)):
        yield Take("upside down", split, (motion,), angle, upended=True)
        yield Take("on its side", split, (motion,), angle, sideways)
    for motion in motions["acrobatic"]:
        yield Take("acrobatic", split, (motion,), first)
    for motion, angle in itertools.product(motions["upright"], (0, first)):
        yield Take("upright", split, (motion,), angle)
        yield Take("small", split, (motion,), angle, size=(1280, 720), distance_m=18)


@dataclass(frozen=True)
class Clip:
    """A take as drawn: the file, true joints (P, T, 13, 2) and torsos (P, T), pixels.

    `inside` (P, T): whether most of a person is in the picture; other frames do not count.
    """

    take: Take
    path: Path
    xy: np.ndarray
    torso: np.ndarray
    inside: np.ndarray


def draw(take: Take, mocap: dict[str, np.ndarray], folder: Path) -> Clip:
    """Film a take, unless it is there."""
    path, truth = folder / f"{take.name}.mp4", folder / f"{take.name}.npz"
    if not truth.exists():
        shot = _film_gym(take, path) if take.scene else _film(take, path, mocap)
        metres = np.linalg.norm(shot.joints[:, :, 1] - shot.joints[:, :, 8], axis=-1)
        depth = shot.view.to_camera(shot.joints[:, :, 7:9].mean(2))[..., 2]
        np.savez(truth, xy=shot.xy, torso=metres * shot.view.focal_px / depth)
    known = np.load(truth)
    return Clip(take, path, known["xy"], known["torso"], _in_view(known["xy"], take.size))


def _film(take: Take, path: Path, mocap: dict[str, np.ndarray]) -> Shot:
    rng = np.random.default_rng(list(take.name.encode()))
    people = [_motion(name, mocap) for name in take.motions]
    if len(people) == 2:
        people = _crossing(*people)
    if take.upended:
        people = [_upended(person) for person in people]
    camera = Camera(take.azimuth_deg, 8, roll_deg=take.roll_deg, distance_m=take.distance_m)
    looks = [Look().random(rng) for _ in people]
    return film(people, path, camera=camera, size=take.size, look=looks)


def _film_gym(take: Take, path: Path) -> Shot:
    rng = np.random.default_rng(int(take.motions[0]))
    return film_gym(take.scene, path, rng=rng, seconds=_GYM_S, size=take.size)


def _in_view(xy: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Frames (P, T) in which most of a person is in the picture."""
    inside = ((xy >= 0) & (xy < size)).all(axis=-1)
    return inside.mean(axis=-1) > 0.5


def _motion(name: str, mocap: dict[str, np.ndarray]) -> np.ndarray:
    """(T, 13, 3): two seconds of a recording, or of an exercise by one of its performers."""
    if ":" in name:
        action, _, seed = name.partition(":")
        rng = np.random.default_rng(int(seed))
        return perform(action, seconds=2, reps=1, rng=rng).joints
    joints = mocap[name].astype(float)
    first = 484 if name == "amc/13_29" else 0  # a toe touch
    return joints[first : first + 70]


def _crossing(a: np.ndarray, b: np.ndarray) -> list[np.ndarray]:
    """Two walks on one line in opposite directions, so that both meet half-way."""
    length = min(len(a), len(b))
    a, b = (_along_z(p[:length]) for p in (a, b))
    b = b * (-1, 1, -1)
    middle = length // 2
    for person, side in ((a, -0.35), (b, 0.35)):
        person -= person[middle, 7:9].mean(0) * (1, 0, 1)
        person += (side, -person[..., 1].min(), 0)
    return [a, b]


def _along_z(joints: np.ndarray) -> np.ndarray:
    """Turn a walk about the vertical, so that it leads towards +z."""
    way = joints[-1, 7:9].mean(0) - joints[0, 7:9].mean(0)
    turn = np.arctan2(way[0], way[2])
    cos, sin = np.cos(turn), np.sin(turn)
    return joints @ np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])


def _upended(joints: np.ndarray) -> np.ndarray:
    """Turn a person by half a turn about the depth axis of their hips."""
    low = joints[..., 1].min()
    turned = joints * (-1, -1, 1)
    turned[..., 1] += low - turned[..., 1].min()
    return turned


# --- finding them again --------------------------------------------------------------------------


@dataclass(frozen=True)
class Figures:
    """What came of one clip, gaps of up to half a second filled.

    Attributes
    ----------
    found
        share of the persons and frames.
    pck
        PCK@0.2 over all persons, frames and joints.
    error
        mean distance of the joints found, in torsos.
    kept
        share of the persons and frames in which the track that is first on a person is on that
        person: half a torso off on average at most, and nearer to them than to anybody else.
    """

    found: float
    pck: float
    error: float
    kept: float


def measure(clip: Clip, tracks: Tracks, times: np.ndarray, size: tuple[int, int]) -> Figures:
    """Compare what was found with the truth."""
    people = [fill_gaps(poses).xy for poses in Scene(tracks, times, size).everyone()]
    if not people:
        return Figures(0, 0, np.nan, 0)
    # (tracks, persons, frames), in torsos; far away where nobody was found
    apart = np.array([np.linalg.norm(xy - clip.xy, axis=-1).mean(-1) / clip.torso for xy in people])
    apart = np.where(np.isfinite(apart), apart, 99.0)
    at_home = apart.argmin(axis=1)[:, None] == np.arange(len(clip.xy))[:, None]
    on = (apart < _ON_TORSOS) & at_home
    rows = []
    on &= clip.inside
    for p, true in enumerate(clip.xy):
        first = np.where(on[:, p].any(-1), on[:, p].argmax(-1), len(times)).argmin()
        there = clip.inside[p]
        xy, true, torso = people[first][there], true[there], clip.torso[p][there]
        off = np.linalg.norm(xy - true, axis=-1) / torso[:, None]
        rows.append(
            (
                np.isfinite(off).all(-1).mean(),
                pck(xy, true, torso, within=WITHIN),
                np.nanmean(off) if np.isfinite(off).any() else np.nan,
                on[first, p][there].mean(),
            )
        )
    return Figures(*np.mean(rows, axis=0))


def plain(path: Path) -> tuple[Tracks, np.ndarray, tuple[int, int]]:
    """People as MediaPipe's landmarker gives them: video mode, its own defaults."""
    import mediapipe
    from mediapipe.tasks.python import BaseOptions, vision

    from vipecli.poses.detection.mediapipe_session import as_array, quiet

    options = vision.PoseLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(model_path(None))),
        running_mode=vision.RunningMode.VIDEO,
        num_poses=2 if path.name.startswith("crossing") else 1,
    )
    with quiet():
        native = vision.PoseLandmarker.create_from_options(options)

    def people(rgb: np.ndarray, time_s: float, size: tuple[int, int]) -> list[np.ndarray]:
        image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=rgb)
        result = native.detect_for_video(image, round(time_s * 1000))
        both = zip(result.pose_landmarks, result.pose_world_landmarks, strict=True)
        return [as_array(image_points, world, size) for image_points, world in both]

    with native:
        return _follow(path, people)


def ours(path: Path, measures: frozenset[str]) -> tuple[Tracks, np.ndarray, tuple[int, int]]:
    """People as `vipe` finds them with some of its measures."""
    with BlazePose(model_path(None), measures=measures) as blazepose:
        return _follow(path, blazepose.people)


def _follow(path: Path, people: Callable) -> tuple[Tracks, np.ndarray, tuple[int, int]]:
    tracks, times, size = Tracks(), [], (1, 1)
    for time_s, rgb in read_frames(path, rgb=True):
        size = (rgb.shape[1], rgb.shape[0])
        tracks.add(len(times), time_s, people(prepare(rgb), time_s, size))
        times.append(time_s)
    return tracks, np.array(times), size


def main() -> None:
    """Draw, find, compare, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.poses", description=__doc__)
    parser.add_argument("mocap", type=Path)
    parser.add_argument("--clips", type=Path, help="keep the clips here, and use those there")
    parser.add_argument("--kind", action="append", help="only clips of this kind")
    parser.add_argument("--split", choices=("tune", "judge"), default="judge")
    parser.add_argument("--brief", action="store_true", help="leave single measures out")
    parser.add_argument("--each", action="store_true", help="print every clip, too")
    args = parser.parse_args()
    mocap = {}
    for name in ("cmu", "deepmimic"):
        mocap |= np.load(args.mocap / f"{name}_joints13_30fps.npz")
    ways = {"plain MediaPipe": plain, "vipe": lambda path: ours(path, MEASURES)}
    for one in () if args.brief else sorted(MEASURES):
        ways[f"  without {one!r}"] = lambda path, one=one: ours(path, MEASURES - {one})
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.clips or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        chosen = [t for t in takes() if t.split == args.split and t.kind in (args.kind or [t.kind])]
        for kind, group in itertools.groupby(
            sorted(chosen, key=lambda t: t.kind), lambda t: t.kind
        ):
            clips = [draw(take, mocap, folder) for take in group]
            print(f"{kind}: {len(clips)} clips, {sum(c.xy.shape[1] for c in clips)} frames")
            print(f"  {'':18s}  found    PCK  error   kept  ms/frame")
            for way, find in ways.items():
                _print(way, find, clips, each=args.each)


def _print(way: str, find: Callable, clips: Sequence[Clip], *, each: bool) -> None:
    start, rows = time.process_time(), []
    for clip in clips:
        rows.append(measure(clip, *find(clip.path)))
        if each:
            print(f"    {clip.take.name:50s} {_row(rows[-1])}")
    spent_ms = 1000 * (time.process_time() - start) / sum(clip.xy.shape[1] for clip in clips)
    mean = Figures(*np.nanmean([list(vars(row).values()) for row in rows], axis=0))
    print(f"  {way:18s} {_row(mean)}  {spent_ms:8.0f}", flush=True)


def _row(one: Figures) -> str:
    return f"{one.found:6.3f} {one.pck:6.3f} {one.error:6.3f} {one.kept:6.3f}"


if __name__ == "__main__":
    main()
