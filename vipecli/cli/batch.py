"""Work through many clips with progress bars, and tell at the end what failed."""

import traceback
from collections.abc import Sequence

from vipecli.cli.console import debugging, note, progress_bars
from vipecli.clip import Recipe
from vipecli.engine import Outcome
from vipecli.errors import VipeError
from vipecli.files import check_writable
from vipecli.library import Entry, Slot, fill


def fill_with_progress(
    wanted: Sequence[Slot],
    recipe: Recipe,
    *,
    jobs: int = 1,
    force: bool = False,
    moved: bool = True,
) -> tuple[list[Entry], list[Outcome]]:
    """Make the files of all slots; list the failures on standard error.

    Returns
    -------
    Entries in the order of the slots, and the outcomes of the others.

    Raises
    ------
    VipeError
        if a folder for the files cannot be made or written.
    """
    for store in {slot.store for slot in wanted}:
        try:
            store.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise VipeError(
                f"{store}: cannot be made ({exc.strerror}); choose another folder with --out"
            ) from exc
        check_writable(store)
    order = {slot: i for i, slot in enumerate(wanted)}
    entries: list[Entry] = []
    failures: list[Outcome] = []
    with progress_bars() as bars:
        files = bars.add_task("clips", total=len(wanted), unit="files")
        frames = bars.add_task("poses", total=0, unit="frames", visible=False)

        def planned(count: int) -> None:
            bars.update(frames, total=bars.tasks[frames].total + count, visible=True)

        for outcome in fill(
            wanted,
            recipe,
            jobs=jobs,
            force=force,
            moved=moved,
            planned=planned,
            tick=lambda steps: bars.advance(frames, steps),
        ):
            bars.advance(files)
            failures.append(outcome) if outcome.error else entries.append(outcome.result)
    for entry in entries:
        for remark in entry.remarks:
            note(remark)
    list_failures(failures, len(wanted))
    return sorted(entries, key=lambda entry: order[entry.slot]), failures


def list_failures(failures: list[Outcome], total: int) -> None:
    """Tell on standard error what failed, and why."""
    if not failures:
        return
    note(f"{len(failures)} of {total} clips failed:")
    for outcome in failures:
        if debugging():
            traceback.print_exception(outcome.error)
        expected = isinstance(outcome.error, VipeError)
        where = getattr(outcome.item, "video", None) or getattr(outcome.item, "name", "")
        kind = "" if expected else f"{where}: {type(outcome.error).__name__}: "
        note(f"{kind}{outcome.error}")
