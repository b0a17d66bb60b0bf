"""The evidence for a constant shift, drawn over the shift for a page."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vipecli.alignment.offset import LEAST_CONFIDENCE, Offset
from vipecli.alignment.sound_shift import LEAST_SOUND
from vipecli.outputs.text import BY

WIDTH, HEIGHT = 800, 160
"""Of the drawing, in its own units; `report.html` knows them."""

_MOST_POINTS = 800  # of a curve
_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600)
_MOST_TICKS = 9


def shift_plot(shift: Offset | None) -> dict[str, Any] | None:
    """Curves of poses and sound over the shift, as points of a drawing; None without a shift.

    Each is in units of the least score that gives an answer, so that 1 is that for both.
    """
    found = [] if shift is None else _curves(shift)
    if shift is None or not found:
        return None
    low = min(float(x[0]) for _, x, _ in found)
    high = max(float(x[-1]) for _, x, _ in found)
    top = 1.1 * max(1.0, *(float(np.nanmax(y)) for _, _, y in found))

    def across(x: Any) -> Any:
        return WIDTH * (x - low) / max(high - low, 1e-9)

    def up(y: Any) -> Any:
        return HEIGHT * (1 - np.clip(y, 0, top) / top)

    return {
        "curves": [{"name": name, "points": _points(across(x), up(y))} for name, x, y in found],
        "least": round(float(up(1.0)), 1),
        "best": round(float(across(shift.shift_s)), 1),
        "label": f"{shift.shift_s:+.3f} s by {BY[shift.by]}",
        "ticks": [
            {"x": round(float(across(t)), 1), "text": f"{t:+g} s"} for t in _ticks(low, high)
        ],
    }


_Curve = tuple[str, NDArray[np.float64], NDArray[np.float64]]


def _curves(shift: Offset) -> list[_Curve]:
    """Name, shifts and scores of each witness, an even choice of shifts with their maxima."""
    known = [("poses", shift.score, LEAST_CONFIDENCE)]
    known.append(("sound", shift.heard.score if shift.heard else None, LEAST_SOUND))
    out = list[_Curve]()
    for name, score, least in known:
        if score is None or not np.isfinite(score.score).any():
            continue
        starts = np.linspace(0, len(score.score), _MOST_POINTS, endpoint=False).astype(int)
        starts = np.unique(starts)
        heights = np.maximum.reduceat(np.nan_to_num(score.score), starts)
        out.append((name, score.shifts_s[starts], heights / least))
    return out


def _points(x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))


def _ticks(low: float, high: float) -> list[float]:
    """Round shifts between two."""
    step = next((s for s in _STEPS_S if (high - low) / s <= _MOST_TICKS), _STEPS_S[-1])
    first = np.ceil(low / step)
    return [float(step * (first + k)) for k in range(int(np.floor(high / step) - first) + 1)]
