"""Numba kernels that draw one person by sphere tracing: shapes in camera axes to pixels.

A shape is a row of 16 numbers. A rounded cone: a (3), b - a (3), radius at a, radius at b,
|b - a|^2, ra - rb, their difference of squares, 1 / |b - a|^2. An ellipsoid: centre (3), three
rows of its rotation (9), radii (3). Shapes of one group melt together (smooth minimum with the
group's own width); groups meet with `SEAM_M`, so that an arm beside the chest stays an arm.
"""

import math

import numpy as np
from numba import njit

CONE, ELLIPSOID = 0, 1
SKIN, SHIRT, LEGWEAR, SHOE, SOLE, HAIR, HEAD, SOCK, PROP = range(9)
"""Materials; `HEAD` is painted with hair, eyes, brows and mouth by its place on the head."""

_TILE = 4  # pixels; shapes are sorted out per tile
SEAM_M = 0.008
_HIT_M = 0.0006
_STEPS = 56
_AO_M = 0.05  # how far off the skin the ambient occlusion looks

_jit = njit(cache=True, fastmath=True, error_model="numpy")


@_jit
def _distance(px, py, pz, s, kind):
    """Return the signed distance from a point to shape `s`."""
    x, y, z = px - s[0], py - s[1], pz - s[2]
    if kind == ELLIPSOID:
        u = s[3] * x + s[4] * y + s[5] * z
        v = s[6] * x + s[7] * y + s[8] * z
        w = s[9] * x + s[10] * y + s[11] * z
        u, v, w = u / s[12], v / s[13], w / s[14]
        k0 = math.sqrt(u * u + v * v + w * w)
        u, v, w = u / s[12], v / s[13], w / s[14]
        k1 = math.sqrt(u * u + v * v + w * w)
        return k0 * (k0 - 1.0) / (k1 + 1e-9)
    l2, rr, a2, il2 = s[8], s[9], s[10], s[11]
    along = x * s[3] + y * s[4] + z * s[5]
    beyond = along - l2
    cx, cy, cz = x * l2 - s[3] * along, y * l2 - s[4] * along, z * l2 - s[5] * along
    x2 = cx * cx + cy * cy + cz * cz
    y2, z2 = along * along * l2, beyond * beyond * l2
    k = rr * abs(rr) * x2
    if (z2 if beyond > 0 else -z2) * a2 > k:
        return math.sqrt(x2 + z2) * il2 - s[7]
    if (y2 if along > 0 else -y2) * a2 < k:
        return math.sqrt(x2 + y2) * il2 - s[6]
    return (math.sqrt(x2 * a2 * il2) + along * rr) * il2 - s[6]


@_jit
def _smin(a, b, k):
    """Return the polynomial smooth minimum of a and b, k metres wide."""
    h = max(k - abs(a - b), 0.0)
    return min(a, b) - h * h / (4.0 * k)


@_jit
def _field(px, py, pz, shapes, kinds, groups, melt, near, count):
    """Return the person's signed distance from the `count` shapes listed in `near`."""
    total, part, last = 1e9, 1e9, -1
    for n in range(count):
        i = near[n]
        if groups[i] != last:
            if last >= 0:
                total = _smin(total, part, SEAM_M)
            part, last = 1e9, groups[i]
        part = _smin(part, _distance(px, py, pz, shapes[i], kinds[i]), melt[last])
    return _smin(total, part, SEAM_M)


@_jit
def _closest(px, py, pz, shapes, kinds, near, count):
    """Return the index of the shape whose surface is closest."""
    best, which = 1e9, near[0]
    for n in range(count):
        d = _distance(px, py, pz, shapes[near[n]], kinds[near[n]])
        if d < best:
            best, which = d, near[n]
    return which


