"""Film people whose joints are known: a clip to look at and the truth about it.

    from examples.film import Camera, film
    from examples.motions import perform
    from examples.person import Look

    motion = perform("squat", seconds=3.0)
    shot = film(motion.joints, "squat.mp4", camera=Camera(azimuth_deg=120), look=Look())
    shot.xy  # (T, 13, 2) true joints in pixels
    shot.visible  # (T, 13) in the picture and not hidden

or from a shell: ``python -m examples.film squat squat.mp4 --azimuth 120``.

World axes: metres, y up, right-handed. Picture: pixels, y down, pixel centres at .5. Azimuth 0
looks the person in the face, 90 sees the person's left side, 180 the back, 270 the right side.
The camera stands still and looks at the mean place of the pelvis over the clip, half-way up.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from examples.camera import Camera, View
from examples.person import Look
from examples.retarget import proportions, uneven_times, warp
from examples.studio import Prop, Scene, Studio

__all__ = [
    "Camera", "Look", "Prop", "Scene", "Shot", "View",
    "film", "frames", "proportions", "uneven_times", "warp",
]  # fmt: skip


@dataclass(frozen=True)
class Shot:
    """What was filmed.

    Attributes
    ----------
    xy
        (T, 13, 2) float32, true joints in pixels; with several persons (P, T, 13, 2).
    visible
        (T, 13) bool, in the picture and not hidden by a body; with several (P, T, 13).
    joints
        (T, 13, 3) float32, metres, world axes, as drawn; with several (P, T, 13, 3).
    view
        the camera.
    fps
        frames per second.
    path
        the file, if one was written.
    """

    xy: np.ndarray
    visible: np.ndarray
    joints: np.ndarray
    view: View
    fps: float
    path: Path | None = None


def frames(
    joints: np.ndarray | Sequence[np.ndarray],
    *,
    camera: Camera | None = None,
    look: Look | Sequence[Look] | None = None,
    size: tuple[int, int] = (480, 480),
    scene: Scene | None = None,
    props: Sequence[Prop] = (),
) -> Iterator[np.ndarray]:
    """Yield the pictures (h, w, 3) uint8 BGR one by one; arguments as `film`."""
    shot = Studio(joints, camera, look, size, scene, props)
    for t in range(shot.length):
        yield shot.picture(t)[0]


def film(
    joints: np.ndarray | Sequence[np.ndarray],
    out: Path | str | None = None,
    *,
    fps: float = 30.0,
    camera: Camera | None = None,
    look: Look | Sequence[Look] | None = None,
    size: tuple[int, int] = (480, 480),
    scene: Scene | None = None,
    props: Sequence[Prop] = (),
    crf: int = 23,
) -> Shot:
    """Film one person or several and tell where their joints truly are.

    Parameters
    ----------
    joints
        shape (T, 13, 3) in metres, y up, right-handed, in the order of
        `vipecli.poses.skeleton.JOINTS`;
        several persons as a list of such arrays of equal T, in one world.
    out
        an .mp4 to write as H.264; None = film without a file, for the truth alone.
    camera, look, scene
        `Camera`, `Look` (one per person) and `Scene`; defaults when None.
    size
        width and height in pixels, both even.
    props
        things to draw, see `examples.motions.Motion`: (ends (T, 3), ends (T, 3), radius).
    crf
        quality of the H.264 stream, lower is better and larger.

    Returns
    -------
    `Shot`. The floor lies where the lowest foot, hand or other joint of the clip needs it.
    """
    studio = Studio(joints, camera, look, size, scene, props)
    visible = np.zeros((len(studio.people), studio.length, 13), bool)
    with Writer(out, fps, size, crf) as writer:
        for t in range(studio.length):
            image, depth = studio.picture(t)
            visible[:, t] = studio.visible(t, depth)
            writer.write(image)
    world = np.stack(studio.people).astype(np.float32)
    xy = studio.view.project(world).astype(np.float32)
    if not isinstance(joints, (list, tuple)):
        world, xy, visible = world[0], xy[0], visible[0]
    return Shot(xy, visible, world, studio.view, fps, Path(out) if out else None)


class Writer:
    """H.264 file of constant rate, or nothing when there is no path."""

    def __init__(self, path: Path | str | None, fps: float, size: tuple[int, int], crf: int):
        self.path = Path(path) if path else None
        self.rate, self.size, self.crf = Fraction(fps).limit_denominator(1001), size, crf

    def __enter__(self) -> Writer:
        if self.path:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.file = av.open(str(self.path), "w", options={"movflags": "faststart"})
            self.stream = self.file.add_stream("libx264", rate=self.rate)
            self.stream.width, self.stream.height = self.size
            self.stream.pix_fmt = "yuv420p"
            # one thread: the same pictures give the same bytes on every machine
            self.stream.options = {"crf": str(self.crf), "preset": "slow", "threads": "1"}
        return self

    def write(self, image: np.ndarray) -> None:
        if self.path:
            for packet in self.stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")):
                self.file.mux(packet)

    def __exit__(self, kind, *_) -> None:
        if self.path:
            if kind is None:
                for packet in self.stream.encode():
                    self.file.mux(packet)
            self.file.close()
            if kind is not None:
                self.path.unlink(missing_ok=True)


def main(arguments: list[str] | None = None) -> int:
    """Film one motion made by rule, or a clip of an .npz of mocap, from a shell."""
    from examples.motions import ACTIONS, perform

    parser = argparse.ArgumentParser(prog="python -m examples.film", description=main.__doc__)
    parser.add_argument("action", help=f"{', '.join(ACTIONS)}; or FILE.npz:CLIP")
    parser.add_argument("out", type=Path, help=".mp4 to write")
    parser.add_argument("--azimuth", type=float, default=0.0, help="0 face, 90 left side")
    parser.add_argument("--elevation", type=float, default=6.0)
    parser.add_argument("--distance", type=float, help="metres; so that all fits, if not given")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--fps", type=float, default=30.0)
    parser.add_argument("--size", type=int, nargs=2, default=(480, 480), metavar=("W", "H"))
    parser.add_argument("--seed", type=int, help="another performer, dressed and moving otherwise")
    a = parser.parse_args(arguments)
    rng = None if a.seed is None else np.random.default_rng(a.seed)
    if ".npz:" in a.action:
        file, _, clip = a.action.rpartition(":")
        joints, props = np.load(file)[clip][: int(a.seconds * a.fps)], ()
    elif a.action in ACTIONS:
        motion = perform(a.action, seconds=a.seconds, fps=a.fps, rng=rng)
        joints, props = motion.joints, motion.props
    else:
        parser.error(f"no such action: {a.action}; choose from {', '.join(ACTIONS)}")
    look = Look() if rng is None else Look().random(rng)
    camera = Camera(azimuth_deg=a.azimuth, elevation_deg=a.elevation, distance_m=a.distance)
    shot = film(joints, a.out, fps=a.fps, camera=camera, look=look, size=tuple(a.size), props=props)
    print(f"{shot.path}: {len(shot.xy)} frames")
    return 0


if __name__ == "__main__":
    sys.exit(main())
