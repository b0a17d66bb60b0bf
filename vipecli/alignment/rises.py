"""How the joints of a person rise and fall: upright cameras see it alike from any side."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage  # pyright: ignore[reportMissingTypeStubs]

from vipecli.poses.poses import Poses
from vipecli.poses.skeleton import LEFT_HIP, RIGHT_HIP

SMOOTH_S = 0.1
"""Standard deviation of the Gaussian that smooths heights before they are differentiated."""

Rises = NDArray[np.float32]
"""Direction of the rises of a clip, (T, 14), of length 1 at most; see `rises`."""


def rises(poses: Poses) -> Rises:
    """Direction in which the heights of all joints change.

    The heights of 13 joints above the mid-hip, and that of the mid-hip in the picture, in lengths
    of the body. A direction is shorter than 1 where little moves compared with the rest of the
    clip.

    Parameters
    ----------
    poses
        T frames; missing joints are bridged by straight lines.

    Returns
    -------
    shape (T, 14) float32; 0 for joints that are never seen.
    """
    if len(poses) < 2:
        return np.zeros((len(poses), poses.xy.shape[1] + 1), np.float32)
    up = -poses.xy[..., 1].astype(np.float64)
    hip = up[:, [LEFT_HIP, RIGHT_HIP]].mean(axis=1, keepdims=True)
    heights = np.concatenate([up - hip, hip], axis=1)
    extent = up.max(axis=1) - up.min(axis=1)
    length = float(np.nanmedian(extent)) if np.isfinite(extent).any() else 1.0
    steady = np.stack([_bridged(one, poses.times) for one in heights.T], axis=1) / (length + 1e-9)
    rate = (len(poses) - 1) / float(np.ptp(poses.times))
    filters: Any = ndimage
    steady = filters.gaussian_filter1d(steady, SMOOTH_S * rate, axis=0, mode="nearest")
    change = np.gradient(steady, poses.times, axis=0)
    pace = np.linalg.norm(change, axis=1, keepdims=True)
    return (change / (pace + np.median(pace) + 1e-9)).astype(np.float32)


def _bridged(values: NDArray[np.float64], times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values (T,) with straight lines over what is missing; 0 where nothing is known."""
    known = np.isfinite(values)
    return np.interp(times, times[known], values[known]) if known.any() else np.zeros(len(times))
