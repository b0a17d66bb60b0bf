"""Run a task over many items on a Ray cluster [extra ray].

One actor per core does one item after another, as a process of the local pool does: the models that
a task keeps are loaded once per actor, and only items and results travel. Actors start and end with
the nodes of the cluster.
"""

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from vipecli.engine.outcome import Outcome, Task, Tick, ignore
from vipecli.engine.ray_crew import Crew
from vipecli.engine.retries import with_retries
from vipecli.errors import MissingExtraError, VipeError

_MEMORY_BYTES = 100 << 20  # of the object store of a Ray of our own: small results pass through it
_PASSED_ON = (
    *("VIPE_", "OMP_NUM_THREADS", "PYTHONPATH"),
    *("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION"),
)
"""Variables of the environment that actors are given; names or how they begin.

No credentials, which Ray would keep: nodes have their own, or a URL carries them.
"""


@dataclass(frozen=True)
class Ray:
    """Runs tasks in actors of a Ray cluster; an `Executor`.

    Attributes
    ----------
    address
        ``auto`` for the cluster that runs on this machine, ``ray://HOST:PORT`` for another; None =
        as a Ray job says, or else a Ray of its own on this machine, on the loopback interface.
    jobs
        actors at most; None = one per core of the cluster.
    limit_s
        time for one item, seconds; then its actor is ended. None = any.
    """

    address: str | None = None
    jobs: int | None = None
    limit_s: float | None = None

    def __post_init__(self) -> None:
        """Refuse what could not work.

        Raises
        ------
        ValueError
            if `jobs` is below 1, or `limit_s` not above 0.
        """
        if self.jobs is not None and self.jobs < 1:
            raise ValueError(f"jobs is {self.jobs}; at least one actor has to work")
        if self.limit_s is not None and not self.limit_s > 0:
            raise ValueError(f"limit_s is {self.limit_s}; an item needs some time")

    def run(
        self, task: Task, items: Iterable[Any], *, tick: Tick | None = None
    ) -> Iterator[Outcome]:
        """Yield the outcome of every item as it is there, see `Executor`.

        Steps are reported when an item is done.

        Raises
        ------
        MissingExtraError
            if Ray is not installed.
        VipeError
            if there is no cluster, it has no room, or its nodes have another vipe.
        """
        with _connected(self.address, self.jobs) as ray:
            task_ref = ray.put(task)

            def one_pass(items: Iterable[Any], alone: bool, aside: list[Any]) -> Iterator[Outcome]:
                crew = Crew(ray, task_ref, iter(items), self.jobs, self.limit_s, alone, aside)
                try:
                    yield from crew.run(tick or ignore)
                finally:
                    crew.end()

            yield from with_retries(one_pass, items)


@contextmanager
def _connected(address: str | None, jobs: int | None) -> Iterator[Any]:
    """Ray, connected; a connection that was there stays.

    Raises
    ------
    MissingExtraError, VipeError
        as `Ray.run`.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")  # reports of deaths, on our stdout
    alone = address is None and "RAY_ADDRESS" not in os.environ
    if alone:  # by its name a matter of other systems; here, too, it keeps Ray on the loopback
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    try:
        import ray
    except ImportError as exc:
        raise MissingExtraError(
            "Ray is not installed; pip install 'vipecli[ray]', or leave --engine ray out"
        ) from exc
    if ray.is_initialized():
        yield ray
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        own = {"num_cpus": jobs, "include_dashboard": False, "object_store_memory": _MEMORY_BYTES}
        ray.init(
            address,
            **(own if alone else {}),
            log_to_driver=False,
            logging_level="ERROR",
            runtime_env={"env_vars": _passed_on()},
        )
    except Exception as exc:  # a node that is slow to start is no more than an Exception
        problem = str(exc).splitlines() or [type(exc).__name__]
        where = address or os.environ.get("RAY_ADDRESS") or "this machine"
        raise VipeError(
            f"no Ray cluster at {where} ({problem[0]}); start one with `ray start --head`"
        ) from exc
    try:
        if signal.getsignal(signal.SIGTERM) is not before:  # Ray sets one of its own
            signal.signal(signal.SIGTERM, before)
        yield ray
    finally:
        ray.shutdown()


def _passed_on() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(_PASSED_ON)}
