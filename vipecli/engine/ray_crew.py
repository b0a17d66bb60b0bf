"""Actors of a Ray cluster that go through items, one per core.

An actor that died with its node costs its items nothing; one that died alone does, see `retries`.
Quick items are handed over several at a time, since each call costs about as much as they do.
"""

import os
import signal
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from vipecli.engine.outcome import Outcome, Task, Tick
from vipecli.engine.pool import WorkerTracebackError
from vipecli.engine.retries import overran
from vipecli.engine.worker import Answer, answer_to
from vipecli.errors import VipeError

_POLL_S = 2.0  # between looks at the clock, and at how many cores there are
_STARTING_S = 600.0  # that a cluster may take until a first actor runs
_NODE_S = 10.0  # that a node may take to be known as gone, when an actor on it has died
_CALL_S = 0.3  # of work that an actor is given at a time, if one item is not more
_MOST_AT_ONCE = 50  # items
_TAKING_S = 0.05  # that items may take to come before those that are there are handed over
_NODE_LOSSES = 20  # of one item, after which it is no longer taken for the victim


class _Actor:
    """A process of the cluster."""

    def __init__(self, task: Task, folder: str) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if os.path.isdir(folder):  # so that relative paths mean the same
            os.chdir(folder)
        self._task = task

    def ready(self) -> tuple[str, str]:
        """Node that it runs on, and its version of vipe."""
        import ray

        from vipecli import __version__

        return ray.get_runtime_context().get_node_id(), __version__

    def do(self, items: list[Any]) -> list[Answer]:
        """Do the task for the items, in their order, the last ones only if the first were quick."""
        end_s, answers = time.monotonic() + _CALL_S, []
        for item in items:
            answers.append(self._do(item))
            if time.monotonic() > end_s:
                break
        return answers

    def _do(self, item: Any) -> Answer:
        steps = ahead = 0

        def report(so_far: Answer) -> None:
            nonlocal steps, ahead
            steps, ahead = steps + so_far.steps, ahead + so_far.ahead

        answer = answer_to(self._task, item, report)
        return replace(answer, steps=steps + answer.steps, ahead=ahead + answer.ahead)


# -- in the driver ---------------------------------------------------------------------------------


@dataclass
class _Member:
    """An actor, what it is asked at the moment, and since when."""

    actor: Any
    asked: Any  # the reference that its answer will have
    node: str = ""  # empty until it is ready
    items: Sequence[Any] = ()
    since_s: float = 0.0

    @property
    def busy(self) -> bool:
        return bool(self.items)


@dataclass(frozen=True)
class _Lost:
    """An item whose actor has died; with its node, perhaps."""

    item: Any
    node: str
    since_s: float


