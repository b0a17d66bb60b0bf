"""Models by file and by name; what is not as it should be ends in one line."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from tests import window_model
from vipecli.embedding import clip as clips
from vipecli.embedding import model as models
from vipecli.embedding.model import NAMES, Model, default_weights, options_of, weights_file
from vipecli.errors import WeightsError
from vipecli.poses.formats import save_poses


def changed(path, **facts):
    """Write the model that comes with vipe with other metadata; None leaves one out."""
    model = onnx.load(default_weights())
    known = {entry.key: entry.value for entry in model.metadata_props} | facts
    del model.metadata_props[:]
    for key, value in known.items():
        if value is not None:
            model.metadata_props.add(key=key, value=value)
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(
    "facts",
    [
        {"sigmoid": None},
        {"sigmoid": "5"},
        {"sigmoid": "[1, 2, 3]"},
        {"sigmoid": "[NaN, 1]"},
        {"sigmoid": "[1e400, 2]"},
        {"sigmoid": f"[1{'0' * 400}, 2]"},
        {"sigmoid": "[-1, 2]"},
        {"sigmoid": '["a", "b"]'},
        {"dims": "null"},
        {"dims": "0"},
        {"dims": "true"},
        {"dims": "99999999999999999999"},
        {"joints": "[1]"},
        {"format": "{}"},
        {"without_vertical": '{"dims": 99, "sigmoid": [1, 2]}'},
        {"without_vertical": "[1]"},
    ],
    ids=str,
)
def test_wrong_metadata_are_one_line(tmp_path, facts):
    path = changed(tmp_path / "model.onnx", **facts)
    with pytest.raises(WeightsError, match=r"model\.onnx: "):
        Model.load(path)


def test_a_command_names_the_file(tmp_path, vipe):
    path = changed(tmp_path / "model.onnx", sigmoid="[0, 0]")
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a.mp4").write_bytes(b"")
    code, _, err = vipe("embed", tmp_path / "clips", "--model", path)
    assert (code, err.count("\n")) == (1, 1)
    assert "model.onnx" in err


def test_the_file_as_it_is_can_be_read(tmp_path):
    assert Model.load(changed(tmp_path / "model.onnx")).dims == Model.load().dims


# --- names ---------------------------------------------------------------------------------------


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A folder of weights that come with vipe, for this test: prvipe-t is one that counts."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    window_model.save(folder / NAMES["prvipe-t"])
    (folder / NAMES["prvipe"]).write_bytes(default_weights().read_bytes())
    monkeypatch.setattr(models, "default_weights", lambda file=NAMES["prvipe"]: folder / file)
    monkeypatch.setattr(clips, "_load_model", Model.load)  # keeps none of them for other tests
    monkeypatch.chdir(tmp_path)
    return folder


def test_a_name_is_the_model_that_comes_with_vipe(shipped):
    assert Model.load("prvipe").id == Model.load().id
    assert Model.load("prvipe-t").id.startswith("prvipe-t:")
    assert weights_file("prvipe-t") == shipped / "prvipe_t.onnx"


def test_a_file_of_that_name_wins_and_a_folder_does_not(shipped, tmp_path):
    (tmp_path / "prvipe").mkdir()
    assert weights_file("prvipe") == shipped / "prvipe.onnx"
    (tmp_path / "prvipe-t").write_bytes(b"mine")
    assert str(weights_file("prvipe-t")) == "prvipe-t"
    with pytest.raises(WeightsError, match="prvipe-t: not an ONNX model"):
        Model.load("prvipe-t")


@pytest.mark.parametrize("name", ["prvipe-x", "PRVIPE", "x" * 300, "folder"])
def test_an_unknown_name_is_one_line_with_those_there_are(tmp_path, vipe, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    save_poses([window_model.numbered(np.arange(9) / 30)], tmp_path / "a.npz")
    code, _, err = vipe("align", "a.npz", "a.npz", "--model", name)
    assert (code, err.count("\n")) == (1, 1)
    assert f"{name}: no such file" in err
    assert "prvipe, prvipe-t come with vipe" in err


@pytest.mark.parametrize("path", ["x.onnx", "folder/prvipe", "prvipe.onnx"])
def test_a_path_is_no_name(path):
    assert weights_file(path) == Path(path)
    with pytest.raises(WeightsError, match="cannot read the model"):
        Model.load(path)


def test_a_model_that_the_installation_lacks(shipped, monkeypatch):
    monkeypatch.undo()
    with pytest.raises(WeightsError, match=r"nothing\.onnx is missing from the installation"):
        default_weights("nothing.onnx")


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("prvipe:0123abcd", ""),
        ("prvipe:0123abcd-plain", "--no-vertical"),
        ("prvipe-t:0123abcd", "--model prvipe-t"),
        ("mine:0123abcd-plain", "--model FILE --no-vertical"),
    ],
)
def test_the_options_of_a_model(model, options):
    assert options_of(model) == options


def test_commands_take_a_name_and_an_index_names_it(shipped, tmp_path, vipe, monkeypatch):
    (tmp_path / "clips" / "walk").mkdir(parents=True)
    clip = tmp_path / "clips" / "walk" / "a.npz"
    save_poses([window_model.numbered(np.arange(40) / 30)], clip)
    assert vipe("index", "build", "clips")[0] == 0
    code, _, err = vipe("search", f"{clip}@0.5", "--index", "clips", "--model", "prvipe-t")
    assert code == 1
    assert "rebuild it with `vipe index build clips --model prvipe-t`, or name its model" in err
    assert vipe("index", "build", "clips", "--model", "prvipe-t")[0] == 0
    assert vipe("search", f"{clip}@0.5", "--index", "clips", "--model", "prvipe-t")[0] == 0
    code, _, err = vipe("search", f"{clip}@0.5", "--index", "clips")
    assert code == 1
    assert (
        "rebuild it with `vipe index build clips`, or name its model with --model prvipe-t" in err
    )
    monkeypatch.setenv("VIPE_MODEL", "prvipe-t")
    assert vipe("search", f"{clip}@0.5", "--index", "clips")[0] == 0
