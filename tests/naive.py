"""Plain-Python twins of the numba kernels: slow, and plain enough to check by reading."""

import math

import numpy as np

MISSING_COST = -math.log(0.05)


def matching(a, b, draws=1 << 14):
    """E[p] by quasi-random integration over the difference of the two Gaussians."""
    from scipy.stats import norm, qmc

    dims = a.mean.shape[1]
    unit = qmc.Sobol(dims, seed=3).random(draws).clip(1e-9, 1 - 1e-9)
    noise = norm.ppf(unit)
    slope, offset = a.sigmoid
    out = np.empty((len(a), len(b)))
    for i in range(len(a)):
        for j in range(len(b)):
            std = np.sqrt(a.std[i].astype(float) ** 2 + b.std[j].astype(float) ** 2)
            r = np.linalg.norm(a.mean[i].astype(float) - b.mean[j] + std * noise, axis=1)
            p = 1 / (1 + np.exp(np.minimum(slope * r - offset, 80)))
            out[i, j] = 0.9 * np.mean(p) + 0.05
    return out


def taps(times):
    """Nearest frame to each of -0.3 ... 0.3 s around every frame; -1 outside of the clip."""
    slack = 0.5 * float(np.median(np.diff(times))) + 1e-9 if len(times) > 1 else 1e-9
    table = []
    for t in times:
        row = []
        for k in range(-3, 4):
            wanted = t + 0.1 * k
            inside = times[0] - slack <= wanted <= times[-1] + slack
            row.append(int(np.argmin(np.abs(times - wanted))) if inside else -1)
        table.append(row)
    return table


def sliding_taps(times, window_s):
    """Nearest frames to 7 moments of a window that is moved until it lies inside the clip."""
    half = min(window_s, (times[-1] - times[0]) / 3)
    middles = [min(max(t, times[0] + half), times[-1] - half) for t in times]
    return [
        [int(np.argmin(np.abs(times - (middle + half * k / 3)))) for k in range(-3, 4)]
        for middle in middles
    ]


def atrous(distance, taps_a, taps_b):
    """Mean over the taps inside both clips whose distance is known."""
    out = np.empty(distance.shape)
    for i in range(distance.shape[0]):
        for j in range(distance.shape[1]):
            seen = [
                distance[x, y]
                for x, y in zip(taps_a[i], taps_b[j], strict=True)
                if x >= 0 and y >= 0 and not math.isnan(distance[x, y])
            ]
            out[i, j] = sum(seen) / len(seen) if seen else MISSING_COST
    return out


def inside(i, j, n, m, width):
    """Whether the band keeps a cell."""
    if min(n, m) < 2:
        return True
    width = max(width, 0.5 / (min(n, m) - 1)) + 1e-9
    return abs(i / (n - 1) - j / (m - 1)) <= width + 1e-12


def dtw(cost, width=1.0, skip_a=math.inf, skip_b=math.inf, diagonal=1.0):
    """Path and sum of dynamic time warping with ends at a price, from the full table."""

    def price(i, j):
        return (i * skip_a if i else 0.0) + (j * skip_b if j else 0.0)

    n, m = cost.shape
    cost = cost.astype(float)
    total = np.full((n, m), math.inf)
    before = {}
    for i in range(n):
        for j in range(m):
            if not inside(i, j, n, m, width):
                continue
            if i and j:
                best, step = total[i - 1, j - 1] + diagonal * cost[i, j], (i - 1, j - 1)
            else:
                best, step = price(i, j) + diagonal * cost[i, j], None
            for x, y in ((i - 1, j), (i, j - 1)):
                if x >= 0 and y >= 0 and total[x, y] + cost[i, j] < best:
                    best, step = total[x, y] + cost[i, j], (x, y)
            total[i, j], before[i, j] = best, step
    ends = [
        (n - 1, m - 1),
        *((n - 1, j) for j in range(m - 1)),
        *((i, m - 1) for i in range(n - 1)),
    ]
    sums = [total[i, j] + price(n - 1 - i, m - 1 - j) for i, j in ends]
    cell, end = ends[int(np.argmin(sums))], min(sums)
    path = []
    while cell is not None:
        path.append(cell)
        cell = before[cell]
    return np.array(path[::-1]), end


