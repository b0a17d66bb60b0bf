"""Poses as a mirror shows them."""

from dataclasses import replace

import numpy as np

from vipecli.poses.poses import Poses
from vipecli.poses.skeleton import MIRROR

# MediaPipe's 33 landmarks: the nose; three of each eye, the ears, the mouth; then left and right in
# turn from the shoulders to the toes.
_FACE = (0, 4, 5, 6, 1, 2, 3, 8, 7, 10, 9)
_MIRROR_LANDMARKS = [*_FACE, *(i + 1 if i % 2 else i - 1 for i in range(11, 33))]
_FLIP = np.array([-1, 1, 1], np.float32)


def mirrored(poses: Poses) -> Poses:
    """Poses as a mirror shows them: x flipped, left and right joints exchanged.

    The detector's landmarks in the picture are dropped, those in space are mirrored, too.
    """
    xy = poses.xy[:, list(MIRROR)] * np.array([-1, 1], np.float32)
    xy += np.array([poses.size[0], 0], np.float32)
    return replace(
        poses,
        xy=xy,
        score=poses.score[:, list(MIRROR)],
        landmarks=None,
        landmark_score=None,
        filled=None if poses.filled is None else poses.filled[:, list(MIRROR)],
        world=None if poses.world is None else poses.world[:, _MIRROR_LANDMARKS] * _FLIP,
    )
