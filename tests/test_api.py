"""`vipecli.alignment.align` and `vipecli.embedding.embed`, called with files."""

import json
import subprocess
import sys

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


@pytest.mark.parametrize("name", ["align", "classify", "embed"])
def test_the_package_hands_out_functions(name):
    assert getattr(vipecli, name) is getattr(api, name)
    assert name in dir(vipecli)


def test_functions_stay_functions_whatever_is_imported():
    code = (
        "import vipecli, sys; assert 'numpy' not in sys.modules; "
        "import vipecli.alignment.align, vipecli.embedding.embed, vipecli.index.classify; "
        "names = ('align', 'embed', 'classify'); "
        "assert [type(getattr(vipecli, n)).__name__ for n in names] == ['function'] * 3"
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
    monkeypatch.setattr(api, "_read", lambda *_: [a, b])
    monkeypatch.setattr(api, "match_clips", lambda *_, **__: nothing)
    with pytest.raises(NoPoseError, match="shows nothing like"):
        vipecli.align(a.path, b.path, every=True)
