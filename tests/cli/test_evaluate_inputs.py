"""`vipe evaluate`: inputs stay as they are, and nothing that is given is passed over."""

from pathlib import Path

import numpy as np
import pytest

from tests.bodies import waving

WEIGHTS = Path(__file__).parents[2] / "weights"


@pytest.mark.parametrize(
    "arguments",
    [
        "retrieval clip.npz --json clip.npz",
        "penn clip.npz --json clip.npz",
        "alignment clip.npz other.npz --json other.npz",
        "alignment folder --json folder/truth.json",
        "calibration clip.npz --json clip.npz",
        "lift --synced clip.npz other.npz --json other.npz",
        "lift --detected clip.npz --json clip.npz",
        "sequence --aligned folder --json folder/truth.json",
        "sequence clip.npz --index other.npz --json other.npz",
        "predict --film clip.npz --json clip.npz",
        "predict clip.npz --compare other.npz --json other.npz",
    ],
)
def test_a_result_does_not_replace_an_input(tmp_path, monkeypatch, vipe, arguments):
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    for name in ("clip.npz", "other.npz", "folder/truth.json"):
        Path(name).write_bytes(b"kept")
    code, _, error = vipe("evaluate", *arguments.split())
    assert code == 1
    assert "would replace an input" in error and error.count("\n") == 1
    assert {path.read_bytes() for path in tmp_path.rglob("*.*")} == {b"kept"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("clip.npz", "--compare", WEIGHTS / "baselines/posegpt_cmu.onnx"), "give --benchmark"),
        (("--benchmark", ".", "--compare", WEIGHTS / "posegpt.onnx"), "give MOCAP or --film"),
    ],
)
def test_a_model_that_nothing_is_measured_with_is_told(
    tmp_path, monkeypatch, vipe, arguments, says
):
    monkeypatch.chdir(tmp_path)
    np.savez("clip.npz", **{"amc/13_01": waving(60)})
    code, _, error = vipe("evaluate", "predict", *arguments)
    assert code == 1 and says in error and error.count("\n") == 1
