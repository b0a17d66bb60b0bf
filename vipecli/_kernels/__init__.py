"""Every numba function, and nothing else: arrays in, arrays out.

The modules above check the arguments and explain. Each kernel has a plain-Python twin in
``tests/naive.py``. Compiled code is kept in ``__pycache__`` beside these files, or, in an install
that cannot be written, in numba's user cache (``NUMBA_CACHE_DIR`` moves it); numba rebuilds what an
edited file holds, not the kernels of other files that call it.
"""

from vipecli._kernels.bounds import LANES, SPHERE_FRAMES, STEP, Clips, Query, Spheres, lower_bounds
from vipecli._kernels.colour import bgr_to_yuv420, look_up_colours, yuv420_to_bgr
from vipecli._kernels.distances import Clip, Costs, Groups, distances_to_all
from vipecli._kernels.euclidean_dtw import (
    SIDE_BY_SIDE,
    Boxes,
    Frames,
    box_bounds,
    nearest_by_euclidean_dtw,
)
from vipecli._kernels.neighbours import Correction, nearest
from vipecli._kernels.posterior import MOVES, mean_path
from vipecli._kernels.probability import matching
from vipecli._kernels.procrustes import normalized_poses, np_mpjpe_matrix, np_mpjpe_pairs
from vipecli._kernels.warping import band_limits, dtw_band, dtw_mean, dtw_path
from vipecli._kernels.windows import atrous_regular, atrous_taps

__all__ = [
    "LANES",
    "MOVES",
    "SIDE_BY_SIDE",
    "SPHERE_FRAMES",
    "STEP",
    "Boxes",
    "Clip",
    "Clips",
    "Correction",
    "Costs",
    "Frames",
    "Groups",
    "Query",
    "Spheres",
    "atrous_regular",
    "atrous_taps",
    "band_limits",
    "bgr_to_yuv420",
    "box_bounds",
    "distances_to_all",
    "dtw_band",
    "dtw_mean",
    "dtw_path",
    "look_up_colours",
    "lower_bounds",
    "matching",
    "mean_path",
    "nearest",
    "nearest_by_euclidean_dtw",
    "normalized_poses",
    "np_mpjpe_matrix",
    "np_mpjpe_pairs",
    "yuv420_to_bgr",
]
