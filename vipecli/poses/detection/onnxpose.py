"""Pose detection with an ONNX model of the user: SimCC heads (RTMPose) and MoveNet.

SimCC (Li et al., ECCV 2022; RTMPose, Jiang et al. 2023): input (N, 3, H, W), normalised RGB of one
person; outputs (N, K, W * s) and (N, K, H * s), a score for every s-th of a pixel in x and in y.
MoveNet (Google, TensorFlow Hub): input (1, H, W, 3), RGB of 0 to 255; output (1, 1, 17, 3) of y,
x, score of one person, or (1, 6, 56) of six people, as shares of the input picture.
"""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vipecli.errors import FormatError, WeightsError
from vipecli.onnx_file import open_network
from vipecli.poses.joint_sets import marked, sources, to_joints
from vipecli.poses.tracking import SEEN, XY, distinct

_MEAN = np.float32([123.675, 116.28, 103.53])  # RGB, as MMPose's models are trained
_STD = np.float32([58.395, 57.12, 57.375])
_PADDING = 1.25  # of the box around a person, as in training
_JOINT_SCORE = 0.05  # below, a joint is missing
_PERSON_SCORE = 0.2  # mean over the joints, below which there is no person
_LARGEST_SIDE = 2048  # of a picture that a model takes, pixels
_SAME_BOX = 0.5  # share of the smaller box above which two are of one person
_SIZES = {"simcc": (256, 192), "movenet": (192, 192), "movenet-multi": (256, 256)}
"""Height and width of the input where the model leaves them open."""

_PROVIDERS = (
    "CUDAExecutionProvider",
    "ROCMExecutionProvider",
    "DmlExecutionProvider",
    "CoreMLExecutionProvider",
    "CPUExecutionProvider",
)
_DTYPES = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8, "tensor(int32)": np.int32}
_DTYPES["tensor(float16)"] = np.float16


class OnnxPose:
    """Detector of the people in the pictures of one clip, given in order; a context manager.

    A top-down model gets the boxes that MediaPipe finds and those of the last picture; without
    MediaPipe's model, the whole picture.

    Parameters
    ----------
    path
        the model.
    boxes
        makes the detector of people, `blazepose.BlazePose`; called if needed.

    Attributes
    ----------
    owners
        None: those of people in tracks are not known, unlike those of `blazepose.BlazePose`.

    Raises
    ------
    WeightsError
        if it is not an ONNX file, or its inputs and outputs are of neither kind of model.
    """

    owners: None = None

    def __init__(self, path: Path, *, boxes: Callable[[], Any]) -> None:
        self._path, self._last, self._finder = path, [], None
        self._network = open_network(path, threads=None, providers=_PROVIDERS)
        self._kind, self.points = _kind_of(path, self._network.session)
        self._input = self._network.session.get_inputs()[0]
        self._dtype = _DTYPES[self._input.type]
        self._wanted, _ = sources(path, self.points)
        self._try_it()
        if self._kind != "movenet-multi":
            with contextlib.suppress(WeightsError):
                self._finder = boxes()

    @property
    def name(self) -> str:
        """Name of the detector."""
        return f"onnx-{self._path.stem}"

    def people(self, rgb: np.ndarray, time_s: float, size: tuple[int, int]) -> list[np.ndarray]:
        """Detect everyone in the next picture: arrays (13, 7), see `vipecli.poses.tracking`.

        Parameters
        ----------
        rgb, time_s, size
            as in `BlazePose.people`.
        """
        if self._kind == "movenet-multi":
            found = self._everyone(rgb)
        else:
            scale = np.divide(rgb.shape[1::-1], size)
            finder = self._finder.people(rgb, time_s, size) if self._finder else []
            boxes = [_box_of(person[:, XY] * scale) for person in finder]
            boxes += [box for box in self._last if all(_shared(box, b) < _SAME_BOX for b in boxes)]
            if not boxes:
                boxes = [] if self._finder else [np.array([0.0, 0, *rgb.shape[1::-1]])]
            read = self._simcc if self._kind == "simcc" else self._movenet
            found = [read(rgb, box) for box in boxes]
        found = [self._person(points) for points in found]
        found = [person for person in found if person is not None]
        self._last = [_box_of(person[person[:, SEEN] > 0][:, XY]) for person in found]
        for person in found:
            person[:, XY] *= np.divide(size, rgb.shape[1::-1])
        return distinct(found)

    def _person(self, points: np.ndarray) -> np.ndarray | None:
        """Return a person (13, 7) from points (K, 3) of x, y, score; None if there is none."""
        seven = np.full((1, len(points), 7), np.nan, np.float32)
        seven[0][:, [0, 1, SEEN]] = points
        seven[0][~(np.isfinite(points).all(axis=1) & (points[:, 2] > _JOINT_SCORE))] = np.nan
        joints = to_joints(seven, self._wanted)
        if np.nan_to_num(joints[0, :, SEEN]).mean() < _PERSON_SCORE:
            return None
        return marked(joints)[0]

    def _run(self, image: np.ndarray) -> list[np.ndarray]:
        shaped = image.astype(self._dtype)[None]
        found = self._network.run(None, {self._input.name: shaped})
        return [np.asarray(one, np.float32) for one in found]

    def _try_it(self) -> None:
        """Run it once, so that a model whose arrays do not fit is refused before the work."""
        height, width = self._picture_size()
        if self._kind == "simcc":
            x, y = ([*one.shape] for one in self._run(np.zeros((3, height, width)))[:2])
            good = x[:2] == y[:2] == [1, self.points] and min(x[2], y[2]) > 0
        else:
            last = self._run(np.zeros((height, width, 3)))[0].shape
            several = len(last) == 3 and last[::2] == (1, 56)
            good = several if self._kind == "movenet-multi" else last == (1, 1, 17, 3)
        if not good:
            raise WeightsError(f"{self._path}: gives arrays of another shape than it says")

    def _picture_size(self) -> tuple[int, int]:
        """Return height and width of the model's input."""
        shape = self._input.shape[2:] if self._kind == "simcc" else self._input.shape[1:3]
        height, width = (side if isinstance(side, int) and side > 0 else 0 for side in shape)
        if max(height, width) > _LARGEST_SIDE:
            raise WeightsError(
                f"{self._path}: takes pictures of {width} x {height}; at most {_LARGEST_SIDE} "
                "pixels a side are taken"
            )
        return (height, width) if height and width else _SIZES[self._kind]

    def _simcc(self, rgb: np.ndarray, box: np.ndarray) -> np.ndarray:
        """Run a SimCC model on a box; return points (K, 3)."""
        height, width = self._picture_size()
        matrix = _crop(box, (width, height))
        crop = cv2.warpAffine(rgb, matrix, (width, height), flags=cv2.INTER_LINEAR)
        normal = ((crop - _MEAN) / _STD).transpose(2, 0, 1)
        x, y = (np.nan_to_num(one[0]) for one in self._run(normal)[:2])
        at = np.stack(
            [x.argmax(axis=1) * width / x.shape[1], y.argmax(axis=1) * height / y.shape[1]]
        )
        score = np.minimum(x.max(axis=1), y.max(axis=1)).clip(0, 1)
        return np.column_stack([_back(matrix, at.T), score])

    def _movenet(self, rgb: np.ndarray, box: np.ndarray) -> np.ndarray:
        """Run MoveNet on a box; return points (17, 3)."""
        height, width = self._picture_size()
        matrix = _crop(box, (width, height))
        crop = cv2.warpAffine(rgb, matrix, (width, height), flags=cv2.INTER_LINEAR)
        points = self._run(crop)[0].reshape(-1, 3)
        at = points[:, [1, 0]] * [width, height]
        return np.column_stack([_back(matrix, at), points[:, 2]])

    def _everyone(self, rgb: np.ndarray) -> list[np.ndarray]:
        """Run MoveNet MultiPose; return points (17, 3) of up to six people."""
        height, width = self._picture_size()
        matrix = _crop(np.array([0.0, 0, *rgb.shape[1::-1]]), (width, height), padding=1.0)
        crop = cv2.warpAffine(rgb, matrix, (width, height), flags=cv2.INTER_LINEAR)
        rows = self._run(crop)[0].reshape(-1, 56)
        out = []
        for row in rows[rows[:, 55] > _PERSON_SCORE]:
            points = row[:51].reshape(17, 3)
            at = points[:, [1, 0]] * [width, height]
            out.append(np.column_stack([_back(matrix, at), points[:, 2]]))
        return out

    def __enter__(self) -> "OnnxPose":
        """Return itself."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Free the native sessions."""
        if self._finder:
            self._finder.__exit__(*exc)