@_jit
def _face(x, y, z, hairstyle, out, colors):
    """Paint the head: (x, y, z) = left, up, forward in units of a 0.23 m head, metres."""
    ax = abs(x)
    for c in range(3):
        out[c] = colors[SKIN, c]
    hairline = 0.079 - 3.0 * x * x
    back = z < -0.012 - 0.25 * (y - 0.02) and y > (-0.06 if hairstyle > 0 else -0.035)
    side = z < 0.022 and y > 0.022
    if hairstyle >= 0 and (y > hairline or back or side):
        for c in range(3):
            out[c] = colors[HAIR, c] * (0.92 + 0.08 * math.sin(900.0 * (x + 0.3 * z)))
        return
    if z < 0.03:
        return
    ex, ey = (ax - 0.031) / 0.0155, (y - 0.012) / 0.0068
    eye = ex * ex + ey * ey
    ix, iy = (ax - 0.031) / 0.0062, (y - 0.0125) / 0.0062
    mx, my = x / 0.026, (y + 0.055 + 4.0 * x * x) / 0.0075
    by = y - 0.033 + 6.0 * (ax - 0.03) ** 2
    if eye < 1.0:
        iris = ix * ix + iy * iy
        for c in range(3):
            out[c] = 222.0 if iris > 1.0 else (22.0 if iris < 0.25 else 40.0 + 18.0 * c)
            out[c] *= 0.55 if y > 0.0162 else 1.0
    elif abs(by) < 0.0038 and ax > 0.012 and ax < 0.05:
        for c in range(3):
            out[c] = colors[HAIR, c] * 0.5 + colors[SKIN, c] * 0.15
    elif mx * mx + my * my < 1.0:
        dark = 0.5 if abs(my) < 0.25 else 1.0
        out[0], out[1], out[2] = out[0] * 0.75 * dark, out[1] * 0.62 * dark, out[2] * 0.86 * dark
    else:
        shade = 1.0 - 0.28 * math.exp(-0.9 * max(eye - 1.0, 0.0))
        nx, ny = (ax - 0.008) / 0.006, (y + 0.03) / 0.004
        shade *= 1.0 - 0.5 * math.exp(-(nx * nx + ny * ny))
        for c in range(3):
            out[c] *= shade


@_jit
def _albedo(
    px, py, pz, i, shapes, kinds, mats, split, head, hairstyle, torso, stripes, colors, out
):
    """Write the colour of the surface point that belongs to shape i to `out`."""
    mat = mats[i, 0]
    if kinds[i] == CONE:
        s = shapes[i]
        x, y, z = px - s[0], py - s[1], pz - s[2]
        if (x * s[3] + y * s[4] + z * s[5]) * s[11] > split[i]:
            mat = mats[i, 1]
    if mat == HEAD:
        x, y, z = px - head[0], py - head[1], pz - head[2]
        _face(
            (head[3] * x + head[4] * y + head[5] * z) / head[12],
            (head[6] * x + head[7] * y + head[8] * z) / head[12],
            (head[9] * x + head[10] * y + head[11] * z) / head[12],
            hairstyle,
            out,
            colors,
        )
        return
    for c in range(3):
        out[c] = colors[mat, c]
    if mat == SHIRT and stripes > 0:
        h = (px - torso[0]) * torso[3] + (py - torso[1]) * torso[4] + (pz - torso[2]) * torso[5]
        if (h * stripes) % 1.0 < 0.35:
            for c in range(3):
                out[c] = 0.35 * out[c] + 0.65 * 235.0


@_jit
def _shade(px, py, pz, d, field, up, key, fill, out):
    """Multiply the colour in `out` by the light that falls on the surface at p.

    `field` = (shapes, kinds, groups, melt, near, count); d: distance there, as a start.
    """
    shapes, kinds, groups, melt, near, count = field
    e = 0.0012
    nx = ny = nz = 0.0
    for c in range(4):
        sx = 1.0 if c == 0 or c == 3 else -1.0
        sy = 1.0 if c == 2 or c == 3 else -1.0
        sz = 1.0 if c == 1 or c == 3 else -1.0
        v = _field(px + e * sx, py + e * sy, pz + e * sz, shapes, kinds, groups, melt, near, count)
        nx, ny, nz = nx + sx * v, ny + sy * v, nz + sz * v
    norm = math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-12
    nx, ny, nz = nx / norm, ny / norm, nz / norm
    free = _field(
        px + _AO_M * nx, py + _AO_M * ny, pz + _AO_M * nz,
        shapes, kinds, groups, melt, near, count,
    )  # fmt: skip
    ao = 0.45 + 0.55 * min(max((free - d) / _AO_M, 0.0), 1.0)
    sky = 0.5 + 0.5 * (nx * up[0] + ny * up[1] + nz * up[2])
    sun = max(0.0, (nx * key[0] + ny * key[1] + nz * key[2] + 0.15) / 1.15)
    side = max(0.0, nx * fill[0] + ny * fill[1] + nz * fill[2])
    light = ao * (0.36 + 0.24 * sky + 0.14 * side) + (0.4 + 0.6 * ao) * 0.56 * sun
    for c in range(3):
        out[c] *= light


