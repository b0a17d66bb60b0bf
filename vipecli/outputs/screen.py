"""One clip in a video: the picture at any time, with the skeleton drawn in it."""

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from vipecli.engine import prefetch
from vipecli.outputs.draw import Colour, draw_skeleton, skeleton_box
from vipecli.outputs.reel import Take
from vipecli.poses.mirror import mirrored
from vipecli.video.planes import Planes, mean
from vipecli.video.read import read_planes

_REWIND_S = 1.0  # a clip that starts over is read from this long before the time asked for
_MOST_STEPS = 4.0  # half-width of the window of blending, in frames of the clip
_SAME = 0.02  # a time this close to a frame, in frames, is that frame's

Frame = tuple[float, Planes]
Reader = Callable[..., Iterator[Frame]]


class Screen:
    """One clip in the video.

    Parameters
    ----------
    take
        the clip and its times.
    size
        (width, height) of its picture, pixels.
    speeds
        shape (F,), how fast it runs at each frame.
    fps
        frames per second of the video.
    resample
        ``nearest``: the frame nearest in time, as filmed; ``blend``: the frames around it
        mixed, weighted by how near they are: the two neighbours where the clip runs slower than
        the video, more where it runs faster.
    stack
        closes the clip.
    """

    def __init__(
        self,
        take: Take,
        size: tuple[int, int],
        speeds: np.ndarray,
        fps: float,
        resample: str,
        stack: contextlib.ExitStack,
    ) -> None:
        self.take, self.size = take, size
        self._poses = take.poses
        if take.mirrored and take.poses is not None:
            self._poses = mirrored(take.poses)
        self._blend = resample == "blend"
        self._step_s = speeds / fps
        read = partial(read_planes, take.source, size=size)
        self._follower = Follower(read, float(take.times[0]))
        stack.callback(self._follower.close)
        self._shown_s = 0.0

    def picture(self, frame: int) -> Planes:
        """Picture of one frame of the video; not to be changed."""
        time_s = float(self.take.times[frame])
        if self._blend:
            self._shown_s = time_s
            picture = self._follower.mixed(time_s, float(self._step_s[frame]))
        else:
            self._shown_s, picture = self._follower.nearest(time_s)
        return picture.mirrored() if self.take.mirrored else picture

    def draw_skeleton(
        self,
        image: Planes,
        corner: tuple[int, int] = (0, 0),
        colour: Colour | None = None,
    ) -> None:
        """Draw the joints at the time of the last `picture`.

        Parameters
        ----------
        image
            changed in place.
        corner
            (x, y) of the picture's corner in it.
        colour
            of the whole skeleton; None = one for each side.
        """
        if (pose := self.joints()) is None:
            return
        xy = pose[0] + corner
        with image.drawn(skeleton_box(xy)) as (part, start):
            draw_skeleton(part, xy - start, pose[1], colour, filled=self._filled())

    def joints(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Joints (13, 2) in pixels of the picture that was given last, and scores (13,)."""
        poses = self._poses
        if poses is None or not len(poses):
            return None
        xy, score = _pose_at(poses.times, poses.xy, poses.score, self._shown_s, self._blend)
        return xy * np.divide(self.size, poses.size), score

    def _filled(self) -> np.ndarray | None:
        """Which joints (13,) nobody saw in the frame nearest to the picture given last."""
        poses = self._poses
        if poses is None or poses.filled is None:
            return None
        return poses.filled[int(np.abs(poses.times - self._shown_s).argmin())]


def _pose_at(
    times: np.ndarray, xy: np.ndarray, score: np.ndarray, time_s: float, between: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Joints (13, 2) and scores (13,) at a time: of the nearest frame, or interpolated."""
    right = int(np.searchsorted(times, time_s).clip(1, max(1, len(times) - 1)))
    left = min(right - 1, len(times) - 1)
    right = min(right, len(times) - 1)
    share = float(np.clip((time_s - times[left]) / max(times[right] - times[left], 1e-9), 0, 1))
    if not between:
        i = right if share >= 0.5 else left
        return xy[i], score[i]
    mixed = (1 - share) * xy[left] + share * xy[right]
    return mixed, np.minimum(score[left], score[right])


class Follower:
    """A clip that is read forward, and re-opened if times fall back.

    Parameters
    ----------
    read
        gives the frames from ``start_s`` on, all of them for None.
    first_s
        first time that will be asked for, seconds.
    """

    def __init__(self, read: Reader, first_s: float) -> None:
        self._read = read
        self._open(first_s)

    def _open(self, time_s: float) -> None:
        """Read from a little before a time on."""
        from_s = time_s - _REWIND_S
        self._frames = prefetch(self._read(start_s=from_s if from_s > 0 else None))
        first = next(self._frames, None)
        if first is None:  # the clip ends before
            self._frames = prefetch(self._read(start_s=None))
            first = next(self._frames)
        second = next(self._frames, None)
        self._held = deque([first, second] if second else [first])
        self._gap_s = second[0] - first[0] if second else 0.0
        self._asked_s = time_s

    def close(self) -> None:
        """Close the clip."""
        self._frames.close()

    def _around(self, time_s: float, reach_s: float) -> list[Frame]:
        """Frames from the last one not after a window to the first one not before its end."""
        if time_s < self._asked_s - 1e-9:
            self.close()
            self._open(time_s)
        self._asked_s, held = time_s, self._held
        while held[-1][0] < time_s + reach_s and (ahead := next(self._frames, None)):
            held.append(ahead)
            while held[1][0] <= time_s - reach_s and len(held) > 2:
                held.popleft()
        while len(held) > 1 and held[1][0] <= time_s - reach_s:
            held.popleft()
        return list(held)

    def nearest(self, time_s: float) -> Frame:
        """Time and picture of the frame nearest to a time, the later one of equals."""
        frames = self._around(time_s, 0.0)
        return min(reversed(frames), key=lambda frame: round(abs(frame[0] - time_s), 9))

    def mixed(self, time_s: float, step_s: float) -> Planes:
        """Mean of the frames around a time, weighted by a triangle.

        Its half-width is the distance of the frames, or `step_s` where that is more, up to
        `_MOST_STEPS` frames.
        """
        reach = float(np.clip(step_s, self._gap_s, _MOST_STEPS * self._gap_s))
        frames = self._around(time_s, reach)
        times = np.array([t for t, _ in frames])
        away = np.abs(times - time_s)
        near = int(away.argmin())
        if len(frames) == 1 or (reach < 1.5 * self._gap_s and away[near] < _SAME * self._gap_s):
            return frames[near][1]
        right = int(np.searchsorted(times, time_s).clip(1, len(times) - 1))
        reach = max(reach, times[right] - times[right - 1])  # the rate of phones varies
        weights = (1 - away / reach).clip(0)
        if not weights.any():
            return frames[near][1]
        return mean([picture for _, picture in frames], weights / weights.sum())
