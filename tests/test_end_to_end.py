"""The whole path on the rendered clips, through the real detector: timing and labels."""

import json
from pathlib import Path

import numpy as np
import pytest

from vipecli.alignment.align import align
from vipecli.alignment.time_map import warp
from vipecli.embedding.clip import Recipe, read_clip
from vipecli.index.classify import classify

CLIPS = Path(__file__).parent.parent / "examples" / "clips"
TRUTH = json.loads((CLIPS / "truth.json").read_text())
LABELS = sorted({name.split("/")[0] for name in TRUTH})


@pytest.fixture(scope="module")
def embedded() -> dict:
    """Embeddings of all eight clips, by file name as in truth.json."""
    return {name: read_clip(CLIPS / name, Recipe())[1] for name in TRUTH}


def timing_error(a: str, b: str, embedded: dict) -> np.ndarray:
    """Error of the map from a to b, frames of b, where the two clips overlap in what they show."""
    alignment = align(embedded[a], embedded[b])
    source_a, source_b = (np.array(TRUTH[name]["source_s"]) for name in (a, b))
    shared = (source_a > source_b[0]) & (source_a < source_b[-1])
    mapped = warp(alignment, embedded[a].times, onto="a")
    true = np.interp(source_a, source_b, embedded[b].times)
    return np.abs(mapped - true)[shared] * TRUTH[b]["fps"]


def test_takes_from_two_sides_align(embedded):
    errors = {}
    for label in LABELS:
        a, b = (name for name in TRUTH if name.split("/")[0] == label)
        errors[label] = [*timing_error(a, b, embedded), *timing_error(b, a, embedded)]
    assert np.median(np.concatenate(list(errors.values()))) <= 2
    for label, error in errors.items():
        assert np.median(error) <= 4, label  # where a squat rests, any moment is as good


@pytest.mark.parametrize("name", TRUTH)
def test_action_is_recognised_from_another_viewpoint(name, embedded):
    view = TRUTH[name]["azimuth_deg"]
    index = [
        (other, other.split("/")[0], embedded[other])
        for other in TRUTH
        if TRUTH[other]["azimuth_deg"] != view
    ]
    assert classify(embedded[name], index).label == name.split("/")[0]
