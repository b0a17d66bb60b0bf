"""The labelled index on disk: Parquet files that are written once, and a manifest that lists them.

An index lives in the folder `FOLDER/.vipe/index.parquet`. Every change writes new files for the
clips that it touches, `clips-HASH.parquet` with at most `BATCH` clips each, and then replaces
`_manifest.json` in one step: whenever a process is killed, either the old or the new index is
there. Files stay hidden until the manifest names them, so that pandas and DuckDB, which read the
folder as one table, see the same. Nothing in it can execute code.
"""

import hashlib
import json
import math
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vipecli.embedding.embed import Embeddings
from vipecli.errors import FormatError, WeightsError
from vipecli.index.records import FACTS, Facts, Record, embeddings_of, lists, records_of
from vipecli.poses.poses import Poses

if TYPE_CHECKING:
    import pyarrow

STORE = ".vipe"
FOLDER = "index.parquet"
MANIFEST = "_manifest.json"
FORMAT, VERSION = "vipe index", 1
BATCH = 512
"""Clips in one file at most: what removing a clip has to write again."""


@dataclass(frozen=True)
class Batch:
    """One file: its name, SHA-256, bytes, clips."""

    file: str
    sha256: str
    size: int
    clips: int


@dataclass(frozen=True)
class Index:
    """One state of an index.

    Attributes
    ----------
    folder
        the one that is indexed.
    model, sigmoid, dims
        of the embeddings, as in `Embeddings`; empty, (0, 0) and 0 while there is none.
    source
        what it was built from: `kind`, `path` and options.
    excluded
        names that were removed and stay out when the folder is looked at again.
    """

    folder: Path
    model: str = ""
    sigmoid: tuple[float, float] = (0.0, 0.0)
    dims: int = 0
    source: dict[str, Any] = field(default_factory=dict)
    excluded: tuple[str, ...] = ()
    batches: tuple[Batch, ...] = ()

    def __len__(self) -> int:
        """Return the number of clips, C."""
        return sum(batch.clips for batch in self.batches)

    @property
    def version(self) -> str:
        """Short hash that changes with the clips."""
        text = " ".join([self.model, *(batch.sha256 for batch in self.batches)])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def facts(self) -> list[Facts]:
        """Facts of all clips, in the order of the files.

        Raises
        ------
        FormatError
            if a file is damaged.
        """
        rows = [row for table in self._tables(FACTS) for row in table.to_pylist()]
        return [Facts(**row) for row in rows]

    def frames(self) -> list[int]:
        """Frames of all clips, in the order of the files."""
        return [len(times) for t in self._tables(["times"]) for times in lists(t, "times")]

    def embeddings(self, *, progress: Callable[[int], object] | None = None) -> list[Embeddings]:
        """Embeddings of all clips, in the order of the files.

        Raises
        ------
        FormatError
            if a file is damaged.
        """
        out: list[Embeddings] = []
        for table in self._tables(("times", "mean", "std")):
            out += embeddings_of(table, self.model, self.sigmoid, self.dims)
            if progress:
                progress(table.num_rows)
        return out

    def poses(self, rows: Iterable[int]) -> dict[int, Poses]:
        """Poses of some clips, by their place in the order of the files.

        Raises
        ------
        FormatError
            if a file is damaged.
        """
        wanted, out, first = sorted(set(rows)), {}, 0
        for batch in self.batches:
            mine = [row for row in wanted if first <= row < first + batch.clips]
            if mine:
                table = self._table(batch).take([row - first for row in mine])
                found = (record.poses for record in self._records(table))
                out |= dict(zip(mine, found, strict=True))
            first += batch.clips
        return out

    def records(self) -> Iterator[Record]:
        """All clips, one file at a time.

        Raises
        ------
        FormatError
            if a file is damaged.
        """
        for table in self._tables():
            yield from self._records(table)

    def records_in(self, batch: Batch) -> Iterator[Record]:
        """Clips of one file."""
        return self._records(self._table(batch))

    def names_in(self, batch: Batch) -> list[str]:
        """Names of the clips of one file."""
        return self._table(batch, ["name"]).column("name").to_pylist()

    def _records(self, table: "pyarrow.Table") -> Iterator[Record]:
        return records_of(table, self.model, self.sigmoid, self.dims)

    def _tables(self, columns: Sequence[str] | None = None) -> Iterator["pyarrow.Table"]:
        for batch in self.batches:
            yield self._table(batch, columns)

    def _table(self, batch: Batch, columns: Sequence[str] | None = None) -> "pyarrow.Table":
        """One file as a table, if its content is what was written."""
        import pyarrow
        from pyarrow import parquet

        path = visible_file(store(self.folder), batch.file)
        try:
            data = path.read_bytes()
        except OSError as exc:
            raise FormatError(f"{path}: cannot be read ({exc.strerror}); {_again(self)}") from exc
        if len(data) != batch.size or hashlib.sha256(data).hexdigest() != batch.sha256:
            raise FormatError(f"{path}: damaged; {_again(self)}")
        try:
            # no threads of Arrow's: they may abort a process that ends while they start
            source = parquet.ParquetFile(pyarrow.BufferReader(data), pre_buffer=False)
            table = source.read(columns=list(columns) if columns else None, use_threads=False)
        except (pyarrow.ArrowException, OSError) as exc:
            raise FormatError(f"{path}: damaged ({exc}); {_again(self)}") from exc
        return table


