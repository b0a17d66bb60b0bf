import importlib.util
import itertools
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from tests.conftest import ROOT
from vipecli import engine
from vipecli.cli.engines import LIBRARIES
from vipecli.errors import UnfinishedError, VideoError


def square(item, tick):
    tick(item)
    if item == 3:
        raise VideoError("3: cannot be squared")
    if item == 5:
        raise ZeroDivisionError
    return item * item


def die_at_two(item, tick):
    if item == 2:
        os._exit(9)
    return square(item, tick)


def outcomes(*args, **options):
    return {o.item: (o.result, type(o.error)) for o in engine.run(*args, **options)}


def test_a_failed_item_does_not_stop_the_others():
    done = list(engine.run(square, range(7)))
    assert [o.item for o in done] == list(range(7))
    assert [o.result for o in done] == [0, 1, 4, None, 16, None, 36]
    assert isinstance(done[3].error, VideoError)
    assert isinstance(done[5].error, ZeroDivisionError)


def test_a_pool_gives_what_one_process_gives():
    ticks = {1: 0, 2: 0}
    results = {}
    for jobs in ticks:

        def count(steps, *, ahead=0, jobs=jobs):
            ticks[jobs] += steps

        results[jobs] = outcomes(square, range(12), jobs=jobs, tick=count)
    assert results[1] == results[2]
    assert ticks == {1: sum(range(12)), 2: sum(range(12))}


def test_a_process_that_dies_takes_only_its_item_along():
    done = outcomes(die_at_two, range(8), jobs=2)
    assert sorted(done) == list(range(8))
    assert done[2] == (None, UnfinishedError)
    assert done[3] == (None, VideoError)
    assert [done[i][0] for i in (0, 1, 4, 6, 7)] == [0, 1, 16, 36, 49]


@pytest.mark.parametrize("jobs", [1, 2])
def test_items_are_taken_as_they_are_needed(jobs):
    taken = []

    def endless():
        for i in itertools.count(10):
            taken.append(i)
            yield i

    results = engine.run(square, endless(), jobs=jobs)
    for _ in range(3):
        next(results)
    results.close()
    assert len(taken) <= 20


def test_leaving_a_pool_early_does_not_wait_for_what_was_queued():
    results = engine.run(slow, itertools.repeat(0.3), jobs=2)
    next(results)
    start = time.monotonic()
    results.close()
    assert time.monotonic() - start < 3


def slow(seconds, tick):
    time.sleep(seconds)
    return seconds


def kill_now_and_then(item, tick):
    """End the process for an item that has tries left, as its file counts them."""
    path, tries = item
    with open(path, "a") as file:
        file.write("x")
    if os.path.getsize(path) <= tries:
        os.kill(os.getpid(), signal.SIGKILL)
    return tries


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_an_item_whose_process_dies_is_tried_twice_more_after_the_others(tmp_path):
    items = [(str(tmp_path / str(i)), tries) for i, tries in enumerate((9, 0, 1, 2, 0))]
    done = [(o.item[1], type(o.error)) for o in engine.run(kill_now_and_then, items, jobs=2)]
    none = type(None)
    assert sorted(done[:2]) == [(0, none), (0, none)]
    assert done[2:] == [(1, none), (2, none), (9, UnfinishedError)]
    assert [os.path.getsize(path) for path, _ in items] == [3, 1, 2, 3, 1]


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_item_that_takes_too_long_is_given_up(jobs):
    done = list(engine.Local(jobs, limit_s=1.0).run(slow, [0.01, 60.0, 0.02, 0.03]))
    assert {o.item: o.result for o in done} == {0.01: 0.01, 60.0: None, 0.02: 0.02, 0.03: 0.03}
    (given_up,) = (o for o in done if o.item == 60.0)
    assert isinstance(given_up.error, UnfinishedError)
    assert "60.0: not done after 1 s" in str(given_up.error)


def test_what_was_done_in_time_is_not_given_up_because_its_outcome_was_taken_late():
    done = []
    for outcome in engine.Local(2, limit_s=0.4).run(slow, [0.1] * 4):
        done.append(outcome.error)
        time.sleep(0.6)
    assert done == [None] * 4


@pytest.mark.parametrize("jobs", [1, 2])
def test_outcomes_in_the_order_of_the_items(jobs):
    naps = [0.3, 0.0, 0.2, 0.0, 0.1]
    done = [(o.item, o.result) for o in engine.in_order(engine.Local(jobs), slow, naps)]
    assert done == [(nap, nap) for nap in naps]


def test_no_jobs_is_refused():
    with pytest.raises(ValueError, match="jobs is 0"):
        engine.run(square, [1], jobs=0)


def test_meanwhile_imports_and_calls_and_never_complains(capfd):
    for function in ("warm_up", "not there"):
        engine.in_background("vipecli.alignment.same_action", function).join()
    engine.in_background("vipecli.no_such_module", "x").join()
    assert capfd.readouterr() == ("", "")


