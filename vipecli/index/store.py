"""The labelled index on disk: Parquet files that are written once, and a manifest that lists them.

An index lives in the folder `FOLDER/.vipe/index.parquet`. Every change writes new files for the
clips that it touches, `clips-HASH.parquet` with at most `BATCH` clips each, and then replaces
`_manifest.json` in one step: whenever a process is killed, either the old or the new index is
there. Files stay hidden until the manifest names them, so that pandas and DuckDB, which read the
folder as one table, see the same; files left by a killed process are removed when the index
is opened next. An untrusted index is read within bounds, and nothing in it can execute code.
"""

import hashlib
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vipecli.embedding.distance import known_frames
from vipecli.embedding.embed import MIN_JOINTS, Embeddings
from vipecli.embedding.model import NAMES, options_of
from vipecli.errors import FormatError, WeightsError
from vipecli.files import read_regular
from vipecli.index.manifest import (
    MANIFEST,
    MOST_BYTES,
    VERSION,
    Batch,
    NewerVersionError,
    parse,
)
from vipecli.index.records import (
    FACTS,
    Facts,
    Record,
    Space,
    embeddings_of,
    facts_of,
    lists,
    records_of,
)
from vipecli.index.tidying import is_untidy, tidy, visible_file
from vipecli.poses.poses import Poses

if TYPE_CHECKING:
    import pyarrow

STORE = ".vipe"
FOLDER = "index.parquet"
BATCH = 512
"""Clips in one file at most: what removing a clip has to write again."""

