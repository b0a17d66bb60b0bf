"""The functions of `vipecli`, called with files, and what they return."""

import doctest
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import vipecli
from tests.media import make_video
from tests.outputs.test_synced import half_speed, poses
from vipecli import api
from vipecli.alignment.takes import Clip, Match, Session
from vipecli.embedding.embed import Embeddings
from vipecli.errors import NoPoseError, VipeError
from vipecli.video.source import ClipSource


@pytest.fixture(scope="module")
def aligned(tmp_path_factory):
    """Two little clips, b half as fast."""
    folder = tmp_path_factory.mktemp("api")
    clips = []
    for name, count in (("a.mp4", 10), ("b.mp4", 20)):
        path = make_video(folder / name, range(0, 40 * count, 40))
        flat = np.zeros((count, 16), np.float32)
        seen = Embeddings(flat, flat + 1, np.arange(count) / 25, "demo:0", (1.0, 4.0))
        clips.append(Clip(ClipSource(path), poses(path), seen))
    a, b = clips
    match = Match(b, b.embeddings, half_speed(), same_action=0.9)
    return api.Aligned(Session((a, b), 0, (None, match)))


def test_what_an_alignment_tells(aligned):
    assert aligned.path.shape == aligned.times.shape == (20, 2)
    assert aligned.match_probability.shape == (20,)
    assert aligned.warp(np.array([0.2])) == pytest.approx(0.42, abs=0.05)
    assert aligned.warp(np.array([0.4]), onto="b") == pytest.approx(0.2, abs=0.05)
    assert [len(clip) for clip in aligned.clips] == [10, 20]


@pytest.mark.parametrize("kind", [".mp4", ".json", ".csv", ".png", ".svg", ".otio", ".edl"])
def test_save_goes_by_the_extension(aligned, tmp_path, kind):
    out = aligned.save(tmp_path / f"out{kind}")
    assert out.stat().st_size > 200
    first = out.read_bytes()
    if kind != ".mp4":
        assert aligned.save(out).read_bytes() == first, "the same bytes twice"
    if kind == ".json":
        assert json.loads(first) == aligned.as_dict()


def test_save_refuses(aligned, tmp_path):
    with pytest.raises(VipeError, match=r"out\.txt: use a name that ends in one of \.mp4, "):
        aligned.save(tmp_path / "out.txt")
    with pytest.raises(VipeError, match="would replace an input"):
        aligned.save(aligned.clips[0].path)
    with pytest.raises(ValueError, match="style: for videos only"):
        aligned.save(tmp_path / "out.json", style="side")
    assert list(tmp_path.iterdir()) == []


FUNCTIONS = "align", "classify", "compare", "embed", "lift", "search"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_package_hands_out_functions(name):
    assert getattr(vipecli, name) is getattr(api, name)
    assert name in dir(vipecli)


