"""The outline of a person in a picture, from the joints and the colours around them."""

import cv2
import numpy as np

from vipecli.outputs.draw import SHIFT, bones_of, known_joints
from vipecli.poses import skeleton as sk
from vipecli.video.planes import Box, Planes

_SIDE_PX = 144  # longer side of the picture in which the person is cut out
_ROUNDS = 2  # of GrabCut: the second sharpens what the first one found
_MARGIN = 0.25  # around the joints, of their extent: hands, feet, hair
_SMOOTH_PX = 1.3  # over which the edge is smoothed, in pixels of the small picture
_SOFT_PX = 3.0  # from inside to outside of it, in pixels of the large one
_TRUNK = [sk.LEFT_SHOULDER, sk.RIGHT_SHOULDER, sk.RIGHT_HIP, sk.LEFT_HIP]

# Widths of limbs and radius of the head, of the diagonal of the joints' box: surely the person,
# probably, possibly; and how much of the trunk.
_SURE, _PROBABLE, _POSSIBLE = (1 / 40, 1 / 22, 0.7), (1 / 9, 1 / 14, 1.0), (1 / 5, 1 / 8, 1.25)


def silhouette(picture: Planes, xy: np.ndarray) -> np.ndarray:
    """Share of the person in each pixel of a picture.

    The joints say where a person surely, probably and possibly is; within that GrabCut (Rother,
    Kolmogorov & Blake 2004) tells them from what is behind by the colours.

    Parameters
    ----------
    picture
        with the person.
    xy
        joints (13, 2) in its pixels; NaN = missing.

    Returns
    -------
    shape (height, width) float32 in [0, 1], soft at the edge; all 0 where no joint is in sight.
    """
    width, height = picture.size
    mask = np.zeros((height, width), np.float32)
    left, top, wide, high = box = _box(xy, picture.size)
    if min(wide, high) < 2:
        return mask
    scale = min(1.0, _SIDE_PX / max(wide, high))
    small = max(1, round(wide * scale)), max(1, round(high * scale))
    image = cv2.resize(picture.part(box).bgr(), small, interpolation=cv2.INTER_AREA)
    found = _cut_out(image, (xy - (left, top)) * np.divide(small, (wide, high)))
    whole = cv2.resize(found, (wide, high), interpolation=cv2.INTER_CUBIC)
    steep = max(1.0, 2.5 * _SMOOTH_PX / scale / _SOFT_PX)
    mask[top : top + high, left : left + wide] = ((whole - 0.5) * steep + 0.5).clip(0, 1)
    return mask


def outline(mask: np.ndarray, width_px: float) -> np.ndarray:
    """Line (height, width) float32 in [0, 1] around what a mask of the same kind shows."""
    side = 2 * max(1, round(width_px)) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    line = cv2.dilate(mask, kernel) - mask
    return cv2.blur(line, (3, 3)).clip(0, 1)


def _box(xy: np.ndarray, size: tuple[int, int]) -> Box:
    """Even box around the joints, inside of the picture; empty where none is in sight."""
    joints = xy[known_joints(xy)]
    if not len(joints):
        return 0, 0, 0, 0
    margin = _MARGIN * max(np.ptp(joints, axis=0).max(), 1.0)
    low = (joints.min(axis=0) - margin).clip(0, size).astype(int) // 2 * 2
    high = np.ceil(joints.max(axis=0) + margin).clip(0, size).astype(int)
    return (*low.tolist(), *(high - low).tolist())


def _cut_out(image: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """Person in a small picture (h, w) float32 in [0, 1]."""
    labels = np.full(image.shape[:2], cv2.GC_BGD, np.uint8)
    for sizes, label in (
        (_POSSIBLE, cv2.GC_PR_BGD),
        (_PROBABLE, cv2.GC_PR_FGD),
        (_SURE, cv2.GC_FGD),
    ):
        labels[_body(labels.shape, xy, *sizes) > 0] = label
    present = set(np.unique(labels).tolist())
    if {cv2.GC_FGD, cv2.GC_PR_FGD} & present and {cv2.GC_BGD, cv2.GC_PR_BGD} & present:
        cv2.setRNGSeed(0)  # the same picture, the same outline
        models = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.grabCut(image, labels, None, *models, _ROUNDS, cv2.GC_INIT_WITH_MASK)
    person = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    return cv2.GaussianBlur(person.astype(np.float32), (0, 0), _SMOOTH_PX)


def _body(
    shape: tuple[int, ...], xy: np.ndarray, limb: float, head: float, trunk: float
) -> np.ndarray:
    """Limbs, head and trunk (h, w) uint8 of widths that are shares of the joints' extent."""
    mask, known = np.zeros(shape, np.uint8), known_joints(xy)
    extent = float(np.hypot(*np.ptp(xy[known], axis=0)))
    for start, end, *_ in bones_of(xy, np.ones(len(xy)), known):
        cv2.line(mask, start, end, 255, max(1, round(limb * extent)), cv2.LINE_8, SHIFT)
    if known[sk.HEAD]:
        centre = np.round(xy[sk.HEAD] * (1 << SHIFT)).astype(int).tolist()
        radius = round(max(1.0, head * extent) * (1 << SHIFT))
        cv2.circle(mask, centre, radius, 255, cv2.FILLED, cv2.LINE_8, SHIFT)
    if known[_TRUNK].all():
        corners = xy[_TRUNK]
        corners = corners.mean(axis=0) + trunk * (corners - corners.mean(axis=0))
        hull = cv2.convexHull(np.round(corners * (1 << SHIFT)).astype(np.int32))
        cv2.fillConvexPoly(mask, hull, 255, cv2.LINE_8, SHIFT)
    return mask
