"""Rows of `vipe evaluate --compare` for files that are called alike."""

from pathlib import Path

from vipecli.cli.evaluate_inputs import by_name


def test_files_that_are_called_alike_have_a_row_each():
    paths = [Path("a/m.onnx"), Path("b/m.onnx"), Path("c/n.onnx")]
    assert by_name(paths) == {"m": paths[0], str(paths[1]): paths[1], "n": paths[2]}
