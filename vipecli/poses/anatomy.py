"""Bones, joint angles and the anatomical limits of 3D poses."""

import numpy as np

from vipecli.poses import skeleton as sk

CHAINS = (
    (sk.LEFT_SHOULDER, sk.LEFT_ELBOW, sk.LEFT_WRIST),
    (sk.RIGHT_SHOULDER, sk.RIGHT_ELBOW, sk.RIGHT_WRIST),
    (sk.LEFT_HIP, sk.LEFT_KNEE, sk.LEFT_ANKLE),
    (sk.RIGHT_HIP, sk.RIGHT_KNEE, sk.RIGHT_ANKLE),
)
"""Arms and legs, root first."""

BONES = (
    "hips", "shoulders", "spine", "head",
    "left_upper_arm", "left_forearm", "right_upper_arm", "right_forearm",
    "left_thigh", "left_shin", "right_thigh", "right_shin",
)  # fmt: skip
"""The 12 bones; hips and shoulders run from right to left."""

LENGTHS = (
    "hips", "shoulders", "spine", "head", "upper_arm", "forearm", "thigh", "shin",
)  # fmt: skip
"""The 8 bone lengths; left and right are alike."""

_LENGTH_OF = np.array([0, 1, 2, 3, 4, 5, 4, 5, 6, 7, 6, 7])  # of each bone

LIMITS = {
    "neck_tilt": (0, 90),
    "twist": (-75, 75),
    "shoulder_tilt": (-50, 50),
    "hip_tilt": (-50, 50),
    "elbow_flexion": (0, 160),
    "shoulder_behind": (-90, 65),
    "arm_across_back": (-90, 30),
    "knee_flexion": (0, 160),
    "knee_forward": (-90, 20),
    "hip_flexion": (-50, 165),
    "hip_abduction": (-50, 85),
}
"""Range of every angle of `joint_angles`, degrees. The spine counts as one straight bone, so that
a bend of the lower back appears in the hips. 99.5 % of motion-captured frames lie within."""