def test_functions_stay_functions_whatever_is_imported():
    code = (
        "import vipecli, sys; assert 'numpy' not in sys.modules; "
        "import vipecli.alignment.align, vipecli.embedding.embed, vipecli.index.classify; "
        "import vipecli.index.search, vipecli.lifting.lift, vipecli.alignment.compare; "
        f"names = {FUNCTIONS}; "
        "assert [type(getattr(vipecli, n)).__name__ for n in names] == ['function'] * 6"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(VipeError, match=r"gone\.mp4: no such file"):
        vipecli.align(tmp_path / "gone.mp4", tmp_path / "b.mp4")
    with pytest.raises(VipeError, match=r"gone\.mp4: no such file"):
        vipecli.embed(str(tmp_path / "gone.mp4"))


def test_no_repetition(aligned, monkeypatch):
    a, b = aligned.clips
    nothing = Session((a, b), 0, (None, Match(b, b.embeddings, None, every=True)))
    monkeypatch.setattr(api, "_people", lambda *_: [[a], [b]])
    monkeypatch.setattr(api, "match_clips", lambda *_, **__: nothing)
    with pytest.raises(NoPoseError, match="shows nothing like"):
        vipecli.align(a.path, b.path, every=True)


def test_all_public_names_are_there():
    assert set(vipecli._PUBLIC) | {"__version__"} == set(vipecli.__all__)
    for name in vipecli.__all__:
        assert getattr(vipecli, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'algin'"):
        vipecli.algin  # noqa: B018


@pytest.fixture(scope="module")
def squats(tmp_path_factory):
    """Two real clips of a squat under the names of the docstrings."""
    folder = tmp_path_factory.mktemp("squats")
    clips = Path(__file__).parents[1] / "examples/clips/squat"
    shutil.copy(clips / "squat_000_ada.mp4", folder / "front.mp4")
    shutil.copy(clips / "squat_120_ben.mp4", folder / "back.mp4")
    return folder


def test_the_examples_run(squats, monkeypatch):
    monkeypatch.chdir(squats)
    for name in ("align", "compare", "embed", "lift"):
        (test,) = doctest.DocTestFinder(recurse=False).find(getattr(api, name), name)
        assert test.examples, name
        assert doctest.DocTestRunner().run(test).failed == 0, name


def test_results_save_themselves_and_are_one_line(squats, tmp_path, monkeypatch):
    monkeypatch.chdir(squats)
    compared = vipecli.compare("front.mp4", "back.mp4")
    lifted, embedded = vipecli.lift("front.mp4"), vipecli.embed("front.mp4")
    for result, kinds in (
        (compared, (".json", ".csv", ".png")),
        (lifted, (".npz", ".json", ".trc", ".bvh")),
        (embedded, (".npz",)),
    ):
        assert "\n" not in repr(result) and len(repr(result)) < 160 and "front.mp4" in repr(result)
        for kind in kinds:
            assert result.save(tmp_path / f"out{kind}").stat().st_size > 500
        with pytest.raises(VipeError, match=r"out\.txt: use a name that ends in one of"):
            result.save(tmp_path / "out.txt")
        with pytest.raises(VipeError, match=r"out\.txt|input"):
            result.save(squats / "out.txt")
    saved = json.loads((tmp_path / "out.json").read_text())
    assert saved, "of the lifted clip, written last"
    assert compared.as_dict()["inputs"] == ["front.mp4", "back.mp4"]
    assert repr(embedded.embeddings).startswith("Embeddings(")
    assert "\n" not in repr(compared.match) + repr(compared.match.alignment)


def test_an_index_answers(squats, tmp_path, monkeypatch):
    folder = tmp_path / "labelled"
    for name, label in (("front", "squat"), ("back", "squat")):
        (folder / label).mkdir(parents=True, exist_ok=True)
        shutil.copy(squats / f"{name}.mp4", folder / label / f"{name}.mp4")
    command = [sys.executable, "-m", "vipecli", "index", "build", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    found = vipecli.classify(squats / "front.mp4", folder)
    assert [one.clip for one in found.neighbours] == ["squat/back.mp4"], "the clip itself is out"
    assert "front.mp4" in repr(found) and "\n" not in repr(found)
    assert json.loads(found.save(tmp_path / "label.json").read_text())["clip"].endswith("front.mp4")
    poses = vipecli.search(squats / "front.mp4", folder, time_s=1.0)
    assert poses.found[0].clip == "squat/back.mp4" and "back.mp4" in repr(poses)
    assert json.loads(poses.save(tmp_path / "poses.json").read_text()) == poses.as_dict()


def test_settings_by_name_or_as_an_object():
    with pytest.raises(ValueError, match="ends is 'ajar'"):
        vipecli.align("a.mp4", "b.mp4", ends="ajar")
    with pytest.raises(ValueError, match="mirror: give it in `settings`"):
        vipecli.align("a.mp4", "b.mp4", settings=vipecli.Settings(), mirror="yes")
    with pytest.raises(ValueError, match="pose is '4d'"):
        vipecli.compare("a.mp4", "b.mp4", pose="4d")
