"""Model files whose facts are not what they should be end in one line."""

import onnx
import pytest

from vipecli.embedding.model import Model, default_weights
from vipecli.errors import WeightsError


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
