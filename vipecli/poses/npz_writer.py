"""An append-only writer of `.npz`: arrays are extended block by block, large ones on disk."""

import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import IO

import numpy as np

_IN_MEMORY = 1 << 20  # bytes of an array; what is larger goes to a temporary file


class NpzWriter:
    """Arrays that are extended along their first axis; a context manager.

    Parameters
    ----------
    folder
        for temporary files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._members: dict[str, _Member] = {}

    def __contains__(self, name: str) -> bool:
        """Whether there is an array of this name."""
        return name in self._members

    def add(self, name: str, array: np.ndarray) -> None:
        """Append to an array; its first block sets the data type and the other dimensions."""
        if name not in self._members:
            self._members[name] = _Member(np.asarray(array), self._folder)
        self._members[name].append(np.asarray(array))

    def write(self, path: Path) -> None:
        """Write all arrays, in the order in which they were first added, as `numpy.savez` does.

        The same data give the same bytes.
        """
        with zipfile.ZipFile(path, "w") as archive:
            for name, member in self._members.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    member.write(file)

    def __enter__(self) -> "NpzWriter":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the temporary files."""
        for member in self._members.values():
            member.close()


class _Member:
    """One array: its header, and its data so far."""

    def __init__(self, first: np.ndarray, folder: Path) -> None:
        self._data = tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=folder)  # noqa: SIM115
        self._dtype, self._shape, self._rows = first.dtype, first.shape, 0

    def append(self, array: np.ndarray) -> None:
        self._rows += len(array) if self._shape else 0
        self._data.write(array.astype(self._dtype, copy=False).tobytes())

    def write(self, file: IO[bytes]) -> None:
        shape = (self._rows, *self._shape[1:]) if self._shape else ()
        descr = np.lib.format.dtype_to_descr(self._dtype)
        header = {"descr": descr, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        self._data.seek(0)
        shutil.copyfileobj(self._data, file)

    def close(self) -> None:
        self._data.close()
