"""From the frames of a running camera to embeddings, one at a time."""

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vipecli.embedding.embed import Embeddings, Model, embed
from vipecli.poses.detection.mediapipe_session import VideoLandmarker
from vipecli.poses.detection.model_file import model_path
from vipecli.poses.poses import Poses, Scene
from vipecli.poses.skeleton import JOINTS
from vipecli.poses.tracking import Tracks

_LARGEST_SIDE = 640  # pixels: MediaPipe looks at less, and the conversion of more takes time


@dataclass(frozen=True)
class Seen:
    """One frame: its pose and its embedding, NaN where nobody is seen."""

    poses: Poses
    embedding: Embeddings


class PoseStream:
    """Follows one person from frame to frame; a context manager.

    Of its window, a model of several frames sees what has come: the past.

    Parameters
    ----------
    model
        what to embed with.
    pose_model
        MediaPipe bundle; None = see `model_file.model_path`.
    """

    def __init__(self, model: Model, pose_model: Path | None = None) -> None:
        self._model = model
        self._recent: list[Poses] = []
        self._person = VideoLandmarker(model_path(pose_model))
        self._person.people(np.zeros((64, 64, 3), np.uint8), 0.0, (64, 64))  # loads it

    def step(self, time_s: float, image: NDArray[np.uint8]) -> Seen:
        """Pose and embedding of whoever is seen in the next frame.

        Parameters
        ----------
        time_s
            presentation time, seconds, increasing.
        image
            shape (H, W, 3) uint8 BGR.
        """
        import cv2

        size = image.shape[1], image.shape[0]
        scale = _LARGEST_SIDE / max(size)
        if scale < 1:
            image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        people = self._person.people(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), time_s, size)
        poses = _poses(people, time_s, size)
        reach = self._model.reach_s
        before = [one for one in self._recent if 0 < time_s - one.times[0] <= reach]
        self._recent = [*before, poses]
        return Seen(poses, embed(_joined(self._recent), self._model, frames=slice(-1, None)))

    def __enter__(self) -> "PoseStream":
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Free the native landmarker."""
        self._person.close()


def _joined(frames: list[Poses]) -> Poses:
    """Joints of frames, one after the other, as a clip."""
    xy, score, times = (
        np.concatenate([getattr(one, name) for one in frames]) for name in ("xy", "score", "times")
    )
    return Poses(xy, score, times, frames[-1].size)


def _poses(people: list[NDArray[Any]], time_s: float, size: tuple[int, int]) -> Poses:
    """Poses of one frame."""
    times = np.array([time_s])
    if not people:
        nothing = np.full((1, len(JOINTS), 2), np.nan, np.float32)
        return Poses(nothing, np.zeros(nothing.shape[:2], np.float32), times, size)
    tracks = Tracks()
    tracks.add(0, time_s, people)
    return Scene(tracks, times, size).choose()
