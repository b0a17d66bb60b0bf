"""NP-MPJPE: poses turned, scaled and moved onto each other."""

import math
from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from vipecli._kernels.compiling import jit

_HIPS = (7, 8)
_SHOULDERS = (1, 2)


@jit
def normalized_poses(
    poses: NDArray[np.floating[Any]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centre 3D poses on their mean joint, in units of mid-hip to mid-shoulder.

    `poses` is (P, 13, 3); where the poses were before does not matter to what follows. Returns
    (P, 13, 3) float64 and the sums of squares (P,).
    """
    out = np.empty(poses.shape, np.float64)
    squares = np.empty(len(poses), np.float64)
    joints = poses.shape[1]
    for p in range(len(poses)):
        torso = 0.0
        for x in range(3):
            up = poses[p, _SHOULDERS[0], x] + poses[p, _SHOULDERS[1], x]
            torso += (0.5 * (up - poses[p, _HIPS[0], x] - poses[p, _HIPS[1], x])) ** 2
        scale = 1.0 / math.sqrt(torso)
        total = 0.0
        for x in range(3):
            mean = 0.0
            for j in range(joints):
                mean += poses[p, j, x]
            mean /= joints
            for j in range(joints):
                value = (poses[p, j, x] - mean) * scale
                out[p, j, x] = value
                total += value * value
        squares[p] = total
    return out, squares


@jit
def _horn_matrix(p, q, n):
    """Fill the symmetric 4 x 4 matrix whose largest eigenvector turns p onto q (Horn 1987)."""
    xx = xy = xz = yx = yy = yz = zx = zy = zz = 0.0
    for j in range(len(p)):
        px, py, pz = p[j, 0], p[j, 1], p[j, 2]
        qx, qy, qz = q[j, 0], q[j, 1], q[j, 2]
        xx += px * qx
        xy += px * qy
        xz += px * qz
        yx += py * qx
        yy += py * qy
        yz += py * qz
        zx += pz * qx
        zy += pz * qy
        zz += pz * qz
    n[0, 0] = xx + yy + zz
    n[1, 1] = xx - yy - zz
    n[2, 2] = yy - xx - zz
    n[3, 3] = zz - xx - yy
    n[0, 1] = n[1, 0] = yz - zy
    n[0, 2] = n[2, 0] = zx - xz
    n[0, 3] = n[3, 0] = xy - yx
    n[1, 2] = n[2, 1] = xy + yx
    n[1, 3] = n[3, 1] = zx + xz
    n[2, 3] = n[3, 2] = yz + zy
    squares = xx**2 + xy**2 + xz**2 + yx**2 + yy**2 + yz**2 + zx**2 + zy**2 + zz**2
    det = xx * (yy * zz - yz * zy) - xy * (yx * zz - yz * zx) + xz * (yx * zy - yy * zx)
    return squares, det


@jit
def _adjugate(k, adj):
    """Fill the adjugate of a symmetric 4 x 4 matrix; return its trace."""
    a, b, c, d = k[0, 0], k[0, 1], k[0, 2], k[0, 3]
    e, f, g, h, i, j = k[1, 1], k[1, 2], k[1, 3], k[2, 2], k[2, 3], k[3, 3]
    s0, s1, s2 = a * e - b * b, a * f - b * c, a * g - b * d
    s3, s4, s5 = b * f - e * c, b * g - e * d, c * g - f * d
    c5, c4, c3 = h * j - i * i, f * j - g * i, f * i - g * h
    c2, c1 = c * j - d * i, c * i - d * h
    adj[0, 0] = e * c5 - f * c4 + g * c3
    adj[0, 1] = adj[1, 0] = -b * c5 + c * c4 - d * c3
    adj[0, 2] = adj[2, 0] = b * c4 - e * c2 + g * s5
    adj[0, 3] = adj[3, 0] = -b * c3 + e * c1 - f * s5
    adj[1, 1] = a * c5 - c * c2 + d * c1
    adj[1, 2] = adj[2, 1] = -a * c4 + b * c2 - d * s5
    adj[1, 3] = adj[3, 1] = a * c3 - b * c1 + c * s5
    adj[2, 2] = j * s0 - g * s2 + d * s4
    adj[2, 3] = adj[3, 2] = -i * s0 + f * s2 - c * s4
    adj[3, 3] = h * s0 - f * s1 + c * s3
    return adj[0, 0] + adj[1, 1] + adj[2, 2] + adj[3, 3]


@jit
def _largest_root(squares, det, det_n, start):
    """Largest root of x^4 - 2 squares x^2 - 8 det x + det_n by Newton's method from above."""
    x = start
    for _ in range(40):
        value = ((x * x - 2.0 * squares) * x - 8.0 * det) * x + det_n
        slope = (4.0 * x * x - 4.0 * squares) * x - 8.0 * det
        if slope <= 1e-5 * x * x * x:  # a double root: left to the eigendecomposition
            break
        step = value / slope
        x -= step
        if abs(step) <= 1e-13 * x:
            break
    return x


@jit
def _rotation_quaternion(p, q, start, n, k, adj):
    """Eigenvector and eigenvalue of the Horn matrix of p and q; `n`, `k`, `adj` are scratch."""
    squares, det = _horn_matrix(p, q, n)
    det_n = 0.0
    _adjugate(n, adj)
    for i in range(4):
        det_n += n[0, i] * adj[i, 0]
    root = _largest_root(squares, det, det_n, start)
    for i in range(4):
        for j in range(4):
            k[i, j] = n[i, j]
        k[i, i] -= root
    # the product of the gaps to the other eigenvalues; small where the best turn is ambiguous
    if not abs(_adjugate(k, adj)) > 1e-4 * root**3:
        values, vectors = np.linalg.eigh(n)
        return values[3], vectors[0, 3], vectors[1, 3], vectors[2, 3], vectors[3, 3]
    c = 0
    for i in range(1, 4):
        if abs(adj[i, i]) > abs(adj[c, c]):
            c = i
    return root, adj[0, c], adj[1, c], adj[2, c], adj[3, c]


@jit
def _procrustes_distance(p, p_squares, q, q_squares, n, k, adj):
    """Mean joint distance of q and the turned, scaled p; both centred. NaN where a joint is."""
    start = 0.5 * (p_squares + q_squares)
    # not np.isfinite: with the float rules above it lets NaN through here
    if not start < np.inf:
        return np.nan
    root, w, x, y, z = _rotation_quaternion(p, q, start, n, k, adj)
    s = root / p_squares / (w * w + x * x + y * y + z * z)
    xx, xy, xz = w * w + x * x - y * y - z * z, 2 * (x * y - w * z), 2 * (x * z + w * y)
    yx, yy, yz = 2 * (x * y + w * z), w * w - x * x + y * y - z * z, 2 * (y * z - w * x)
    zx, zy, zz = 2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z
    total = 0.0
    for j in range(len(p)):
        px, py, pz = p[j, 0] * s, p[j, 1] * s, p[j, 2] * s
        dx = xx * px + xy * py + xz * pz - q[j, 0]
        dy = yx * px + yy * py + yz * pz - q[j, 1]
        dz = zx * px + zy * py + zz * pz - q[j, 2]
        total += math.sqrt(dx * dx + dy * dy + dz * dz)
    return total / len(p)


@jit(parallel=True)
def np_mpjpe_matrix(
    poses_p: NDArray[np.floating[Any]], poses_q: NDArray[np.floating[Any]]
) -> NDArray[np.float32]:
    """NP-MPJPE of every pose of P turned, scaled and moved onto every pose of Q.

    Horn's closed form: the best turn is the eigenvector of the largest eigenvalue of a symmetric
    4 x 4 matrix, found by Newton's method on its characteristic polynomial and the adjugate; where
    that is ill-conditioned (the best turn is nearly ambiguous) a full eigendecomposition.
    Reflections are never used.

    Parameters
    ----------
    poses_p, poses_q
        shapes (P, 13, 3) and (Q, 13, 3), any unit; a pose with a NaN gives NaN.

    Returns
    -------
    shape (P, Q) float32, in units of mid-hip to mid-shoulder.
    """
    p, p_squares = normalized_poses(poses_p)
    q, q_squares = normalized_poses(poses_q)
    out = np.empty((len(p), len(q)), np.float32)
    for i in prange(len(p)):
        n, k, adj = np.empty((4, 4)), np.empty((4, 4)), np.empty((4, 4))
        for j in range(len(q)):
            out[i, j] = _procrustes_distance(p[i], p_squares[i], q[j], q_squares[j], n, k, adj)
    return out


@jit
def np_mpjpe_pairs(
    poses_p: NDArray[np.floating[Any]],
    poses_q: NDArray[np.floating[Any]],
    pairs: NDArray[np.int64],
) -> NDArray[np.float32]:
    """NP-MPJPE of the pairs (i, j) of `pairs`, shape (K, 2): of P[i] onto Q[j].

    As `np_mpjpe_matrix`; returns shape (K,) float32.
    """
    p, p_squares = normalized_poses(poses_p)
    q, q_squares = normalized_poses(poses_q)
    out = np.empty(len(pairs), np.float32)
    n, k, adj = np.empty((4, 4)), np.empty((4, 4)), np.empty((4, 4))
    for row in range(len(pairs)):
        i, j = pairs[row, 0], pairs[row, 1]
        out[row] = _procrustes_distance(p[i], p_squares[i], q[j], q_squares[j], n, k, adj)
    return out
