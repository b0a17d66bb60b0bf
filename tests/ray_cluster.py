"""A Ray cluster of two nodes on this machine, on the loopback interface, for tests.

`ray start` is called twice: the nodes are processes of their own, and outlive a driver that is
killed, as on real machines.
"""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.conftest import ROOT

ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DISABLE_DOCKER_CPU_WARNING": "1",
    "OMP_NUM_THREADS": "1",
}


class Cluster:
    """Two nodes with a core each; `address` as Ray takes it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self.address = f"127.0.0.2:{self.port}"  # Ray takes 127.0.0.1 for the address outside
        self.nodes: list[subprocess.Popen] = []
        self.started = 0
        self.environment = {
            **os.environ,
            **ENVIRONMENT,
            "PYTHONPATH": str(ROOT),
            "RAY_ADDRESS": self.address,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
        }

    def add_node(self) -> subprocess.Popen:
        """Start a node, the first as head; a process group of its own."""
        first = ["--head", f"--port={self.port}", "--include-dashboard=false"]
        where = ["--address", self.address] if self.started else first
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", *where, "--block"]
        ip = f"--node-ip-address=127.0.0.{2 + self.started}"
        limits = [ip, "--num-cpus=1", "--object-store-memory=80000000", "--disable-usage-stats"]
        temporary = [] if self.started else [f"--temp-dir={self.folder}"]
        environment = {k: v for k, v in self.environment.items() if k != "RAY_ADDRESS"}
        with (self.folder / f"node{self.started}.log").open("w") as log:
            node = subprocess.Popen(
                [*command, *limits, *temporary],
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.nodes.append(node)
        self.started += 1
        return node

    def kill_node(self, node: subprocess.Popen) -> None:
        """Kill a node and all that runs on it, as when a machine loses power."""
        self.nodes.remove(node)
        for pid, _ in _session(node.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        node.wait()

    def workers(self, node: subprocess.Popen) -> list[int]:
        """Processes of actors on a node."""
        return [pid for pid, name in _session(node.pid) if name.startswith("ray::_Actor")]

    def wait(self, count: int, seconds: float = 240.0) -> None:
        """Wait until so many nodes are alive; one that gives up starting is started again."""
        code = (
            "import ray, sys; ray.init(log_to_driver=False, logging_level='ERROR'); "
            "sys.stdout.write(str(sum(n['Alive'] for n in ray.nodes())))"
        )
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            done = subprocess.run(
                [sys.executable, "-c", code], env=self.environment, capture_output=True, text=True
            )
            if done.stdout.strip() == str(count):
                return
            if any(node.poll() is not None for node in self.nodes[1:]):
                self.nodes = [node for node in self.nodes if node.poll() is None]
                self.add_node()
            time.sleep(0.5)
        logs = "\n".join(path.read_text()[-2000:] for path in self.folder.glob("node*.log"))
        raise AssertionError(f"no {count} nodes after {seconds} s\n{done.stderr[-2000:]}\n{logs}")

    def vipe(self, *arguments: object) -> subprocess.Popen:
        """Start the command line as a driver."""
        return self.python("vipecli", *arguments)

    def python(self, module: str, *arguments: object) -> subprocess.Popen:
        """Start a module as a driver."""
        return subprocess.Popen(
            [sys.executable, "-m", module, *map(str, arguments)],
            env=self.environment,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self) -> None:
        """End all nodes, and what they have started."""
        for node in reversed(self.nodes):
            self.kill_node(node)


@contextmanager
def cluster(folder: Path):
    """Two nodes, ended whatever happens; `folder` is best short, since sockets lie in it."""
    made = Cluster(folder)
    try:
        made.add_node()
        made.wait(1)
        made.add_node()
        made.wait(2)
        yield made
    finally:
        made.end()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.2", 0))
        return one.getsockname()[1]


def _session(pid: int) -> list[tuple[int, str]]:
    """Processes of a session, with their names."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            session = (path / "stat").read_text().rpartition(")")[2].split()[3]
            if int(session) == pid:
                name = (path / "cmdline").read_bytes().split(b"\0")[0].decode(errors="replace")
                found.append((int(path.name), name))
    return found
