"""Piecewise linear approximation of a time map, for sound and editing programs."""

import numpy as np


def linear_segments(times: np.ndarray, tolerance: float, *, longest: int = 0) -> list[int]:
    """Ends of the linear segments that approximate a time map.

    A segment is split where the map is farthest from it, until every value is within the
    tolerance (Ramer 1972, Douglas and Peucker 1973).

    Parameters
    ----------
    times
        shape (F,), values at 0, 1, ..., F - 1.
    tolerance
        largest distance of a value from its segment.
    longest
        largest number of steps in a segment; 0 = any number.

    Returns
    -------
    Positions, increasing, from 0 to F - 1; only 0 for a single value.

    Examples
    --------
    >>> import numpy as np
    >>> linear_segments(np.array([0.0, 1.0, 2.0, 2.0, 2.0]), 0.1)
    [0, 2, 4]
    """
    times = np.asarray(times, np.float64)
    todo, knots = [(0, len(times) - 1)], {0, len(times) - 1}
    while todo:
        i, j = todo.pop()
        if j - i < 2:
            continue
        line = np.linspace(times[i], times[j], j - i + 1)
        away = np.abs(times[i : j + 1] - line)
        split = i + int(away.argmax())
        if away.max() <= tolerance:
            if not longest or j - i <= longest:
                continue
            split = i + longest
        knots.add(split)
        todo += [(i, split), (split, j)]
    return sorted(knots)
