"""Why vipe reads MATLAB files itself, and that it does so safely."""

import io
import subprocess
import sys

import numpy as np
import pytest
from scipy.io import savemat

from vipecli.errors import FormatError
from vipecli.poses.formats.matlab import load_mat

TYPE_OF_DATA = 176  # where the type of the numbers of the first array stands


def damaged(path):
    """A good file with the type of its numbers changed to one that does not exist."""
    file = io.BytesIO()
    savemat(file, {"x": np.ones((2, 13))}, do_compression=False)
    data = bytearray(file.getvalue())
    assert data[TYPE_OF_DATA] == 9  # double
    data[TYPE_OF_DATA] = 0
    path.write_bytes(data)
    return path


def test_a_damaged_file_ends_the_process_of_scipy(tmp_path):
    """Once scipy survives this on every version that is allowed, `matlab.py` can go."""
    path = damaged(tmp_path / "a.mat")
    code = f"from scipy.io import loadmat; loadmat({str(path)!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert done.returncode < 0 or done.returncode > 1, done.stderr


def test_a_damaged_file_is_one_line(tmp_path):
    with pytest.raises(FormatError, match=r"a\.mat: a damaged MATLAB file \(unknown type 0"):
        load_mat(damaged(tmp_path / "a.mat"))


@pytest.mark.parametrize("compressed", [False, True])
def test_arrays_and_texts_are_those_that_were_saved(tmp_path, compressed):
    saved = {"x": np.arange(6.0).reshape(2, 3), "n": np.uint8([[1, 2]]), "t": "walk", "s": {"a": 1}}
    savemat(tmp_path / "a.mat", saved, do_compression=compressed)
    found = load_mat(tmp_path / "a.mat")
    assert set(found) == {"x", "n", "t"}  # of structures nothing is read
    np.testing.assert_array_equal(found["x"], saved["x"])
    np.testing.assert_array_equal(found["n"], saved["n"])
    assert found["t"] == "walk"