def bones(poses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Directions (..., 12, 3) and lengths (..., 8) of the bones of poses (..., 13, 3).

    Directions are unit vectors in the axes of the poses; lengths of left and right are averaged.
    """
    hips = poses[..., sk.LEFT_HIP, :] - poses[..., sk.RIGHT_HIP, :]
    shoulders = poses[..., sk.LEFT_SHOULDER, :] - poses[..., sk.RIGHT_SHOULDER, :]
    top = poses[..., [sk.LEFT_SHOULDER, sk.RIGHT_SHOULDER], :].mean(axis=-2)
    spine = top - poses[..., [sk.LEFT_HIP, sk.RIGHT_HIP], :].mean(axis=-2)
    vectors = [hips, shoulders, spine, poses[..., sk.HEAD, :] - top]
    for root, hinge, end in CHAINS:
        vectors.append(poses[..., hinge, :] - poses[..., root, :])
        vectors.append(poses[..., end, :] - poses[..., hinge, :])
    stacked = np.stack(vectors, axis=-2)
    each = np.linalg.norm(stacked, axis=-1)
    lengths = [each[..., kind == _LENGTH_OF].mean(axis=-1) for kind in range(len(LENGTHS))]
    return stacked / np.maximum(each, 1e-9)[..., None], np.stack(lengths, axis=-1)


def put_together(directions: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Poses (..., 13, 3), mid-hip at 0, from bones: the inverse of `bones` but for left and right.

    Parameters
    ----------
    directions, lengths
        shapes (..., 12, 3) and (..., 8).
    """
    vectors = directions * lengths[..., _LENGTH_OF, None]
    out = np.zeros((*directions.shape[:-2], 13, 3))
    hips, shoulders, spine, head = np.moveaxis(vectors[..., :4, :], -2, 0)
    out[..., sk.HEAD, :] = spine + head
    out[..., sk.LEFT_SHOULDER, :], out[..., sk.RIGHT_SHOULDER, :] = (
        spine + shoulders / 2,
        spine - shoulders / 2,
    )
    out[..., sk.LEFT_HIP, :], out[..., sk.RIGHT_HIP, :] = hips / 2, -hips / 2
    for limb, (root, hinge, end) in enumerate(CHAINS):
        out[..., hinge, :] = out[..., root, :] + vectors[..., 4 + 2 * limb, :]
        out[..., end, :] = out[..., hinge, :] + vectors[..., 5 + 2 * limb, :]
    return out


def joint_angles(poses: np.ndarray) -> dict[str, np.ndarray]:
    """Angles of the joints of 3D poses, degrees.

    Parameters
    ----------
    poses
        shape (..., 13, 3), any right-handed axes and unit.

    Returns
    -------
    Shape (...) for `neck_tilt` (head against the spine), `twist` (shoulders against hips about the
    spine), `shoulder_tilt` and `hip_tilt` (their line against a right angle with the spine); shape
    (..., 2), left and right, for `elbow_flexion` and `knee_flexion` (0 = straight),
    `shoulder_behind` (upper arm behind the frontal plane), `arm_across_back` (of that the part that
    reaches to the other side), `knee_forward` (shin in front of the thigh's line),
    `hip_flexion` (thigh forward, 180 = up) and `hip_abduction` (outwards).
    """
    d, _ = bones(poses)
    hips, shoulders, spine, head = np.moveaxis(d[..., :4, :], -2, 0)
    limbs = d[..., 4:, :].reshape(*d.shape[:-2], 4, 2, 3)
    chest, pelvis = _frame(spine, shoulders), _frame(spine, hips)
    across = _in(pelvis, shoulders[..., None, :])[..., 0, :]
    arm = _sides(_in(chest, limbs[..., :2, 0, :]))
    thigh = _sides(_in(pelvis, limbs[..., 2:, 0, :]))
    shin = _sides(_in(pelvis, limbs[..., 2:, 1, :]))
    # the way a shin folds: at right angles to the thigh and to the line of the hips
    fold = np.cross(thigh, [1.0, 0.0, 0.0])
    clear = np.linalg.norm(fold, axis=-1)  # 0 for a thigh along the hips, where it is not defined
    forward = (shin * fold).sum(axis=-1)
    behind = np.clip(-arm[..., 2], 0, 1)
    return {
        "neck_tilt": _angle(head, spine),
        "twist": np.degrees(np.arctan2(-across[..., 2], across[..., 0])),
        "shoulder_tilt": 90 - _angle(shoulders, spine),
        "hip_tilt": 90 - _angle(hips, spine),
        "elbow_flexion": _angle(limbs[..., :2, 0, :], limbs[..., :2, 1, :]),
        "shoulder_behind": _asin(-arm[..., 2]),
        "arm_across_back": _asin(-arm[..., 0] * behind),
        "knee_flexion": _angle(limbs[..., 2:, 0, :], limbs[..., 2:, 1, :]),
        "knee_forward": _asin(np.where(clear > 0.5, forward, 0)),
        "hip_flexion": np.degrees(np.arctan2(thigh[..., 2], -thigh[..., 1] + 0.0)),
        "hip_abduction": _asin(thigh[..., 0]),
    }


def excess(poses: np.ndarray) -> np.ndarray:
    """How far poses (..., 13, 3) go beyond `LIMITS`: the most of all joints, degrees; 0 = within.

    The flexion of a hip is not asked of a thigh that points to the side, nor that of one that
    reaches over the head from the side.
    """
    angles = joint_angles(poses)
    aside = np.abs(angles["hip_abduction"]) > 60
    angles["hip_flexion"] = np.where(aside, 0, _wrapped(angles["hip_flexion"]))
    worst = np.zeros(poses.shape[:-2])
    for name, (low, high) in LIMITS.items():
        over = np.maximum(low - angles[name], angles[name] - high).clip(0)
        worst = np.maximum(worst, over if over.ndim == worst.ndim else over.max(axis=-1))
    return worst


def _wrapped(flexion: np.ndarray) -> np.ndarray:
    """Flexion in (-150, 210]: a thigh beyond straight up is very far forward, not backward."""
    return np.where(flexion < -150, flexion + 360, flexion)


def _frame(up: np.ndarray, left: np.ndarray) -> np.ndarray:
    """Rows left, up, forward (..., 3, 3), with `up` kept."""
    x = left - (left * up).sum(axis=-1, keepdims=True) * up
    x /= np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-9)
    return np.stack([x, up, np.cross(x, up)], axis=-2)


def _in(frame: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., K, 3) in a frame (..., 3, 3)."""
    return vectors @ np.swapaxes(frame, -1, -2)


def _sides(vectors: np.ndarray) -> np.ndarray:
    """Left and right (..., 2, 3) alike: x outwards for both."""
    return vectors * np.array([[1.0, 1.0, 1.0], [-1.0, 1.0, 1.0]])


def _angle(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.degrees(np.arccos(np.clip((a * b).sum(axis=-1), -1, 1)))


def _asin(x: np.ndarray) -> np.ndarray:
    return np.degrees(np.arcsin(np.clip(x, -1, 1)))
