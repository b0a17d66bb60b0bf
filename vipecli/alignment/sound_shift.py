"""Evidence for a constant shift between two clips in their sound.

Generalised cross-correlation with phase transform (Knapp & Carter 1976), of pieces of one clip with
all of the other: every frequency has the same say, so that a clap is one through any microphone.
Before that onsets are raised above their echo, which is another one wherever a camera stands.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage  # pyright: ignore[reportMissingTypeStubs]

from vipecli.alignment.shift_score import ShiftScore
from vipecli.video.sound import SoundTrack

LEAST_SOUND = 8.0
"""Least score of an answer; unrelated recordings stay below, see `docs/alignment.md`."""

PIECE_S = 20.0
"""Length of the pieces that are correlated, seconds: within one, clocks drift by little."""

BIN_S = 0.001
"""Step of the scores, seconds."""

_BAND_HZ = 150.0, 7000.0  # hum and wind lie below; above, most files hold nothing
_SHORTEST_S = 0.1  # of a sound that is correlated
_SILENT = 1e-4  # RMS below which there is none
_FLOOR = 0.1  # of the median magnitude; frequencies far below have less say
_ONSET_S, _BEFORE_S = 0.001, 0.04  # over which sound is compared with what came before
_LOUDEST = 30.0  # times as loud an onset becomes, at most
_SMEAR_S = 0.02  # by which the clocks of two pieces may differ
_PEAKS = 16  # that are kept of each piece
_ECHO_S = 0.05  # two peaks of a piece are this far apart
_AROUND_S, _PEAK_S = 0.15, 0.002  # of a peak: what it has to stand out from, and the peak itself

_Floats = NDArray[np.float64]


@dataclass(frozen=True, repr=False, eq=False)
class SoundShift:
    """What the sound of two clips says of their shift.

    Attributes
    ----------
    score
        of every shift, `BIN_S` apart: height of the correlation in standard deviations; of several
        pieces the sum, less what chance gives, over the root of their number.
    middles_s
        shape (P,), middle of each piece of a, seconds.
    peaks_s, heights
        shape (P, K), highest peaks of each piece: shift, seconds, and height.
    """

    score: ShiftScore
    middles_s: _Floats
    peaks_s: _Floats
    heights: _Floats

    @property
    def best(self) -> tuple[float, float]:
        """Largest score, and its shift in seconds."""
        score, shift = self.score.best
        return score, self._exact(shift)

    def near(self, shift_s: float, reach_s: float) -> tuple[float, float]:
        """Largest score within reach of a shift, and its shift; 0 and NaN if there is none."""
        inside = np.flatnonzero(np.abs(self.score.shifts_s - shift_s) <= reach_s)
        if not len(inside):
            return 0.0, float("nan")
        at = int(inside[self.score.score[inside].argmax()])
        return float(self.score.score[at]), self._exact(float(self.score.shifts_s[at]))

    def _exact(self, shift_s: float) -> float:
        """Mean of the peaks of all pieces near a shift, by their squared heights; or the shift."""
        near = (np.abs(self.peaks_s - shift_s) <= _SMEAR_S) & (self.heights >= LEAST_SOUND)
        if not near.any():
            return shift_s
        return float(np.average(self.peaks_s[near], weights=self.heights[near] ** 2))

    def along(self, shift_s: float, reach_s: float) -> tuple[_Floats, _Floats]:
        """Middles of the pieces with a clear peak within reach of a shift, and that peak, (K,)."""
        heights = np.where(np.abs(self.peaks_s - shift_s) <= reach_s, self.heights, 0.0)
        best, rows = heights.argmax(axis=1), np.arange(len(heights))
        clear = heights[rows, best] >= LEAST_SOUND
        return self.middles_s[clear], self.peaks_s[rows, best][clear]

    def __repr__(self) -> str:
        """One line: how many pieces, and the best shift."""
        score, shift = self.best
        return f"SoundShift({len(self.middles_s)} pieces, best {shift:+.3f} s at {score:.1f})"


def sound_shift(a: SoundTrack | None, b: SoundTrack | None) -> SoundShift | None:
    """Score of every shift of b against a by their sound; None where one is silent or missing.

    Parameters
    ----------
    a, b
        sound of two recordings of one event, at any rates; the lower one is used. As with poses, a
        moment of a is heard in b a shift later.
    """
    if a is None or b is None:
        return None
    rate = min(a.rate, b.rate)
    x, y = _resampled(a, rate), _resampled(b, rate)
    if not (_is_loud(x, rate) and _is_loud(y, rate)):
        return None
    x, y = _onsets(x, rate), _onsets(y, rate)
    first = b.start_s - (a.start_s + len(x) / rate)
    shifts = first + BIN_S * np.arange(round((len(x) + len(y)) / rate / BIN_S) + 2)
    total, count, level = np.zeros(len(shifts), np.float32), 0, 0.0
    middles, peaks, heights = [], [], []
    for start, middle, heard in _correlations(x, y, rate):
        row = _binned(heard, b.start_s - a.start_s - start / rate - first, rate, len(shifts))
        middles.append(a.start_s + middle / rate)
        at = _highest(row)
        peaks.append(shifts[at])
        heights.append(row[at])
        if len(x) > 1.5 * PIECE_S * rate:
            row = ndimage.maximum_filter1d(row, 2 * round(_SMEAR_S / BIN_S / 2) + 1)
        usual = float(np.median(row[row > 0]))
        total += np.where(row > 0, row - usual, 0)
        count, level = count + 1, level + usual
    if not count:
        return None
    score = (total / np.sqrt(count) + level / count).astype(np.float64)
    found = ShiftScore(shifts, score, score)
    return SoundShift(found, np.array(middles), np.stack(peaks), np.stack(heights).astype(float))


def _resampled(sound: SoundTrack, rate: int) -> NDArray[np.float32]:
    """Samples at a lower rate, through the spectrum."""
    if sound.rate == rate:
        return sound.samples
    count = round(len(sound.samples) * rate / sound.rate)
    spectrum = fft.rfft(sound.samples)[: count // 2 + 1]
    return np.asarray(fft.irfft(spectrum, count), np.float32) * (count / len(sound.samples))


def is_heard(sound: SoundTrack | None) -> bool:
    """Whether there is anything in a sound track that could be correlated."""
    return sound is not None and _is_loud(sound.samples, sound.rate)


def _is_loud(samples: NDArray[np.float32], rate: int) -> bool:
    loud = len(samples) and float(np.sqrt(np.mean(np.square(samples)))) > _SILENT
    return bool(loud) and len(samples) >= _SHORTEST_S * rate


def _onsets(samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """Samples (S,), louder the more they exceed what was heard just before them.

    The direct sound comes first and is the same in every microphone, the echo behind it is that of
    where each stands: the precedence effect of hearing.
    """
    energy = np.square(samples, dtype=np.float64)
    at, half = np.arange(len(samples)), max(1, round(_ONSET_S * rate / 2))
    total = np.concatenate([[0.0], np.cumsum(energy)])

    def mean(first: NDArray[np.int64], last: NDArray[np.int64]) -> NDArray[np.float64]:
        first, last = first.clip(0, len(samples)), last.clip(0, len(samples))
        return (total[last] - total[first]) / np.maximum(last - first, 1)

    now = mean(at - half, at + half)
    before = mean(at - half - round(_BEFORE_S * rate), at - half)
    gain = np.sqrt(now / (before + np.median(now) + 1e-12))
    return samples * gain.clip(max=_LOUDEST).astype(np.float32)


def _correlations(
    x: NDArray[np.float32], y: NDArray[np.float32], rate: int
) -> Iterator[tuple[int, float, NDArray[np.float32]]]:
    """First sample and middle of each piece of x, and its correlation with y (len + len(y) - 1,).

    From the lag at which the piece ends where y starts to the one at which it starts where y ends.
    """
    pieces = np.array_split(x, max(1, round(len(x) / rate / PIECE_S)))
    size = int(fft.next_fast_len(len(pieces[0]) + len(y), real=True))
    spectrum, start = _whitened(y, size, rate), 0
    for piece in pieces:
        if _is_loud(piece, rate):
            lags = fft.irfft(np.conj(_whitened(piece, size, rate)) * spectrum, size)
            lags = np.concatenate([lags[1 - len(piece) :], lags[: len(y)]])
            yield start + len(piece) - 1, start + len(piece) / 2, _in_deviations(lags, rate)
        start += len(piece)


def _in_deviations(lags: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """Height of a correlation in standard deviations, of all lags or of those around if larger.

    Two different claps correlate over a tenth of a second, one clap at a single lag. Of two peaks
    that stand out equally the lower one has less, as if both had the surroundings of the higher.
    """
    squares = np.square(lags) / max((1.4826 * float(np.median(np.abs(lags)))) ** 2, 1e-20)
    wide, narrow = (2 * round(reach * rate) + 1 for reach in (_AROUND_S, _PEAK_S))
    mean, own = (
        ndimage.uniform_filter1d(squares, size, mode="constant") for size in (wide, narrow)
    )
    around = (wide * mean - narrow * own) / (wide - narrow)
    clear = np.sqrt(squares / np.maximum(around, 1.0), dtype=np.float32)
    return clear * np.sqrt(squares / max(float(squares.max()), 1e-20), dtype=np.float32)


def _whitened(samples: NDArray[np.float32], size: int, rate: int) -> NDArray[np.complex64]:
    """Spectrum with all frequencies of the band equally strong."""
    spectrum = np.asarray(fft.rfft(samples, size), np.complex64)
    hertz = np.arange(len(spectrum)) * (rate / size)
    spectrum[(hertz < _BAND_HZ[0]) | (hertz > _BAND_HZ[1])] = 0
    magnitude = np.abs(spectrum)
    usual = float(np.median(magnitude[magnitude > 0])) if magnitude.any() else 1.0
    return spectrum / (magnitude + np.float32(_FLOOR * usual + 1e-12))


def _binned(
    height: NDArray[np.float32], offset_s: float, rate: int, count: int
) -> NDArray[np.float32]:
    """Largest height in every bin (count,); the first lag falls `offset_s` behind the first bin."""
    bins = np.round((offset_s + np.arange(len(height)) / rate) / BIN_S).astype(np.int64)
    bins = bins.clip(0, count - 1)
    starts = np.flatnonzero(np.diff(bins, prepend=-1))
    row = np.zeros(count, np.float32)
    row[bins[starts]] = np.maximum.reduceat(height, starts)
    return row


def _highest(row: NDArray[np.float32]) -> NDArray[np.int64]:
    """Places of the highest peaks (K,), the highest first."""
    reach = round(_ECHO_S / BIN_S)
    peak = row == ndimage.maximum_filter1d(row, 2 * reach + 1)
    found = np.flatnonzero(peak)
    order = found[np.argsort(-row[found], kind="stable")][:_PEAKS]
    return np.pad(order, (0, _PEAKS - len(order)), mode="edge")