def test_ahead_gives_all_items_and_stays_a_few_ahead():
    made = []

    def count():
        for i in range(20):
            made.append(i)
            yield i

    taken = engine.prefetch(count(), depth=3)
    assert next(taken) == 0
    time.sleep(0.3)
    assert 3 <= len(made) <= 6
    assert [0, *taken] == list(range(20))


def test_ahead_hands_over_errors_and_closes_its_iterator():
    closed = []

    def broken():
        try:
            yield 1
            raise VideoError("x.mp4: damaged")
        finally:
            closed.append(True)

    with pytest.raises(VideoError, match=r"x\.mp4"):
        list(engine.prefetch(broken()))
    assert closed == [True]
    endless = engine.prefetch(forever(closed))
    assert next(endless) == 0
    endless.close()
    assert closed == [True, True]
    assert not [t for t in threading.enumerate() if t.name == "vipe-prefetch"]


def forever(closed):
    try:
        yield from itertools.count()
    finally:
        closed.append(True)


def run_script(folder, text):
    script = folder / "script.py"
    script.write_text("from tests.engine import test_local\nfrom vipecli import engine\n" + text)
    return subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        timeout=60,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder), *filter(None, sys.path)]),
        },
    )


POOL = "print(sorted(o.result for o in engine.run(test_local.square, [2, 4], jobs=2)))\n"


def test_a_script_with_a_guard_can_use_a_pool(tmp_path):
    done = run_script(tmp_path, f"if __name__ == '__main__':\n    {POOL}")
    assert (done.returncode, done.stdout) == (0, "[4, 16]\n"), done.stderr


def test_a_script_without_a_guard_is_told_so(tmp_path):
    done = run_script(tmp_path, POOL)
    assert done.returncode == 1
    assert "VipeError: a process to work in ended" in done.stderr.splitlines()[-1]
    assert "__name__" in done.stderr.splitlines()[-1]


def unpicklable(item, tick):
    if item == 1:
        raise Stubborn(1, 2)
    return (lambda: 0) if item == 2 else item


class Stubborn(Exception):
    def __init__(self, a, b):
        super().__init__("stubborn")


def test_what_cannot_be_sent_is_an_error_of_its_item():
    done = outcomes(unpicklable, range(4), jobs=2)
    assert [done[i][0] for i in range(4)] == [0, None, None, 3]
    assert done[1][1] is RuntimeError
    (lost,) = engine.run(square, [lambda: 0], jobs=2)
    assert lost.error is not None


def test_an_error_in_another_process_comes_with_its_trace():
    (outcome,) = engine.run(square, [3], jobs=2)
    assert "test_local.py" in str(outcome.error.__cause__)


def test_items_may_be_larger_than_a_pipe_holds():
    blocks = [bytes(1 << 20)] * 5
    assert [o.result for o in engine.run(mirror, blocks, jobs=2)] == blocks


def mirror(item, tick):
    return item


def test_no_process_is_left(tmp_path):
    before = multiprocessing.active_children()
    results = engine.run(slow, itertools.repeat(0.1), jobs=2)
    next(results)
    assert len(multiprocessing.active_children()) == len(before) + 2
    results.close()
    assert multiprocessing.active_children() == before


def blocked(item, tick):
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    time.sleep(item)


@pytest.mark.skipif(sys.platform == "win32", reason="there a process just ends")
def test_a_process_that_does_not_listen_is_killed():
    results = engine.run(blocked, [0, 60], jobs=2)
    next(results)
    results.close()
    assert multiprocessing.active_children() == []


def environment_of(name, tick):
    return os.environ.get(name)


def test_processes_have_the_environment_of_the_moment(monkeypatch):
    for value in ("a", "b", None):
        monkeypatch.setenv("VIPE_TEST", value) if value else monkeypatch.delenv("VIPE_TEST")
        assert outcomes(environment_of, ["VIPE_TEST"], jobs=2) == {"VIPE_TEST": (value, type(None))}


@pytest.mark.skipif(sys.platform != "linux", reason="processes start one by one")
def test_modules_are_imported_once_for_all_processes(tmp_path):
    (tmp_path / "costly.py").write_text("import os\nprint('imported', flush=True)\n")
    done = run_script(
        tmp_path,
        "if __name__ == '__main__':\n"
        "    list(engine.run(test_local.import_costly, [1, 2, 3], jobs=3, preload=['costly']))\n",
    )
    assert done.stdout.count("imported") == 1, done.stderr


def import_costly(item, tick):
    time.sleep(0.5)
    importlib.import_module("costly")


def test_the_modules_that_commands_share_exist():
    assert all(importlib.util.find_spec(name) for name in LIBRARIES)
