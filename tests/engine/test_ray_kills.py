"""Files on a cluster of two nodes that is struck again and again: `pytest -m 'ray and slow'`.

Keypoint files and pieces of rendered films are embedded in parts. During each part the driver is
killed at a random moment and started again, then a node. VIPE_PROOF_FILES and VIPE_PROOF_FILMS set
how many there are.
"""

import os
import random
import re
import shutil
import tempfile
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest

from tests.bodies import seen, waving
from tests.conftest import ROOT
from tests.engine.test_ray import files, finished, wait_for
from tests.media import make_video
from tests.ray_cluster import cluster
from vipecli.embedding.done_list import QUARANTINE
from vipecli.poses.formats import save_poses

pytest.importorskip("ray")
pytestmark = [pytest.mark.ray, pytest.mark.slow]

PARTS = 10
FILES = int(os.environ.get("VIPE_PROOF_FILES", 3000))
FILMS = int(os.environ.get("VIPE_PROOF_FILMS", 40))
FRAMES = 20  # of a film
TRIES = 3  # until driver and node are struck in one run


@pytest.fixture(scope="module")
def nodes():
    """A cluster of two nodes for all parts."""
    with (
        tempfile.TemporaryDirectory(prefix="ray", dir="/tmp") as scratch,
        cluster(Path(scratch)) as found,
    ):
        yield found


@pytest.fixture(params=range(PARTS))
def part(request, tmp_path):
    """Folder with an equal share of the clips, and one damaged file."""
    here = tmp_path / f"part{request.param}"
    rng = np.random.default_rng(request.param)
    (here / "films").mkdir(parents=True)
    for i in range(FILES // PARTS):
        motion = waving(int(rng.integers(20, 80)))
        motion += rng.normal(0, 0.01, motion.shape)
        save_poses([seen(motion)], here / f"{i:04d}.json", format="coco")
    (here / "bad.json").write_text((here / "0000.json").read_text()[:-30])
    share = FILMS // PARTS
    films = islice(pieces(), request.param * share, (request.param + 1) * share)
    for i, pictures in enumerate(films):
        size = pictures[0].shape[1::-1]
        times = range(0, 40 * FRAMES, 40)
        make_video(here / "films" / f"{i}.mp4", times, images=pictures, size=size)
    yield here
    shutil.rmtree(here)


def pieces():
    """Pieces of the rendered example clips, FRAMES pictures each, at half their size."""
    for path in sorted((ROOT / "examples" / "clips").rglob("*.mp4")) * FILMS:
        with av.open(str(path)) as film:
            stream = film.streams.video[0]
            size = {"width": stream.width // 4 * 2, "height": stream.height // 4 * 2}
            pictures = [
                frame.reformat(**size, format="bgr24").to_ndarray() for frame in film.decode(stream)
            ]
        for start in range(0, len(pictures) - FRAMES, FRAMES):
            yield pictures[start : start + FRAMES]


def test_nothing_is_lost_whatever_is_killed(part, nodes, vipe, tmp_path):
    rng = random.Random(part.name)
    local, out = tmp_path / "local", tmp_path / "ray"
    assert vipe("embed", part, "--out", local, "--log", tmp_path / "l")[0]
    expected = files(local)
    command = ("embed", part, "--out", out, "--engine", "ray", "--log", f"{out}.log")
    for _ in range(TRIES):
        driver = strike_driver(nodes, command, out, len(expected), rng)
        node = strike_node(nodes, command, out, len(expected), rng)
        assert files(out) == expected
        assert not (out / QUARANTINE).exists()
        log = (tmp_path / "l").read_text()
        assert log.count("bad.json") and Path(f"{out}.log").read_text() == log
        if driver and node:
            return
        shutil.rmtree(out)  # all was done before the kill
    pytest.fail(f"no driver and node struck in one run of {TRIES}")


def strike_driver(nodes, command, out, count, rng):
    """Kill a run at a random moment, and return whether it was running; what is done stays."""
    until = rng.randrange(1, max(2, count // 2))
    driver = nodes.vipe(*command)
    wait_for(lambda: driver.poll() is not None or len(files(out)) >= until)
    struck = driver.poll() is None
    if struck:
        driver.kill()
    driver.communicate()
    wait_for(lambda: not [pid for node in nodes.nodes for pid in nodes.workers(node)])
    return struck


def strike_node(nodes, command, out, count, rng):
    """Go on, kill a node at a random moment, and return whether it worked; wait until all is done.

    The files that the node worked on may be done twice, no others: not those that it had done, even
    if it had not said so yet.
    """
    kept = {p: p.stat().st_mtime_ns for p in out.rglob("[!.]*.npz")}
    until = rng.randrange(len(kept) + 1, max(len(kept) + 2, count - 20))
    driver = nodes.vipe(*command)
    wait_for(lambda: driver.poll() is not None or len(files(out)) >= until)
    struck = driver.poll() is None and bool(nodes.workers(nodes.nodes[1]))
    if struck:
        nodes.kill_node(nodes.nodes[1])
    printed, _ = finished(driver, 1)
    assert all(path.stat().st_mtime_ns == made for path, made in kept.items())
    fresh, before = (int(number) for number in re.findall(r"\d+", printed)[:2])
    assert fresh + before == count
    assert fresh <= count - len(kept) + 2, "only what was in flight"
    if len(nodes.nodes) < 2:
        nodes.add_node()
        nodes.wait(2)
    return struck