@_jit
def _near_tile(tx, ty, circles, near):
    """List the shapes whose outline may touch a tile; return (how many, nearest, farthest)."""
    count, front, rear = 0, 1e9, 0.0
    half = 0.75 * _TILE
    for i in range(circles.shape[0]):
        c = circles[i]
        if c[6] <= 0.0:
            continue
        dx, dy = c[2] - c[0], c[3] - c[1]
        l2 = dx * dx + dy * dy
        h = 0.0
        if l2 > 1e-9:
            h = min(max(((tx - c[0]) * dx + (ty - c[1]) * dy) / l2, 0.0), 1.0)
        ox, oy = tx - c[0] - h * dx, ty - c[1] - h * dy
        reach = max(c[4], c[5]) + half
        if ox * ox + oy * oy < reach * reach:
            near[count] = i
            count += 1
            front, rear = min(front, c[6]), max(rear, c[7])
    return count, front, rear


@_jit
def draw(
    image, depth, shapes, kinds, groups, melt, mats, split, circles, box,
    camera, head, hairstyle, torso, stripes, colors, up, key, fill,
):  # fmt: skip
    """Draw one person over `image` (H, W, 3) and into `depth` (H, W), both changed in place.

    Parameters
    ----------
    shapes, kinds, groups, mats, split
        (S, 16), (S,), (S,), (S, 2), (S,): geometry in camera axes (x right, y down, z forward,
        metres), shape type, group, materials before and after the fraction `split` of a cone.
    melt
        (G,) metres: width of the smooth minimum per group.
    circles
        (S, 8): both ends' outlines in the picture (x, y, x, y, radius, radius), least and
        greatest distance along the ray; least distance <= 0 = behind the camera.
    box
        pixels to look at: x0, y0, x1, y1.
    camera
        focal length, centre x and y, pixels.
    """
    near = np.empty(shapes.shape[0], np.int64)
    color = np.empty(3)
    focal, cx, cy = camera
    for y0 in range(box[1], box[3], _TILE):
        for x0 in range(box[0], box[2], _TILE):
            count, front, rear = _near_tile(x0 + 0.5 * _TILE, y0 + 0.5 * _TILE, circles, near)
            if count == 0:
                continue
            field = (shapes, kinds, groups, melt, near, count)
            for y in range(y0, min(y0 + _TILE, box[3])):
                for x in range(x0, min(x0 + _TILE, box[2])):
                    dx, dy = (x + 0.5 - cx) / focal, (y + 0.5 - cy) / focal
                    dz = 1.0 / math.sqrt(dx * dx + dy * dy + 1.0)
                    dx, dy = dx * dz, dy * dz
                    t, miss, at, d = front, 1e9, front, 1e9
                    for _ in range(_STEPS):
                        d = _field(t * dx, t * dy, t * dz, shapes, kinds, groups, melt, near, count)
                        if d / t < miss:
                            miss, at = d / t, t
                        if d < _HIT_M or t > rear:
                            break
                        t += d
                    # partial cover of the pixels that the outline only grazes
                    cover = 1.0 if d < _HIT_M else min(max(1.0 - miss * focal, 0.0), 1.0)
                    if cover <= 0.02 or at * dz > depth[y, x]:
                        continue
                    px, py, pz = at * dx, at * dy, at * dz
                    i = _closest(px, py, pz, shapes, kinds, near, count)
                    _albedo(
                        px, py, pz, i, shapes, kinds, mats, split,
                        head, hairstyle, torso, stripes, colors, color,
                    )  # fmt: skip
                    _shade(px, py, pz, max(d, 0.0), field, up, key, fill, color)
                    for c in range(3):
                        image[y, x, c] += cover * (min(color[c], 255.0) - image[y, x, c])
                    if cover > 0.5:
                        depth[y, x] = pz
