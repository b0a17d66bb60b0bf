"""The index of a folder in whichever store it is: Parquet, or Lance."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

from vipecli.errors import FormatError, VipeError
from vipecli.index import commit as parquet_commit
from vipecli.index import lance_commit, lance_store, store
from vipecli.index.lance_opened import OpenedLance, open_lance
from vipecli.index.lance_store import LanceIndex
from vipecli.index.opened import OpenedIndex, open_for_search
from vipecli.index.records import Record
from vipecli.index.store import STORE, Index, check_model
from vipecli.urls import is_url, refuse_url, without_secrets

StoreName = Literal["parquet", "lance"]
AnyIndex = Index | LanceIndex


def exists(folder: Path) -> bool:
    """Return whether a folder has an index, be it damaged.

    Raises
    ------
    VipeError
        if it is a URL.
    """
    if is_url(folder):
        raise VipeError(
            f"{without_secrets(folder)}: an index lies on a local or shared file system only; "
            "name a folder there"
        )
    return store.exists(folder) or lance_store.exists(folder / STORE)


def kind_of(folder: Path) -> StoreName | None:
    """Return the store of the index of a folder; None if there is none.

    Raises
    ------
    VipeError
        if it is a URL.
    """
    if not exists(folder):
        return None
    if lance_store.exists(folder / STORE) and not store.exists(folder):
        return "lance"
    return "parquet"


def empty(folder: Path, kind: StoreName) -> AnyIndex:
    """Return an index without clips, to commit to."""
    return LanceIndex(folder, folder / STORE) if kind == "lance" else Index(folder)


def load(folder: Path, *, model: str | None = None) -> AnyIndex:
    """Return the index of a folder; the clips themselves are read when they are asked for.

    Errors are those of `store.load`, and `MissingExtraError` for one in Lance without the extra.
    """
    if kind_of(folder) != "lance":
        return store.load(folder, model=model)
    index = lance_store.read(folder, folder / STORE)
    check_model(index, model)
    return index


def open_stored(index: AnyIndex, *, hubs: int, k: int) -> OpenedIndex | OpenedLance:
    """Return an index that is ready for search, see `opened.open_for_search`."""
    if isinstance(index, LanceIndex):
        return open_lance(index, k=k)
    return open_for_search(index, hubs=hubs, k=k)


def commit(
    index: AnyIndex, records: Iterable[Record], *, remove: Iterable[str] = (), **changes: Any
) -> AnyIndex:
    """Add clips to an index, remove others, and make that its state; see `commit.commit`."""
    change = lance_commit.commit if isinstance(index, LanceIndex) else parquet_commit.commit
    return change(index, records, remove=remove, **changes)


def verify(folder: Path, *, progress: Callable[[int], object] | None = None) -> list[store.Fault]:
    """Return the faults of an index, see `store.verify`; in Lance, what is behind one is unread."""
    index = load(folder)
    if isinstance(index, Index):
        return store.verify(folder, progress=progress)
    path = folder / STORE / lance_store.FOLDER
    faults: list[store.Fault] = []
    seen: set[str] = set()
    try:
        for record in index.records(verify=True):
            name = record.facts.name
            if name in seen:
                faults.append(store.Fault(path, f"{name} is there twice"))
            if problem := store.unlike_its_poses(record):
                faults.append(store.Fault(path, f"{name}: {problem}"))
            seen.add(name)
            if progress:
                progress(1)
    except FormatError as exc:
        faults.append(store.Fault(path, str(exc)))
    return faults


def command(index: AnyIndex) -> str:
    """Return the command that rebuilds an index from its source."""
    if isinstance(index, Index):
        return store.command(index)
    alike = Index(index.folder, source=index.source)
    return f"{store.command(alike)} --store lance"


def copy(
    source: AnyIndex,
    folder: Path,
    kind: StoreName,
    *,
    progress: Callable[[int], object] | None = None,
) -> AnyIndex:
    """Copy an index into a folder that has none, into a store of either kind.

    Raises
    ------
    VipeError
        if the folder is a URL, has an index, or cannot be written.
    FormatError
        if the index is damaged, or holds no clips.
    """
    refuse_url(folder)
    if exists(folder):
        raise VipeError(f"{folder}: has an index already; name another folder")
    if not len(source):
        raise FormatError(f"{source.folder}: its index holds no clips")
    folder.mkdir(parents=True, exist_ok=True)

    def records() -> Iterable[Record]:
        for record in source.records():
            yield record
            if progress:
                progress(1)

    changes = {"source": source.source, "excluded": source.excluded}
    return commit(empty(folder, kind), records(), **changes)
