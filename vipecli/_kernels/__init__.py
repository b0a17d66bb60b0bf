"""Every numba function, and nothing else: arrays in, arrays out.

The modules above check the arguments and explain. Each kernel has a plain-Python twin in
``tests/naive.py``. Compiled code is kept in ``__pycache__`` beside these files, or, in an install
that cannot be written, in numba's user cache (``NUMBA_CACHE_DIR`` moves it); an edit in any of them
makes it anew.
"""

from vipecli._kernels.bounds import BALL, LANES, STEP, Clips, Points, Query, floors
from vipecli._kernels.colour import bgr_to_yuv420, yuv420_to_bgr
from vipecli._kernels.neighbours import Correction, nearest
from vipecli._kernels.plain import SIDE_BY_SIDE, Boxes, Frames, box_bounds, nearest_plain
from vipecli._kernels.posterior import MOVES, mean_path
from vipecli._kernels.probability import matching
from vipecli._kernels.procrustes import normalized_poses, np_mpjpe_matrix, np_mpjpe_pairs
from vipecli._kernels.ranking import rank
from vipecli._kernels.warping import band_limits, dtw_band, dtw_mean, dtw_path
from vipecli._kernels.windows import atrous_regular, atrous_taps

__all__ = [
    "BALL",
    "LANES",
    "MOVES",
    "SIDE_BY_SIDE",
    "STEP",
    "Boxes",
    "Clips",
    "Correction",
    "Frames",
    "Points",
    "Query",
    "atrous_regular",
    "atrous_taps",
    "band_limits",
    "bgr_to_yuv420",
    "box_bounds",
    "dtw_band",
    "dtw_mean",
    "dtw_path",
    "floors",
    "matching",
    "mean_path",
    "nearest",
    "nearest_plain",
    "normalized_poses",
    "np_mpjpe_matrix",
    "np_mpjpe_pairs",
    "rank",
    "yuv420_to_bgr",
]
