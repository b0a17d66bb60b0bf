"""On a real cluster of two nodes; `pytest -m ray` with the extra ray installed."""

import json
import os
import signal
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from tests.bodies import seen, waving
from tests.evaluate.test_penn import write_mat
from tests.fake_s3 import fake_s3
from tests.ray_cluster import cluster
from vipecli.embedding.done_list import load_marks
from vipecli.poses.formats import save_poses

pytest.importorskip("ray")
pytestmark = [
    pytest.mark.ray,
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc"),
]

PATIENCE_S = 240


@pytest.fixture(scope="module")
def nodes():
    """Two nodes with a core each."""
    with (
        tempfile.TemporaryDirectory(prefix="ray", dir="/tmp") as folder,
        cluster(Path(folder)) as it,
    ):
        yield it


@pytest.fixture
def clips(tmp_path):
    """Forty keypoint files, and one that is damaged."""
    folder = tmp_path / "clips" / "squat"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(40):
        motion = waving(12 + i)
        motion += rng.normal(0, 0.01, motion.shape)
        save_poses([seen(motion)], folder / f"{i}.json", format="coco")
    (folder / "bad.json").write_text((folder / "0.json").read_text()[:-30])
    return folder.parent


def finished(driver, *codes):
    """Standard output and error of a driver that has ended as it should."""
    out, err = driver.communicate(timeout=PATIENCE_S)
    assert driver.returncode in codes, (driver.returncode, out, err)
    return out, err