def _kind_of(path: Path, session: Any) -> tuple[str, int]:
    """Return the kind of the model's heads, and the number of its points."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    shapes = [list(one.shape) for one in outputs]
    good = len(inputs) == 1 and len(inputs[0].shape) == 4 and inputs[0].type in _DTYPES
    kind = None
    if good and len(shapes) >= 2 and all(len(shape) == 3 for shape in shapes[:2]):
        points = shapes[0][1]
        if inputs[0].shape[1] == 3 and isinstance(points, int) and shapes[1][1] == points:
            kind = "simcc", points
    elif good and inputs[0].shape[3] == 3 and shapes and shapes[0][-1:] == [56]:
        kind = "movenet-multi", 17
    elif good and inputs[0].shape[3] == 3 and shapes and shapes[0][-2:] == [17, 3]:
        kind = "movenet", 17
    if kind is None:
        raise WeightsError(
            f"{path}: neither SimCC heads (RTMPose: two outputs of 3 dimensions, input N x 3 x H x "
            "W) nor MoveNet's (input 1 x H x W x 3); this pose model cannot be used"
        )
    try:
        sources(path, kind[1])
    except FormatError as exc:
        raise WeightsError(f"{path}: {kind[1]} points, a joint set that is not known") from exc
    return kind


def _crop(box: np.ndarray, size: tuple[int, int], *, padding: float = _PADDING) -> np.ndarray:
    """Return the affine map (2, 3) of a padded box to a picture (width, height), undistorted."""
    low, high = box[:2], box[2:]
    extent = np.maximum(high - low, 1.0) * padding
    scale = float(np.min(np.divide(size, extent)))
    shift = np.divide(size, 2) - (low + high) / 2 * scale
    return np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])


def _back(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Map points (K, 2) of the crop back to the whole picture."""
    return (points - matrix[:, 2]) / matrix[0, 0]


def _box_of(points: np.ndarray) -> np.ndarray:
    """Return left, top, right, bottom of points (K, 2)."""
    return np.concatenate([points.min(axis=0), points.max(axis=0)])


def _shared(a: np.ndarray, b: np.ndarray) -> float:
    """Return the share of the smaller of two boxes that the other one covers."""
    overlap = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None).prod()
    return float(overlap / (min((a[2:] - a[:2]).prod(), (b[2:] - b[:2]).prod()) + 1e-6))
