"""A list of arrays of one shape: the latest in memory, the others in a temporary file."""

import contextlib
import tempfile
from collections.abc import Iterator, Sequence

import numpy as np

_BLOCK = 512  # arrays written to the file at a time; as many of the latest stay in memory


class Observations(Sequence[np.ndarray]):
    """The observations of one person, in order, in films of any length.

    All have the shape and the dtype of the first one. Without space for a temporary file they stay
    in memory.
    """

    def __init__(self) -> None:
        self._latest: list[np.ndarray] = []
        self._stored = 0
        self._file = None

    def append(self, observation: np.ndarray) -> None:
        """Append an observation."""
        self._latest.append(observation)
        if len(self._latest) >= 2 * _BLOCK and len(self._latest) % _BLOCK == 0:
            with contextlib.suppress(OSError):
                self._store(len(self._latest) - _BLOCK)

    def __len__(self) -> int:
        """Return the number of observations."""
        return self._stored + len(self._latest)

    def __getitem__(self, index: int | slice) -> np.ndarray:
        """Return one observation, or a contiguous range of them as one array."""
        if isinstance(index, int):
            place = index if index >= 0 else len(self) + index
            if not 0 <= place < len(self):
                raise IndexError(index)
            kept = place >= self._stored
            return self._latest[place - self._stored] if kept else self._read(place, place + 1)[0]
        first, last, step = index.indices(len(self))
        if step != 1:
            raise ValueError("observations are read in contiguous ranges")
        parts = [self._read(first, min(last, self._stored))] if first < self._stored else []
        if kept := self._latest[max(first - self._stored, 0) : max(last - self._stored, 0)]:
            parts.append(np.stack(kept))
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield the observations in order."""
        for first in range(0, len(self), _BLOCK):
            yield from self[first : first + _BLOCK]

    def _store(self, count: int) -> None:
        """Move the oldest observations in memory to the file."""
        block = np.stack(self._latest[:count])
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="vipe-")  # noqa: SIM115, closed with this
            self._shape, self._dtype = block.shape[1:], block.dtype
        self._file.seek(self._stored * block[0].nbytes)
        self._file.write(block.data)
        self._file.flush()
        self._stored += count
        del self._latest[:count]

    def _read(self, first: int, last: int) -> np.ndarray:
        """Return observations from the file; an empty array for none."""
        out = np.empty((max(0, last - first), *self._shape), self._dtype)
        if out.size:
            self._file.seek(first * out[0].nbytes)
            self._file.readinto(out.data.cast("B"))
        return out