_EMBEDDED = "name", "times", "mean", "std"


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
        names that were removed and stay out when the folder is indexed again.
    """

    folder: Path
    model: str = ""
    sigmoid: tuple[float, float] = (0.0, 0.0)
    dims: int = 0
    source: dict[str, Any] = field(default_factory=dict[str, Any])
    excluded: tuple[str, ...] = ()
    batches: tuple[Batch, ...] = ()

    def __len__(self) -> int:
        """Return the number of clips, C."""
        return sum(batch.clips for batch in self.batches)

    @property
    def version(self) -> str:
        """Short hash that changes with the clips."""
        text = " ".join([self.model, *(batch.sha256 for batch in self.batches)])
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    @property
    def space(self) -> Space:
        """What all embeddings have in common."""
        return Space(self.model, self.sigmoid, self.dims)

    def facts(self) -> list[Facts]:
        """Facts of all clips, in the order of the files.

        Raises
        ------
        FormatError
            if a file is damaged.
        """
        return [one for batch in self.batches for one in self._decoded(batch, FACTS, facts_of)]

    def frames(self) -> list[int]:
        """Number of frames of every clip, in the order of the files.

        Raises
        ------
        FormatError
            if a file is damaged.
        """

        def count(table: "pyarrow.Table") -> list[int]:
            return [len(times) for times in lists(table, "times")]

        return [n for batch in self.batches for n in self._decoded(batch, ["times"], count)]

    def embeddings(self, *, progress: Callable[[int], object] | None = None) -> list[Embeddings]:
        """Embeddings of all clips, in the order of the files.

        Raises
        ------
        FormatError
            if a file is damaged, or all of them would take far more memory than disk.
        """
        from vipecli.index.parquet_file import limit_of

        out: list[Embeddings] = []
        left = limit_of(sum(batch.size for batch in self.batches))
        for batch in self.batches:
            clips = self._decoded(batch, _EMBEDDED, lambda table: embeddings_of(table, self.space))
            left -= sum(clip.mean.nbytes + clip.std.nbytes for clip in clips)
            if left < 0:
                path = store(self.folder) / batch.file
                raise FormatError(f"{path}: damaged (too large when decoded); {_again(self)}")
            out += clips
            if progress:
                progress(len(clips))
        return out

    def poses(self, rows: Iterable[int]) -> dict[int, Poses]:
        """Poses of some clips, by their place in the order of the files.

        Raises
        ------
        FormatError
            if a file is damaged.
        """
        wanted, first = sorted(set(rows)), 0
        out: dict[int, Poses] = {}
        for batch in self.batches:
            mine = [row for row in wanted if first <= row < first + batch.clips]
            if mine:
                some = [row - first for row in mine]
                found = self._decoded(batch, None, lambda t, some=some: self._records(t.take(some)))
                out |= dict(zip(mine, (record.poses for record in found), strict=True))
            first += batch.clips
        return out

    def records(self) -> Iterator[Record]:
        """All clips, one file at a time.

        Raises
        ------
        FormatError
            if a file is damaged.
        """
        for batch in self.batches:
            yield from self.records_in(batch)

    def records_in(self, batch: Batch) -> list[Record]:
        """Clips of one file."""
        return self._decoded(batch, None, self._records)

    def names_in(self, batch: Batch) -> list[str]:
        """Names of the clips of one file."""
        return [facts.name for facts in self._decoded(batch, FACTS, facts_of)]

    def _records(self, table: "pyarrow.Table") -> list[Record]:
        return list(records_of(table, self.space))

    def _decoded(
        self,
        batch: Batch,
        columns: Sequence[str] | None,
        decode: "Callable[[pyarrow.Table], list[Any]]",
    ) -> list[Any]:
        """What `decode` makes of one file, if its content is what was written."""
        from vipecli.index.parquet_file import limit_of, read_table

        path = visible_file(store(self.folder), batch.file)
        try:
            data = read_regular(path, most=batch.size)
        except OSError as exc:
            raise FormatError(f"{path}: cannot be read ({exc.strerror}); {_again(self)}") from exc
        if len(data) != batch.size or hashlib.sha256(data).hexdigest() != batch.sha256:
            raise FormatError(f"{path}: damaged; {_again(self)}")
        try:
            limit = limit_of(batch.size)
            return decode(read_table(data, columns, clips=batch.clips, limit=limit))
        except (ValueError, FormatError) as exc:
            raise FormatError(f"{path}: damaged ({exc}); {_again(self)}") from exc


def store(folder: Path) -> Path:
    """Return the folder that holds the index of a folder."""
    return folder / STORE / FOLDER


def exists(folder: Path) -> bool:
    """Return whether a folder has an index, even a damaged one."""
    path = store(folder) / MANIFEST
    return path.exists() or path.is_symlink()


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
    index = read(folder)
    if is_untidy(store(folder), index.batches):
        tidy(store(folder), lambda: read(folder).batches)
        index = read(folder)
    check_model(index, model)
    return index


def read(folder: Path) -> Index:
    """Index of a folder as `load`, of any model and without tidying up.

    Raises
    ------
    FormatError
        as `load`.
    """
    path = store(folder) / MANIFEST
    try:
        return Index(folder, **parse(read_regular(path, most=MOST_BYTES)))
    except NewerVersionError as exc:
        raise FormatError(
            f"{path}: index of version {exc}, this vipe reads {VERSION}; "
            f"upgrade vipe, or {_again(Index(folder))}"
        ) from exc
    except FileNotFoundError as exc:
        raise FormatError(
            f"{folder}: has no index; make it with `{command(Index(folder))}`"
        ) from exc
    except OSError as exc:
        problem = exc.strerror or str(exc)
        raise FormatError(f"{path}: cannot be read ({problem}); {_again(Index(folder))}") from exc
    except ValueError as exc:
        raise FormatError(f"{path}: damaged ({exc}); {_again(Index(folder))}") from exc


def check_model(index: Index, model: str | None) -> None:
    """Refuse an index of another model than the one in use.

    Raises
    ------
    WeightsError
        with the command that rebuilds it.
    """
    if model is not None and index.model and index.model != model:
        rebuild = f"{command(index)} {options_of(model)}".rstrip()
        name = index.model.partition(":")[0]
        its = f" {name}" if name in NAMES and name != model.partition(":")[0] else ""
        raise WeightsError(
            f"{index.folder}: the index was made with the model {index.model}, not with {model}; "
            f"rebuild it with `{rebuild}`, or name its model with --model{its}"
        )


@dataclass(frozen=True)
class Fault:
    """What `verify` found wrong: which file, and how."""

    path: Path
    problem: str


def verify(folder: Path, *, progress: Callable[[int], object] | None = None) -> list[Fault]:
    """Faults of an index: everything in it is read and compared with its checksums.

    Parameters
    ----------
    folder
        the one that was indexed.
    progress
        called with the number of clips read since its last call.

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
                if problem := unlike_its_poses(record):
                    faults.append(Fault(path, f"{name}: {problem}"))
                seen.add(name)
        except FormatError as exc:
            text = str(exc).removeprefix(f"{path}: ").split(f"; {_again(index)}")[0]
            faults.append(Fault(path, text))
        if progress:
            progress(batch.clips)
    return faults


def unlike_its_poses(record: Record) -> str | None:
    """Where the embeddings of a clip are none of its poses; None = nowhere."""
    known = known_frames(record.embeddings)
    seen = (record.poses.score > 0).sum(axis=1) >= MIN_JOINTS
    if not known.any():
        return "all means are NaN: it shows nobody"
    if (known != seen).any():
        frame = int(np.flatnonzero(known != seen)[0])
        what = "no embedding" if seen[frame] else "an embedding, but nobody is seen"
        return f"frame {frame} has {what}"
    return None


def command(index: Index) -> str:
    """Command that rebuilds an index from its source."""
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
    return f"rebuild the index with `{command(index)} --force`"
