"""Files on a cluster of two nodes that is struck again and again: `pytest -m 'ray and slow'`.

Keypoint files and pieces of rendered films are embedded in parts. During each part the driver is
killed at a random moment and started again, then a node. VIPE_PROOF_FILES and VIPE_PROOF_FILMS set
how many there are.
"""

import os
import random
import shutil
import tempfile
import time
from contextlib import ExitStack
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


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Folders with an equal share of the clips each, and one damaged file."""
    folder = tmp_path_factory.mktemp("proof")
    rng = np.random.default_rng(0)
    films = pieces()
    for part in range(PARTS):
        here = folder / "clips" / f"part{part}"
        here.mkdir(parents=True)
        for i in range(FILES // PARTS):
            motion = waving(int(rng.integers(20, 80)))
            motion += rng.normal(0, 0.01, motion.shape)
            save_poses([seen(motion)], here / f"{i:04d}.json", format="coco")
        (here / "bad.json").write_text((here / "0000.json").read_text()[:-30])
        (here / "films").mkdir()
        for i, pictures in enumerate(islice(films, FILMS // PARTS)):
            size = pictures[0].shape[1::-1]
            times = range(0, 40 * FRAMES, 40)
            make_video(here / "films" / f"{i}.mp4", times, images=pictures, size=size)
    yield [folder / "clips" / f"part{part}" for part in range(PARTS)]
    shutil.rmtree(folder)


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


def test_nothing_is_lost_whatever_is_killed(parts, vipe, tmp_path):
    rng = random.Random(0)
    struck = {"driver": 0, "node": 0}
    spent = {"local": 0.0, "ray": 0.0}
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp") as scratch, ExitStack() as ending:
        nodes = ending.enter_context(cluster(Path(scratch)))
        for number, part in enumerate(parts):
            begin = time.monotonic()
            assert vipe("embed", part, "--out", tmp_path / "local", "--log", tmp_path / "l")[0]
            spent["local"] += time.monotonic() - begin
            expected = files(tmp_path / "local")
            out = tmp_path / f"ray{number}"
            command = ("embed", part, "--out", out, "--engine", "ray", "--log", f"{out}.log")
            begin = time.monotonic()
            strike_driver(nodes, command, out, len(expected), rng, struck)
            strike_node(nodes, command, out, len(expected), rng, struck)
            spent["ray"] += time.monotonic() - begin
            assert files(out) == expected
            assert not (out / QUARANTINE).exists()
            log = (tmp_path / "l").read_text()
            assert log.count("bad.json") and Path(f"{out}.log").read_text() == log
            shutil.rmtree(tmp_path / "local")
            shutil.rmtree(out)
    print(f"\n{struck} killed in {PARTS} parts; seconds: {spent}")  # noqa: T201
    assert struck["driver"] >= PARTS - 2 and struck["node"] >= PARTS - 2


def strike_driver(nodes, command, out, count, rng, struck):
    """Kill a run at a random moment; what it has done stays as it is."""
    until = rng.randrange(1, max(2, count // 2))
    driver = nodes.vipe(*command)
    wait_for(lambda: driver.poll() is not None or len(files(out)) >= until)
    if driver.poll() is None:
        driver.kill()
        struck["driver"] += 1
    driver.communicate()
    wait_for(lambda: not [pid for node in nodes.nodes for pid in nodes.workers(node)])


def strike_node(nodes, command, out, count, rng, struck):
    """Go on, kill a node at a random moment, and wait until all is done."""
    kept = {p: p.stat().st_mtime_ns for p in out.rglob("[!.]*.npz")}
    until = rng.randrange(len(kept) + 1, max(len(kept) + 2, count - 20))
    driver = nodes.vipe(*command)
    wait_for(lambda: driver.poll() is not None or len(files(out)) >= until)
    if driver.poll() is None and nodes.workers(nodes.nodes[1]):
        nodes.kill_node(nodes.nodes[1])
        struck["node"] += 1
    printed, _ = finished(driver, 1)
    assert all(path.stat().st_mtime_ns == made for path, made in kept.items())
    fresh = int(printed.split(" embedded")[0])
    assert count - len(kept) <= fresh <= count - len(kept) + 2, "only what was in flight"
    if len(nodes.nodes) < 2:
        nodes.add_node()
        nodes.wait(2)
