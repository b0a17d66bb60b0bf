"""High dynamic range and wide gamut as a standard display shows them: BT.709.

Transfer functions of HLG and PQ by Rec. ITU-R BT.2100-2, tables 4 and 5; primaries by BT.2020 and
SMPTE EG 432-1. Light up to `WHITE` cd/m2 becomes what a standard video of that light would hold;
brighter light is compressed, with the hue it has.
"""

import functools
from collections.abc import Callable

import av
import numpy as np

PQ, HLG = 16, 18
"""Numbers of the transfer functions in H.264 and HEVC (ITU-T H.273)."""

BT2020, P3 = 9, 12
"""Numbers of the primaries whose gamut is wider than that of BT.709 (ITU-T H.273)."""

WHITE = 100.0
"""Light that is white in a standard video, cd/m2 (Rec. ITU-R BT.2035)."""

_UNNAMED = 2  # number of primaries that are not stated
_CONSTANT_LUMINANCE = (10, 13)  # numbers of colour matrices (ITU-T H.273)
_LUMA = (0.2627, 0.6780, 0.0593)  # shares of red, green and blue, BT.2020
_KNEE = 0.6  # of `WHITE`: below, light stays as it is
_PEAK = 10.0  # of `WHITE`: brighter light is clipped
_PEAK_HLG = 1000.0  # cd/m2 of the display that HLG is meant for
_SYSTEM_GAMMA = 1.2  # of HLG on that display
_GAMMA = 2.4  # of a standard display, BT.1886
_STEPS = 33  # entries of the table along each colour

_TO_BT709 = {
    BT2020: ((1.6605, -0.5876, -0.0728), (-0.1246, 1.1329, -0.0083), (-0.0182, -0.1006, 1.1187)),
    P3: ((1.2249, -0.2249, 0.0), (-0.0421, 1.0421, 0.0), (-0.0196, -0.0786, 1.0983)),
}


def is_wide(frame: "av.VideoFrame") -> bool:
    """Whether a frame is HDR, or of colours beyond BT.709."""
    return frame.color_trc in (PQ, HLG) or frame.color_primaries in _TO_BT709


def primaries(frame: "av.VideoFrame") -> int:
    """Number of the primaries of a frame: BT.2020 where an HDR one states none (BT.2100)."""
    stated = int(frame.color_primaries)
    return BT2020 if stated == _UNNAMED and frame.color_trc in (PQ, HLG) else stated


def as_standard(image: np.ndarray, frame: "av.VideoFrame", *, rgb: bool) -> np.ndarray:
    """Picture in BT.709 of one that `is_wide`.

    Parameters
    ----------
    image
        shape (H, W, 3) uint16, RGB in the frame's own transfer function, full range.
    frame
        the frame it was made from.
    rgb
        whether the result is RGB; else BGR.

    Returns
    -------
    Shape (H, W, 3) uint8.
    """
    from vipecli._kernels import look_up_colours  # compiled code takes its time to load

    out = np.empty(image.shape, np.uint8)
    is_constant = frame.colorspace in _CONSTANT_LUMINANCE
    table = _table(int(frame.color_trc), primaries(frame), is_constant, rgb)
    look_up_colours(image, table, out)
    return out


@functools.lru_cache(maxsize=8)
def _table(transfer: int, primaries: int, is_constant: bool, rgb: bool) -> np.ndarray:
    """Colours of BT.709 (S, S, S, 3), 0 to 255, for evenly spaced ones of a wider range."""
    axis = np.linspace(0, 1, _STEPS)
    signal = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
    to_light = {PQ: _pq, HLG: _hlg}.get(transfer, _standard)
    light = _of_constant_luminance(signal, to_light) if is_constant else to_light(signal)
    matrix = _TO_BT709.get(primaries)
    if matrix is not None:
        light = light @ np.array(matrix).T
    light = np.maximum(light, 0)
    if transfer in (PQ, HLG):
        light = _compressed(light)
    shown = (255 * np.clip(light, 0, 1) ** (1 / _GAMMA)).astype(np.float32)
    return np.ascontiguousarray(shown if rgb else shown[..., ::-1])


def _standard(signal: np.ndarray) -> np.ndarray:
    """Light of a display, in `WHITE`, of a standard signal in [0, 1]."""
    return signal**_GAMMA


def _of_constant_luminance(
    signal: np.ndarray, to_light: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Light of a signal of constant luminance that was taken for the usual one of BT.2020.

    Formulas of BT.2020, table 4: luma is that of the light, not a sum of colours.
    """
    y = signal @ np.array(_LUMA)
    blue, red = signal[..., 2] - y, signal[..., 0] - y
    blue = y + blue / 1.8814 * np.where(blue <= 0, 1.9404, 1.5816)
    red = y + red / 1.4746 * np.where(red <= 0, 1.7184, 0.9938)
    light_y, red, blue = (to_light(np.clip(part, 0, 1)) for part in (y, red, blue))
    green = (light_y - _LUMA[0] * red - _LUMA[2] * blue) / _LUMA[1]
    return np.stack([red, green, blue], axis=-1)


def _pq(signal: np.ndarray) -> np.ndarray:
    """Light of a display, in `WHITE`, of a PQ signal in [0, 1] (BT.2100, table 4)."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    root = signal ** (1 / m2)
    return 10000 / WHITE * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)


def _hlg(signal: np.ndarray) -> np.ndarray:
    """Light of a display, in `WHITE`, of an HLG signal in [0, 1] (BT.2100, table 5).

    The system gamma is applied to each colour, as standard video does, not to luminance, as HLG
    displays do: colours are as strong as in a standard video of the same scene.
    """
    a = 0.17883277
    b, c = 1 - 4 * a, 0.5 - a * np.log(4 * a)
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    return _PEAK_HLG / WHITE * scene**_SYSTEM_GAMMA


def _compressed(light: np.ndarray) -> np.ndarray:
    """Light (..., 3) with its brightest part brought into [0, 1], by one factor for all colours."""
    top = light.max(axis=-1, keepdims=True)
    above = (np.clip(top, _KNEE, _PEAK) - _KNEE) / (1 - _KNEE)
    widest = (_PEAK - _KNEE) / (1 - _KNEE)
    shown = _KNEE + (1 - _KNEE) * above * (1 + above / widest**2) / (1 + above)
    return np.where(top > _KNEE, light * shown / np.maximum(top, 1e-9), light)