def mean_path(cost, steps, turn):
    """Mean row on each diagonal, from a list of all chains of steps through the full table."""
    n, m = cost.shape
    weight, rows = np.zeros(n + m - 1), np.zeros(n + m - 1)

    def at(row, column):
        x, y = math.floor(row), math.floor(column)
        return sum(
            cost[x + dx, y + dy] * abs(1 - dx - (row - x)) * abs(1 - dy - (column - y))
            for dx in (0, 1)
            for dy in (0, 1)
            if x + dx < n and y + dy < m
        )

    def walk(chain, i, j, likelihood):
        if (i, j) == (n - 1, m - 1):
            places = [0.0]
            for down, right in (steps[k] for k in chain):
                start = places[-1]
                places += [start + down * f / (down + right) for f in range(1, down + right + 1)]
            weight[:] += likelihood
            rows[:] += likelihood * np.array(places)
            return
        for k, (down, right) in enumerate(steps):
            if i + down < n and j + right < m:
                points = max(down, right)
                price = (down + right) * np.mean(
                    [
                        at(i + down * p / points, j + right * p / points)
                        for p in range(1, points + 1)
                    ]
                )
                before = turn[chain[-1], k] if chain else turn[:, k].sum()
                walk([*chain, k], i + down, j + right, likelihood * before * math.exp(-price))

    walk([], 0, 0, 1.0)
    return rows / weight


def dtw_mean(cost):
    """Mean cost along the path of `dtw`."""
    path, _ = dtw(cost)
    return float(np.mean([cost[i, j] for i, j in path]))


def np_mpjpe(p, q):
    """NP-MPJPE of one pose onto another by singular values (Umeyama 1991)."""

    def normalised(x):
        x = np.asarray(x, float)
        hip, shoulder = x[7:9].mean(0), x[1:3].mean(0)
        return (x - hip) / np.linalg.norm(shoulder - hip)

    p, q = normalised(p), normalised(q)
    if not (np.isfinite(p).all() and np.isfinite(q).all()):
        return math.nan
    p, q = p - p.mean(0), q - q.mean(0)
    u, s, vt = np.linalg.svd(p.T @ q)
    sign = np.array([1, 1, np.sign(np.linalg.det(u @ vt))])
    turned = p @ (u * sign) @ vt * ((s * sign).sum() / (p**2).sum())
    return float(np.linalg.norm(turned - q, axis=1).mean())


def bgr_to_yuv420(image):
    """Luma (H, W) and chroma (H / 2, W / 2) of BT.709 in limited range, by its definition."""
    blue, green, red = np.moveaxis(image.astype(float) / 255, 2, 0)

    def luma_of(r, g, b):
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    y = 16 + 219 * luma_of(red, green, blue)
    h, w = image.shape[:2]
    r, g, b = (
        np.array([[x[i : i + 2, j : j + 2].mean() for j in range(0, w, 2)] for i in range(0, h, 2)])
        for x in (red, green, blue)
    )
    luma = luma_of(r, g, b)
    u = 128 + 224 * (b - luma) / (2 * (1 - 0.0722))
    v = 128 + 224 * (r - luma) / (2 * (1 - 0.2126))
    return y, u, v


def yuv420_to_bgr(y, u, v):
    """Picture (H, W, 3) of BT.709 in limited range, by its definition; one chroma for four."""
    h, w = y.shape
    light = (y.astype(float) - 16) / 219
    blue, red = (np.kron(x.astype(float) - 128, np.ones((2, 2)))[:h, :w] / 224 for x in (u, v))
    b = light + 2 * (1 - 0.0722) * blue
    r = light + 2 * (1 - 0.2126) * red
    g = (light - 0.2126 * r - 0.0722 * b) / 0.7152
    return 255 * np.stack([b, g, r], axis=2).clip(0, 1)


def look_up_colour(colour, table):
    """Colour (3,) of a table by tetrahedral interpolation: the corners from lowest to highest."""
    at = np.asarray(colour, float) * (len(table) - 1) / 65536
    corner, fraction = at.astype(int), at % 1
    out = table[tuple(corner)] * (1 - fraction.max())
    rest = fraction[np.argsort(-fraction, kind="stable")]
    for axis, share in zip(
        np.argsort(-fraction, kind="stable"), rest - [*rest[1:], 0], strict=True
    ):
        corner[axis] += 1
        out = out + share * table[tuple(corner)]
    return out