def store(folder: Path) -> Path:
    """Where the index of a folder lives."""
    return folder / STORE / FOLDER


def exists(folder: Path) -> bool:
    """Whether a folder has an index."""
    return (store(folder) / MANIFEST).is_file()


def load(folder: Path, *, model: str | None = None) -> Index:
    """Index of a folder; the clips themselves are read when they are asked for.

    Parameters
    ----------
    folder
        the one that was indexed.
    model
        id of the model that it has to be made with; None = any.

    Raises
    ------
    FormatError
        if there is none, it is damaged, or from another version of vipe.
    WeightsError
        if it was made with another model.
    """
    path = store(folder) / MANIFEST
    try:
        data = json.loads(path.read_bytes())
        content = data["index"]
        if data["format"] != FORMAT or not isinstance(data["version"], int):
            raise ValueError("not the manifest of an index")
        if data["version"] > VERSION:
            raise FormatError(
                f"{path}: index of version {data['version']}, this vipe reads {VERSION}; "
                f"upgrade vipe, or {_again(Index(folder))}"
            )
        if data["sha256"] != digest(content):
            raise ValueError("its checksum is wrong")
        batches = tuple(Batch(**batch) for batch in content.pop("batches"))
        content["sigmoid"] = tuple(content["sigmoid"])
        content["excluded"] = tuple(content["excluded"])
        index = Index(folder, batches=batches, **content)
    except FileNotFoundError as exc:
        raise FormatError(
            f"{folder}: has no index; make it with `{command(Index(folder))}`"
        ) from exc
    except OSError as exc:
        raise FormatError(f"{path}: cannot be read ({exc.strerror or exc})") from exc
    except (ValueError, KeyError, TypeError) as exc:
        raise FormatError(f"{path}: damaged ({exc}); {_again(Index(folder))}") from exc
    check_model(index, model)
    return index


def check_model(index: Index, model: str | None) -> None:
    """Refuse an index of another model than the one in use.

    Raises
    ------
    WeightsError
        with the command that makes it anew.
    """
    if model is not None and index.model and index.model != model:
        raise WeightsError(
            f"{index.folder}: the index was made with the model {index.model}, not with {model}; "
            f"make it anew with `{command(index)}`, or name its model with --model"
        )


@dataclass(frozen=True)
class Fault:
    """What `verify` found wrong: which file, and how."""

    path: Path
    problem: str


def verify(folder: Path, *, progress: Callable[[int], object] | None = None) -> list[Fault]:
    """Read everything in an index and compare it with its checksums.

    Parameters
    ----------
    folder
        the one that was indexed.
    progress
        called with the number of clips looked at since its last call.

    Returns
    -------
    What is wrong; nothing if all is well.

    Raises
    ------
    FormatError
        if there is no index, or its manifest is damaged.
    """
    index = load(folder)
    faults: list[Fault] = []
    seen: set[str] = set()
    for batch in index.batches:
        path = visible_file(store(folder), batch.file)
        try:
            for record in index.records_in(batch):
                name = record.facts.name
                if name in seen:
                    faults.append(Fault(path, f"{name} is there twice"))
                if not math.prod(record.embeddings.mean.shape):
                    faults.append(Fault(path, f"{name} has no frames"))
                seen.add(name)
        except (FormatError, ValueError, KeyError) as exc:
            text = str(exc).removeprefix(f"{path}: ").split(";")[0]
            faults.append(Fault(path, text))
        if progress:
            progress(batch.clips)
    return faults


def visible_file(folder: Path, file: str) -> Path:
    """A file of the index; under its hidden name if a kill came between manifest and renaming."""
    path, hidden = folder / file, folder / f".{file}"
    return hidden if hidden.exists() and not path.exists() else path


def digest(content: Any) -> str:
    """Checksum of what a manifest says."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def command(index: Index) -> str:
    """What makes an index anew, from what it was made from."""
    source = index.source
    path = Path(source.get("path", index.folder))
    if path.resolve() == index.folder.resolve():
        words = [str(index.folder)]
    else:
        words = [str(path), "--out", str(index.folder)]
    for name, usual in (("poses", "auto"), ("split", "all")):
        if source.get(name, usual) != usual:
            words += [f"--{name}", source[name]]
    for pattern in source.get("exclude", ()):
        words += ["--exclude", pattern]
    return f"vipe index build {shlex.join(words)}"


def _again(index: Index) -> str:
    return f"make the index anew with `{command(index)} --force`"
