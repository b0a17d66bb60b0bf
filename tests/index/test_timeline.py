"""Labels over time, as a table and as subtitles."""

import json

import numpy as np
import pytest

from tests.index.test_classify import clip
from vipecli.embedding.embed import Embeddings
from vipecli.errors import NoPoseError, VipeError
from vipecli.index.classify import Ranking
from vipecli.index.timeline import Stretch, label_over_time
from vipecli.outputs.captions import write_captions


def joined(*clips):
    times = np.arange(sum(map(len, clips))) / 30
    mean, std = (np.concatenate([getattr(c, name) for c in clips]) for name in ("mean", "std"))
    return Embeddings(mean, std, times, clips[0].model, clips[0].sigmoid)


def test_a_clip_of_two_actions_is_cut_where_they_change():
    long = joined(clip(0, 1, t=150), clip(1, 1, t=150))

    def rank(part):
        early = part.times.mean() < 5
        return Ranking("a" if early else None, 0.75)

    found = label_over_time(long, rank, every_s=0.5, window_s=1.0)
    assert [one.label for one in found] == ["a", None]
    assert found[0].end_s == found[1].start_s == pytest.approx(5.0)
    lengths = []
    label_over_time(
        long, lambda part: lengths.append(len(part)) or Ranking("a", 1.0), every_s=2, window_s=3
    )
    assert min(lengths) >= 90
    assert found[1].end_s == pytest.approx(long.times[-1])
    assert found[0].confidence == pytest.approx(0.75)


def test_parts_without_anybody_have_no_label():
    def rank(part):
        raise NoPoseError("nobody")

    found = label_over_time(clip(0, 1), rank, every_s=0.5, window_s=1.0)
    assert [(one.label, one.confidence) for one in found] == [(None, 1.0)]


STRETCHES = [Stretch(0.0, 2.5, "squat", 0.9), Stretch(2.5, 3723.25, None, 0.5)]


def test_files(tmp_path):
    for suffix in ("json", "csv", "srt", "vtt"):
        write_captions(STRETCHES, tmp_path / f"x.{suffix}")
    rows = json.loads((tmp_path / "x.json").read_text())
    assert rows[1] == {"start_s": 2.5, "end_s": 3723.25, "label": None, "confidence": 0.5}
    lines = (tmp_path / "x.csv").read_text().splitlines()
    assert lines == ["start_s,end_s,label,confidence", "0.0,2.5,squat,0.9", "2.5,3723.25,,0.5"]
    assert (tmp_path / "x.srt").read_text() == (
        "1\n00:00:00,000 --> 00:00:02,500\nsquat (90%)\n\n"
        "2\n00:00:02,500 --> 01:02:03,250\nnone of these (50%)\n"
    )
    assert (tmp_path / "x.vtt").read_text().startswith("WEBVTT\n\n00:00:00.000 --> 00:00:02.500\n")
    with pytest.raises(VipeError, match="timelines are written as"):
        write_captions(STRETCHES, tmp_path / "x.txt")
