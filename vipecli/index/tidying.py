"""Files of an index that a killed process left: shown where the manifest names them, else removed.

New files are hidden (``.clips-HASH.parquet``) until the manifest names them. Between the new
manifest and the end of the clean-up, pandas and DuckDB would see files of two states.
"""

import os
import sys
from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from vipecli.errors import FormatError
from vipecli.index.manifest import MANIFEST, Batch


def visible_file(folder: Path, file: str) -> Path:
    """A file of the index; under its hidden name if a kill came between manifest and renaming."""
    path, hidden = folder / file, folder / f".{file}"
    return hidden if hidden.exists() and not path.exists() else path


def is_untidy(folder: Path, batches: Collection[Batch]) -> bool:
    """Return whether there are files not in the manifest, or a file of it is hidden."""
    named = {batch.file for batch in batches}
    there = os.listdir(folder)
    stray = any(name.startswith("clips-") and name not in named for name in there)
    return stray or any(name.startswith(".clips-") and name[1:] in named for name in there)


def tidy(folder: Path, named: Callable[[], Collection[Batch]]) -> None:
    """Settle a folder, unless another process is changing the index or it cannot be written.

    `named` reads the files of the manifest; it is called while no other process can change it.
    """
    with suppress(OSError, FormatError), lock(folder):
        settle(folder, named())


def settle(folder: Path, batches: Collection[Batch]) -> None:
    """Delete what the manifest does not name, then show what it names: no clip is seen twice."""
    named = {batch.file for batch in batches}
    for path in list(folder.iterdir()):
        ours = path.name.lstrip(".").startswith(("clips-", "_manifest-"))
        if ours and path.name.removeprefix(".") not in named and path.name != MANIFEST:
            path.unlink(missing_ok=True)
    for path in list(folder.iterdir()):
        if path.name.startswith(".clips-") and path.name[1:] in named:
            os.replace(path, folder / path.name[1:])


@contextmanager
def lock(folder: Path) -> Generator[None, None, None]:
    """Keep other processes from changing the index; a killed process holds no lock.

    Raises
    ------
    FormatError
        if another process is changing it.
    OSError
        if the folder cannot be written.
    """
    with (folder / ".lock").open("a+b") as file:
        try:
            _lock_file(file.fileno())
        except OSError as exc:
            raise FormatError(
                f"{folder}: another process is changing the index; wait for it and run again"
            ) from exc
        yield


def _lock_file(handle: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
