"""2D poses of one person over the frames of a clip."""

from dataclasses import dataclass

import numpy as np

from vipecli.errors import FormatError


@dataclass(frozen=True)
class Poses:
    """Joints of one person, frame by frame.

    Attributes
    ----------
    xy
        shape (T, 13, 2) float32, pixels of the upright picture, y down; NaN where a joint is
        missing.
    score
        shape (T, 13) float32 in [0, 1]: how surely the joint is seen; 0 where it is missing.
    times
        shape (T,) float64, presentation times in seconds, strictly increasing.
    size
        width and height of the upright picture, pixels.
    source
        name of the file the poses come from.
    detector
        what found them, for example ``mediapipe-0.10.21-full``.
    landmarks
        shape (T, 33, 3) float32 or None: MediaPipe's landmarks, x and y in pixels, z in pixels
        relative to the hips; NaN in frames without a person.
    landmark_score
        shape (T, 33) float32 or None: their visibility, 0 where missing.
    world
        shape (T, 33, 3) float32 or None: MediaPipe's 3D landmarks, metres from the mid-hip.
    """

    xy: np.ndarray
    score: np.ndarray
    times: np.ndarray
    size: tuple[int, int]
    source: str = ""
    detector: str = ""
    landmarks: np.ndarray | None = None
    landmark_score: np.ndarray | None = None
    world: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Check the shapes once, so that no later stage has to.

        Raises
        ------
        FormatError
            if shapes disagree, times do not increase, or a missing joint has a score.
        """
        t = len(self.times)
        if self.xy.shape != (t, 13, 2) or self.score.shape != (t, 13):
            raise FormatError(
                f"{self.source or 'poses'}: {t} times, but joints of shape {self.xy.shape} and "
                f"scores of shape {self.score.shape}; expected ({t}, 13, 2) and ({t}, 13)"
            )
        if t > 1 and not (np.diff(self.times) > 0).all():
            raise FormatError(f"{self.source or 'poses'}: times do not increase strictly")
        if (self.score[np.isnan(self.xy).any(-1)] != 0).any():
            raise FormatError(f"{self.source or 'poses'}: a joint without coordinates has a score")

    def __len__(self) -> int:
        """Return the number of frames, T."""
        return len(self.times)

    @property
    def found(self) -> np.ndarray:
        """Shape (T,) bool: frames in which at least one joint is known."""
        return (self.score > 0).any(axis=1)
