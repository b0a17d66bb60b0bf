"""Process many clips with progress bars, and list the failures at the end."""

import contextlib
import json
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from vipecli.cli.console import debugging, note, progress_bars
from vipecli.embedding.batch import embed_all
from vipecli.embedding.clip import Recipe
from vipecli.embedding.embedded_folder import Entry, Slot, passed_over
from vipecli.engine import Executor, Outcome
from vipecli.errors import VipeError
from vipecli.files import check_output, check_writable, sweep, writable
from vipecli.urls import refuse_url

_REPORT_S = 30.0  # between lines about the progress, where there is no terminal for bars
_NAMED = 3  # files that a note names


def embed_with_progress(
    wanted: Sequence[Slot],
    recipe: Recipe,
    *,
    executor: Executor | None = None,
    force: bool = False,
    moved: bool = True,
    log: Path | None = None,
) -> tuple[list[Entry], list[Outcome]]:
    """Make the files of all slots; list the failures on standard error.

    Parameters
    ----------
    wanted, recipe, executor, force, moved
        as in `embedding.batch.embed_all`.
    log
        receives each failure and each damaged video as it comes, a JSON object per line; None =
        no file.

    Returns
    -------
    Entries in the order of the slots, and the outcomes of the others.

    Raises
    ------
    VipeError
        if a folder for the files cannot be made or written, or if the outcome of a clip is missing.
    """
    _check_outputs(wanted, log)
    order = {slot: i for i, slot in enumerate(wanted)}
    entries: list[Entry] = []
    failures: list[Outcome] = []
    with progress_bars() as bars, _log(log) as lines:
        pace = _Pace(len(wanted), silent=not bars.disable)
        files = bars.add_task("clips", total=len(wanted), unit="files")
        frames = bars.add_task("poses", total=0, unit="frames", visible=False)

        def tick(steps: int, *, ahead: int = 0) -> None:
            if ahead:
                bars.update(frames, total=bars.tasks[frames].total + ahead, visible=True)
            bars.advance(frames, steps)

        for outcome in embed_all(
            wanted,
            recipe,
            executor=executor,
            force=force,
            moved=moved,
            tick=tick,
        ):
            bars.advance(files)
            pace.advance()
            _write(lines, outcome)
            if outcome.error:
                failures.append(_without_trace(outcome))
            else:
                entries.append(outcome.result)
    for entry in entries:
        for remark in entry.remarks:
            note(remark)
    list_failures(failures, len(wanted))
    _check_complete(wanted, [*(entry.slot for entry in entries), *(f.item for f in failures)])
    return sorted(entries, key=lambda entry: order[entry.slot]), failures


def note_passed_over(folder: Path) -> None:
    """Say which keypoint files of a folder are no clips, since videos lie beside them."""
    if beside := passed_over(folder):
        names = ", ".join(path.name for path in beside[:_NAMED])
        more = f" and {len(beside) - _NAMED} more" if len(beside) > _NAMED else ""
        note(
            f"{folder}: keypoint files beside videos are passed over ({names}{more}); name them, "
            "or a folder without videos, to embed them"
        )


def _check_outputs(wanted: Sequence[Slot], log: Path | None) -> None:
    """Make the folders of the files, and refuse what could not be written there."""
    for store in {slot.store for slot in wanted}:
        refuse_url(store)
        try:
            store.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise VipeError(
                f"{store}: cannot be made ({exc.strerror}); choose another folder with --out"
            ) from exc
        check_writable(store)
        sweep(store)
    if log is not None:
        check_output(log, *(s.video for s in wanted if isinstance(s.video, Path)))


def _check_complete(wanted: Sequence[Slot], settled: Sequence[Slot]) -> None:
    """Raise unless every clip has exactly one outcome: a clip must never be dropped silently."""
    if Counter(wanted) == Counter(settled):
        return
    lost = sorted((Counter(wanted) - Counter(settled)).elements(), key=lambda slot: slot.name)
    named = lost[0].video if lost else settled[0].video
    raise VipeError(
        f"{named}: {len(settled)} of {len(wanted)} clips have an outcome, an error in vipe itself; "
        "run the command again to go on, and please report it"
    )


class _Pace:
    """Reports progress, pace and remaining time at intervals."""

    def __init__(self, total: int, *, silent: bool) -> None:
        self._total, self._done, self._silent = total, 0, silent
        self._start = self._told = time.monotonic()

    def advance(self) -> None:
        """Count a finished file."""
        self._done += 1
        now = time.monotonic()
        if self._silent or now - self._told < _REPORT_S or self._done == self._total:
            return
        self._told = now
        rate = self._done / (now - self._start)
        minutes, seconds = divmod(round((self._total - self._done) / rate), 60)
        hours, minutes = divmod(minutes, 60)
        note(
            f"{self._done} of {self._total} clips, {60 * rate:.1f} per minute, "
            f"{hours}:{minutes:02d}:{seconds:02d} left"
        )


@contextlib.contextmanager
def _log(path: Path | None) -> Iterator[TextIO | None]:
    if path is None:
        yield None
        return
    with path.open("w", encoding="utf-8", buffering=1) as file:  # line by line: it may be killed
        yield file


def _write(lines: TextIO | None, outcome: Outcome) -> None:
    """Log a video that failed, or of which only a part could be read."""
    if lines is None:
        return
    if error := outcome.error:
        kind = type(error).__name__
        records = [{"video": str(outcome.item.video), "error": kind, "message": str(error)}]
    else:
        video = str(outcome.result.slot.video)
        records = [{"video": video, "warning": remark} for remark in outcome.result.remarks]
    for record in records:
        lines.write(writable(json.dumps(record, ensure_ascii=False)) + "\n")


def _without_trace(failure: Outcome) -> Outcome:
    """Drop the traces of a failure, whose frames hold the poses of the clip; shown before if asked.

    The frames themselves are left alone: some belong to generators that are still in use.
    """
    if debugging():
        traceback.print_exception(failure.error)
    error: BaseException | None = failure.error
    while error is not None and error.__traceback__ is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
    return failure


def list_failures(failures: list[Outcome], total: int) -> None:
    """List on standard error what failed, and why."""
    if not failures:
        return
    note(f"{len(failures)} of {total} clips failed:")
    for outcome in failures:
        if debugging() and outcome.error.__traceback__:
            traceback.print_exception(outcome.error)
        expected = isinstance(outcome.error, VipeError)
        where = getattr(outcome.item, "video", None) or getattr(outcome.item, "name", "")
        kind = "" if expected else f"{where}: {type(outcome.error).__name__}: "
        note(f"{kind}{outcome.error}")