class Crew:
    """Actors that go through items once."""

    def __init__(
        self,
        ray: Any,
        task_ref: Any,
        items: Iterator[Any],
        jobs: int | None,
        limit_s: float | None,
        alone: bool,
        aside: list[Any],
    ) -> None:
        self._ray, self._task_ref, self._items = ray, task_ref, items
        self._jobs, self._limit_s, self._alone, self._aside = jobs, limit_s, alone, aside
        self._members: dict[Any, _Member] = {}  # by the reference of what they were asked
        self._idle: list[_Member] = []
        self._next: deque[Any] = deque()  # items that were taken, or come back undone
        self._singly: deque[Any] = deque()  # those that go before them, one at a time
        self._each_s = _CALL_S  # that an item took lately
        self._doubtful: list[_Lost] = []
        self._losses: dict[int, int] = {}  # with nodes, by the identity of the item
        self._make = ray.remote(num_cpus=1, scheduling_strategy="SPREAD")(_Actor).remote
        self._looked_s, self._most = -_POLL_S, 0
        self._alive_s = time.monotonic()  # when an actor last answered, or an item came

    def run(self, tick: Tick) -> Iterator[Outcome]:
        """Yield the outcome of every item, but of those that are put aside."""
        while True:
            self._settle()
            self._hire()
            yield from self._hand_over()
            if not (self._more() or self._doubtful or self._working()):
                return
            answered = [self._members.pop(asked) for asked in self._answered()]
            outcomes = [one for member in answered for one in self._receive(member, tick)]
            yield from self._hand_over()  # first, so that actors work while outcomes are taken
            yield from outcomes
            yield from self._give_up()

    def end(self) -> None:
        """End all actors."""
        for one in [*self._members.values(), *self._idle]:
            self._kill(one)

    def _working(self) -> bool:
        return any(one.busy for one in self._members.values())

    def _more(self, count: int = 1) -> bool:
        """Take items ahead until so many wait; return whether they do."""
        while len(self._singly) + len(self._next) < count:
            for item in self._items:
                self._next.append(item)
                self._alive_s = time.monotonic()
                break
            else:
                return False
        return True

    def _hire(self) -> None:
        """Start actors, as many as there are cores for them, or nodes for items alone."""
        if time.monotonic() - self._looked_s >= _POLL_S:
            self._looked_s, self._most = time.monotonic(), self._room()
        starting = sum(not one.node for one in self._members.values()) + len(self._idle)
        there = len(self._members) + len(self._idle)
        while there < self._most and self._more(starting + 1):
            actor = self._make(self._task_ref, os.getcwd())
            asked = actor.ready.remote()
            self._members[asked] = _Member(actor, asked)
            there, starting = there + 1, starting + 1

    def _room(self) -> int:
        if self._alone:
            return max(1, sum(node["Alive"] for node in self._ray.nodes()))
        cores = int(self._ray.cluster_resources().get("CPU", 0))
        return max(1, cores if self._jobs is None else min(self._jobs, cores))

    def _hand_over(self) -> Iterator[Outcome]:
        """Give an item to every idle actor; yields those that cannot be sent."""
        while self._idle and self._more():
            items, one = self._some(), self._idle.pop()
            try:
                one.asked = one.actor.do.remote(items)
            except Exception as exc:  # whatever its pickling raises
                self._idle.append(one)
                if len(items) == 1:
                    yield Outcome(items[0], error=exc)
                else:
                    self._singly.extend(items)
                continue
            one.items, one.since_s = items, time.monotonic()
            self._members[one.asked] = one

    def _some(self) -> list[Any]:
        """Take the next items, as many as an actor does in `_CALL_S`; at least one.

        Towards the end an actor gets its share of them: slow ones may be among them, and each of
        the others would wait for the one before it.
        """
        if self._singly:
            return [self._singly.popleft()]
        quick = int(min(_MOST_AT_ONCE, _CALL_S / max(self._each_s, 1e-9)))
        if self._alone or quick <= 1:
            return [self._next.popleft()]
        actors, until_s = max(len(self._members) + len(self._idle), 1), time.monotonic() + _TAKING_S
        while len(self._next) < quick * actors and time.monotonic() < until_s:
            if not self._more(len(self._next) + 1):
                break
        share = -(-len(self._next) // actors)
        return [self._next.popleft() for _ in range(min(quick, share))]

    def _answered(self) -> list[Any]:
        """Wait for an answer; references of all that are there."""
        asked = list(self._members)
        if not asked:
            time.sleep(_POLL_S)
        ready, rest = self._ray.wait(asked, num_returns=1, timeout=_POLL_S) if asked else ([], [])
        if ready and rest:
            ready += self._ray.wait(rest, num_returns=len(rest), timeout=0)[0]
        if self._working():
            self._alive_s = time.monotonic()
        elif time.monotonic() - self._alive_s > _STARTING_S:
            raise VipeError(
                f"no actor has started within {_STARTING_S:g} s: the cluster has no core for one, "
                "or they die at once; see `ray status`"
            )
        return ready

    def _receive(self, one: _Member, tick: Tick) -> Iterator[Outcome]:
        """Take in answers; yields the outcomes."""
        exceptions = self._ray.exceptions
        try:
            answers = self._ray.get(one.asked)
        except exceptions.RayTaskError as exc:  # of Ray or of vipe itself: the task's are answers
            problem = (str(exc.cause).splitlines() or [""])[0]
            if not one.node:
                raise VipeError(f"an actor cannot work: {problem}; is vipe on every node?") from exc
            items, one.items = one.items, ()
            self._idle.append(one)
            if len(items) == 1:
                error = RuntimeError(f"{items[0]}: an actor could not take it ({problem})")
                yield Outcome(items[0], error=error)
            else:
                self._singly.extend(items)
            return
        except exceptions.RayError as exc:
            if getattr(exc, "actor_init_failed", False):  # so would any other on that node
                problem = str(exc).rstrip().splitlines()[-1].strip()
                raise VipeError(
                    f"an actor cannot start: {problem}; is vipe on every node?"
                ) from exc
            self._lost(one)
            return
        self._alive_s = time.monotonic()
        if not one.node:
            one.node = self._checked(answers)
            self._idle.append(one)
            return
        items, one.items = one.items, ()
        self._idle.append(one)
        self._each_s = (self._each_s + (time.monotonic() - one.since_s) / len(answers)) / 2
        self._next.extendleft(reversed(items[len(answers) :]))
        for item, answer in zip(items, answers, strict=False):  # without those not begun
            self._losses.pop(id(item), None)
            tick(answer.steps, ahead=answer.ahead)
            if answer.error:
                answer.error.__cause__ = WorkerTracebackError(answer.trace)
            yield Outcome(item, answer.result, answer.error)

    def _checked(self, answer: tuple[str, str]) -> str:
        """Node of an actor that is ready, if it has this version of vipe."""
        from vipecli import __version__

        node, version = answer
        if version != __version__:
            raise VipeError(
                f"a node of the cluster has vipe {version}, this is {__version__}; install one "
                "version everywhere, or the results would differ"
            )
        return node

    def _lost(self, one: _Member) -> None:
        """Forget an actor that has died; what it worked on is looked into by `_settle`."""
        self._kill(one)
        self._doubtful += [_Lost(item, one.node, time.monotonic()) for item in one.items]

    def _settle(self) -> None:
        """Take items back whose node has died; put those aside whose actor died alone."""
        if not self._doubtful:
            return
        alive = {node["NodeID"] for node in self._ray.nodes() if node["Alive"]}
        doubtful, self._doubtful = self._doubtful, []
        for lost in doubtful:
            times = self._losses.get(id(lost.item), 0) + 1
            if lost.node not in alive and times <= _NODE_LOSSES:
                self._losses[id(lost.item)] = times
                self._next.appendleft(lost.item)
            elif lost.node in alive and time.monotonic() - lost.since_s < _NODE_S:
                self._doubtful.append(lost)
            else:
                self._losses.pop(id(lost.item), None)
                self._aside.append(lost.item)

    def _give_up(self) -> Iterator[Outcome]:
        """End actors whose item has taken too long; yields those items."""
        if self._limit_s is None:
            return
        for asked, one in list(self._members.items()):
            if not one.busy or time.monotonic() - one.since_s <= self._limit_s:
                continue
            if not self._ray.wait([asked], timeout=0)[0]:  # it may be done, and we were late
                del self._members[asked]
                self._kill(one)
                if len(one.items) == 1:
                    yield Outcome(one.items[0], error=overran(one.items[0], self._limit_s))
                else:
                    self._singly.extend(one.items)

    def _kill(self, one: _Member) -> None:
        with suppress(self._ray.exceptions.RayError):
            self._ray.kill(one.actor)