def files(folder):
    """Content of the files of clips."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("[!.]*.npz")}


def rows(out):
    """Outcomes that a driver has printed."""
    return [json.loads(line) for line in out.splitlines()]


def wait_for(condition):
    """Wait until something is so."""
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until, "it never came about"
        time.sleep(0.05)


def test_what_fails_dies_or_hangs_costs_no_other(nodes):
    out, _ = finished(nodes.python("tests.ray_driver", "square", list(range(8)), 20), 0)
    found = {item: (result, error) for item, result, error, _ in rows(out)}
    assert found == {
        **{i: (i * i, None) for i in (0, 1, 2, 4, 7)},
        3: (None, "VideoError"),
        5: (None, "UnfinishedError"),
        6: (None, "UnfinishedError"),
    }
    assert rows(out)[-1][0] == 5, "what kills its process comes last"
    assert rows(out)[-1][3] == sum((0, 1, 2, 3, 4, 7))


def test_an_item_that_cannot_be_rebuilt_costs_none_of_those_sent_with_it(nodes):
    items = [*range(10, 60), -1, *range(60, 90)]
    found = rows(finished(nodes.python("tests.ray_driver", "square", items), 0)[0])
    assert sorted(item for item, _, _, _ in found) == sorted(items)
    assert [(item, error) for item, _, error, _ in found if error] == [(-1, "RuntimeError")]


def test_what_was_done_in_time_is_not_given_up_because_its_outcome_was_taken_late(nodes, tmp_path):
    items = [[str(tmp_path / str(i)), 0.2] for i in range(4)]
    driver = nodes.python("tests.ray_driver", "nap", json.dumps(items), 0.8, 1.2)
    assert [error for _, _, error, _ in rows(finished(driver, 0)[0])] == [None] * 4


def test_nodes_without_what_actors_need_are_told_of(nodes):
    _, err = finished(nodes.python("tests.ray_driver", "absent", [1, 2, 3]), 1)
    assert "an actor cannot start: ModuleNotFoundError" in err.splitlines()[-1]
    assert "is vipe on every node?" in err.splitlines()[-1]


def test_ray_embeds_what_one_process_embeds(nodes, clips, vipe, tmp_path):
    assert vipe("embed", clips, "--out", tmp_path / "local")[0] == 1
    log = tmp_path / "log.jsonl"
    driver = nodes.vipe("embed", clips, "--out", tmp_path / "ray", "--engine", "ray", "--log", log)
    out, err = finished(driver, 1)
    assert out.startswith("40 embedded, 0 were done already")
    assert "1 of 41 clips failed" in err
    assert json.loads(log.read_text())["video"] == str(clips / "squat" / "bad.json")
    assert files(tmp_path / "ray") == files(tmp_path / "local")
    (tmp_path / "ray" / "squat" / "3.json.npz").unlink()
    again = nodes.vipe("embed", clips, "--out", tmp_path / "ray", "--engine", "ray")
    assert finished(again, 1)[0].startswith("1 embedded, 39 were done already")


def test_ray_embeds_urls_as_one_process_embeds_files(nodes, clips, vipe, tmp_path):
    (clips / "squat" / "bad.json").unlink()
    assert vipe("embed", clips / "squat" / "*.json", "--out", tmp_path / "local")[0] == 0
    with fake_s3() as s3:
        for path in (clips / "squat").iterdir():
            s3.objects[f"bucket/squat/{path.name}"] = path.read_bytes()
        pattern = s3.url("me:secret@bucket/squat/*.json")
        command = ("embed", pattern, "--out", tmp_path / "ray", "--engine", "ray")
        out, err = finished(nodes.vipe(*command), 0)
        assert (out.split(",")[0], err) == ("40 embedded", "")
        done = len(s3.downloads)
        again = finished(nodes.vipe(*command), 0)[0]
        assert again.startswith("0 embedded, 40 were done already")
        assert len(s3.downloads) == done
    assert files(tmp_path / "ray") == files(tmp_path / "local")
    assert "secret" not in (tmp_path / "ray" / ".done.jsonl").read_text()


def test_ray_indexes_and_labels_what_one_process_does(nodes, clips, vipe, tmp_path):
    (clips / "squat" / "bad.json").unlink()
    indexed = {}
    for engine in ("local", "ray"):
        arguments = ("index", "build", clips, "--out", tmp_path / engine)
        if engine == "local":
            assert vipe(*arguments)[0] == 0
        else:
            finished(nodes.vipe(*arguments, "--engine", "ray"), 0)
        folder = tmp_path / engine / ".vipe" / "index.parquet"
        indexed[engine] = {p.name: p.read_bytes() for p in folder.glob("*.parquet")}
    assert indexed["ray"] == indexed["local"]
    queries = tmp_path / "queries"
    queries.mkdir()
    for i in (3, 7, 12):
        save_poses([seen(waving(30 + i))], queries / f"{i}.json", format="coco")
    label = ("classify", queries, "--index", tmp_path / "local", "--json", "-")
    code, out, _ = vipe(*label)
    assert code == 0
    assert finished(nodes.vipe(*label, "--engine", "ray"), 0)[0] == out


def test_ray_evaluates_what_one_process_does(nodes, vipe, tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "penn").mkdir()
    for i in range(12):
        xy = rng.uniform(20, 200, (1, 13, 2)) + rng.normal(0, 3, (14 + i, 13, 2)).cumsum(axis=0)
        where = tmp_path / "penn" / "labels" / f"{i:04d}.mat"
        write_mat(where, xy, np.ones((14 + i, 13), np.uint8), ("squat", "bowl")[i % 2])
    penn = ("evaluate", "penn", tmp_path / "penn", "--hubs", 0, "--json")
    figures = {}
    for engine in ("local", "ray"):
        result = tmp_path / f"{engine}.json"
        if engine == "local":
            assert vipe(*penn, result)[0] == 0
        else:
            finished(nodes.vipe(*penn, result, "--engine", "ray"), 0)
        figures[engine] = json.loads(result.read_text())
    assert figures["ray"] == figures["local"]
    assert figures["local"]["queries"] == 12


def test_ray_measures_retrieval_as_one_process_does(nodes, vipe, tmp_path):
    np.savez(tmp_path / "m.npz", walk=waving(200).astype(np.float32))
    asked = ("evaluate", "retrieval", tmp_path / "m.npz", "--held-out", "*", "--poses", 50)
    asked = (*asked, "--cameras", "chest", "--json", "-")
    code, out, err = vipe(*asked)
    assert code == 0, err
    assert finished(nodes.vipe(*asked, "--engine", "ray"), 0)[0] == out


def test_a_worker_that_is_killed_loses_nothing(nodes, tmp_path):
    items = [[str(tmp_path / str(i)), 1.0] for i in range(8)]
    driver = nodes.python("tests.ray_driver", "nap", json.dumps(items))
    wait_for(lambda: len(list(tmp_path.iterdir())) >= 3)
    victims = [pid for node in nodes.nodes for pid in nodes.workers(node)]
    os.kill(victims[0], signal.SIGKILL)
    out, _ = finished(driver, 0)
    assert sorted(item for item, _, _, _ in rows(out)) == sorted(items)
    assert all(error is None for _, _, error, _ in rows(out))
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) in (8, 9)


def test_a_driver_that_is_killed_loses_only_what_is_in_flight(nodes, clips, tmp_path):
    command = ("embed", clips, "--out", tmp_path / "out", "--engine", "ray")
    driver = nodes.vipe(*command)
    wait_for(lambda: len(files(tmp_path / "out")) >= 5)
    driver.kill()
    driver.communicate()
    wait_for(lambda: not [pid for node in nodes.nodes for pid in nodes.workers(node)])
    kept = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("[!.]*.npz")}
    out, _ = finished(nodes.vipe(*command), 1)
    assert len(files(tmp_path / "out")) == 40
    done = int(out.split("embedded, ")[1].split()[0])
    assert len(kept) - done <= 2, "at most what was in flight is looked at again"
    assert all(path.stat().st_mtime_ns == made for path, made in kept.items())
    assert len(load_marks(tmp_path / "out")) == 40


def test_a_node_that_is_killed_costs_its_items_nothing(nodes, tmp_path):
    items = [[str(tmp_path / str(i)), 1.0] for i in range(10)]
    driver = nodes.python("tests.ray_driver", "nap", json.dumps(items))
    wait_for(lambda: len(list(tmp_path.iterdir())) >= 3 and nodes.workers(nodes.nodes[1]))
    nodes.kill_node(nodes.nodes[1])
    out, _ = finished(driver, 0)
    assert sorted(item for item, _, _, _ in rows(out)) == sorted(items)
    assert all(error is None for _, _, error, _ in rows(out))
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) in (10, 11)
    nodes.add_node()
    nodes.wait(2)
