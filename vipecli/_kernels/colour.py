"""Between the colours that are drawn and those that are encoded."""

import numpy as np

from vipecli._kernels.compiling import jit

# Luma and chroma of BT.709 in limited range, of (red, green, blue) from 0 to 255, times 2^15.
_Y = (5983, 20127, 2032)
_U = (-3298, -11094, 14392)
_V = (14392, -13073, -1319)
# And back: (blue, green, red) are _LUMA times y - 16 plus these times u - 128 and v - 128, 2^14.
_LUMA = 19077
_BLUE_U, _GREEN_U, _GREEN_V, _RED_V = 34610, -3494, -8731, 29372


@jit
def bgr_to_yuv420(image, y, u, v):
    """Picture (H, W, 3) uint8 BGR, of even sides, as BT.709 in limited range.

    y (H, >= W), u and v (H / 2, >= W / 2) uint8 are filled: y = 16 + sum of _Y times (r, g, b),
    u and v = 128 + the same of _U and _V on the mean of each square of four, rounded. Row by row,
    since that becomes vector code: three times as fast as libswscale.
    """
    height, width = image.shape[:2]
    flat = image.reshape(height, 3 * width)
    sums = np.empty((3, width), np.int16)
    blue, green, red = sums[0], sums[1], sums[2]
    for i in range(height):
        row, luma = flat[i], y[i]
        first = i % 2 == 0
        for j in range(width):
            b, g, r = np.int32(row[3 * j]), np.int32(row[3 * j + 1]), np.int32(row[3 * j + 2])
            luma[j] = np.uint8((_Y[0] * r + _Y[1] * g + _Y[2] * b + (33 << 14)) >> 15)
            if first:
                blue[j], green[j], red[j] = b, g, r
            else:
                blue[j] += b
                green[j] += g
                red[j] += r
        if first:
            continue
        u_row, v_row = u[i // 2], v[i // 2]
        for j in range(width // 2):
            b = np.int32(blue[2 * j]) + blue[2 * j + 1]
            g = np.int32(green[2 * j]) + green[2 * j + 1]
            r = np.int32(red[2 * j]) + red[2 * j + 1]
            u_row[j] = np.uint8((_U[0] * r + _U[1] * g + _U[2] * b + (257 << 16)) >> 17)
            v_row[j] = np.uint8((_V[0] * r + _V[1] * g + _V[2] * b + (257 << 16)) >> 17)


@jit
def yuv420_to_bgr(y, u, v, image):
    """Fill a picture (H, W, 3) uint8 BGR from BT.709 in limited range, rounded.

    y (H, W), u and v (H / 2, W / 2, rounded up) uint8. Each value of u and v counts for a square
    of four pixels, so that `bgr_to_yuv420` gives the same ones back.
    """
    height, width = y.shape
    flat = image.reshape(height, 3 * width)
    tint = np.empty((3, width + 1), np.int32)
    row = np.empty((3, width), np.uint8)
    blues, greens, reds = tint[0], tint[1], tint[2]
    blue, green, red = row[0], row[1], row[2]
    for i in range(height):
        if i % 2 == 0:
            u_row, v_row = u[i // 2], v[i // 2]
            for j in range((width + 1) // 2):
                c, d = np.int32(u_row[j]) - np.int32(128), np.int32(v_row[j]) - np.int32(128)
                blues[2 * j] = blues[2 * j + 1] = _BLUE_U * c
                greens[2 * j] = greens[2 * j + 1] = _GREEN_U * c + _GREEN_V * d
                reds[2 * j] = reds[2 * j + 1] = _RED_V * d
        luma = y[i]
        for j in range(width):
            light = np.int32(luma[j]) * np.int32(_LUMA) + np.int32((1 << 13) - 16 * _LUMA)
            blue[j] = min(max((light + blues[j]) >> 14, np.int32(0)), np.int32(255))
            green[j] = min(max((light + greens[j]) >> 14, np.int32(0)), np.int32(255))
            red[j] = min(max((light + reds[j]) >> 14, np.int32(0)), np.int32(255))
        out = flat[i]
        for j in range(width):  # apart, since only the loops above become vector code
            out[3 * j], out[3 * j + 1], out[3 * j + 2] = blue[j], green[j], red[j]


@jit
def look_up_colours(image, table, out):
    """Fill a picture (H, W, 3) uint8 with colours from a table, by tetrahedral interpolation.

    image (H, W, 3) uint16, 0 to 65535; table (S, S, S, 3) float32, the three values in [0, 255] of
    evenly spaced colours of the image. Of the cube of eight entries around a colour the four count
    that lie on the way from its lowest to its highest corner, taken in the order of the three
    fractions, the largest first, of equal ones the earlier channel. The result is rounded.
    """
    height, width = image.shape[:2]
    steps = np.int32(table.shape[0] - 1)
    side, plane = np.int32(3) * table.shape[0], np.int32(3) * table.shape[0] * table.shape[0]
    flat = table.reshape(-1)
    for i in range(height):
        row, line = image[i], out[i]
        for j in range(width):
            x, y, z = (
                np.int32(row[j, 0]) * steps,
                np.int32(row[j, 1]) * steps,
                np.int32(row[j, 2]) * steps,
            )
            at = (x >> 16) * plane + (y >> 16) * side + (z >> 16) * np.int32(3)
            fx = np.float32(x & 65535) / np.float32(65536)
            fy = np.float32(y & 65535) / np.float32(65536)
            fz = np.float32(z & 65535) / np.float32(65536)
            if fx >= fy:
                if fy >= fz:
                    high, mid, low, one, two = fx, fy, fz, plane, plane + side
                elif fx >= fz:
                    high, mid, low, one, two = fx, fz, fy, plane, plane + 3
                else:
                    high, mid, low, one, two = fz, fx, fy, 3, plane + 3
            elif fx >= fz:
                high, mid, low, one, two = fy, fx, fz, side, plane + side
            elif fy >= fz:
                high, mid, low, one, two = fy, fz, fx, side, side + 3
            else:
                high, mid, low, one, two = fz, fy, fx, 3, side + 3
            last = at + plane + side + 3
            for c in range(3):
                value = (
                    flat[at + c] * (1 - high)
                    + flat[at + one + c] * (high - mid)
                    + flat[at + two + c] * (mid - low)
                    + flat[last + c] * low
                )
                line[j, c] = np.uint8(value + np.float32(0.5))
