"""The model's 13 joints: names, left/right pairs, links, and maps from other joint layouts."""

import numpy as np
from numpy.typing import NDArray

JOINTS = (
    "head",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)
"""Joint order everywhere (J = 13). Left and right are the person's own."""

HEAD = 0
LEFT_SHOULDER, RIGHT_SHOULDER, LEFT_ELBOW, RIGHT_ELBOW, LEFT_WRIST, RIGHT_WRIST = range(1, 7)
LEFT_HIP, RIGHT_HIP, LEFT_KNEE, RIGHT_KNEE, LEFT_ANKLE, RIGHT_ANKLE = range(7, 13)

MIRROR = (0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11)
"""Permutation that swaps every left joint with its right one."""

LINKS = (
    (LEFT_SHOULDER, RIGHT_SHOULDER),
    (LEFT_HIP, RIGHT_HIP),
    (LEFT_SHOULDER, LEFT_HIP),
    (RIGHT_SHOULDER, RIGHT_HIP),
    (LEFT_SHOULDER, LEFT_ELBOW),
    (LEFT_ELBOW, LEFT_WRIST),
    (RIGHT_SHOULDER, RIGHT_ELBOW),
    (RIGHT_ELBOW, RIGHT_WRIST),
    (LEFT_HIP, LEFT_KNEE),
    (LEFT_KNEE, LEFT_ANKLE),
    (RIGHT_HIP, RIGHT_KNEE),
    (RIGHT_KNEE, RIGHT_ANKLE),
)
"""Pairs of joints drawn as bones. The head hangs on the middle of the shoulders."""

# Which of MediaPipe's 33 landmarks each joint is the mean of. The head is the middle of the
# ears: landmark 0 is the tip of the nose, the mocap's head joint the middle of the head.
_MEDIAPIPE_SOURCES = (
    (7, 8),
    (11,),
    (12,),
    (13,),
    (14,),
    (15,),
    (16,),
    (23,),
    (24,),
    (25,),
    (26,),
    (27,),
    (28,),
)


def from_mediapipe(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Joints of the model from MediaPipe's landmarks.

    Parameters
    ----------
    landmarks
        shape (..., 33, C): coordinates or scores; NaN stays NaN.

    Returns
    -------
    shape (..., 13, C), in the order of `JOINTS`.
    """
    return np.stack([landmarks[..., s, :].mean(axis=-2) for s in _MEDIAPIPE_SOURCES], axis=-2)
