"""The mean and the spread that page and picture show, against a case by hand."""

import re

import numpy as np
import pytest

from tests.alignment.test_trials import raising, trial
from vipecli.alignment.joint_angles import ANGLES, picture
from vipecli.alignment.trials import GroupDifference, Trials, mean_and_std, summarise
from vipecli.embedding.clip import Recipe, clip_source
from vipecli.embedding.embed import Model
from vipecli.outputs.angles import save_figure
from vipecli.outputs.trials import write_picture
from vipecli.outputs.trials_page import write_trials_page
from vipecli.poses.formats import save_poses

ELBOW = list(ANGLES).index("left elbow")
# three trials at three phases, degrees: mean 60, 70, 80, standard deviation 10, 0, 20
BY_HAND = np.array([[50.0, 70.0, 60.0], [60.0, 70.0, 80.0], [70.0, 70.0, 100.0]])


@pytest.fixture(scope="module")
def three(tmp_path_factory) -> Trials:
    """Three trials whose left elbow goes as `BY_HAND`, and whose other angles are not seen."""
    folder, clips = tmp_path_factory.mktemp("trials"), []
    for number in range(3):
        path = folder / f"take{number}.npz"
        save_poses(raising(100 + number), path)
        one = trial(raising(100 + number), Model.load(), str(path))
        clips.append(type(one)(clip_source(path, Recipe()), one.poses, one.embeddings))
    found = summarise(clips, ["first", "second", "<third>"], source=picture)
    angles = np.full((3, 3, 8), np.nan)
    angles[:, :, ELBOW] = BY_HAND
    mean, std = mean_and_std(angles)
    times = found.times[:, [0, 50, 100]]
    return type(found)(
        found.trials, found.typical, "left elbow", times, angles, mean, std, found.alignments,
        found.deviation,
    )  # fmt: skip


def points(text: str) -> np.ndarray:
    return np.array([[float(v) for v in pair.split(",")] for pair in text.split()])


def test_the_page_shows_mean_and_spread(three, tmp_path):
    out = tmp_path / "page.html"
    write_trials_page(three, out, title="squats <1>")
    page = out.read_text(encoding="utf-8")
    assert page.count("<svg") == 1 and page.count("not seen") == 7
    assert "&lt;third&gt;" in page and "squats &lt;1&gt;" in page and "<third>" not in page
    (chart,) = re.findall(r"<svg.*?</svg>", page, re.S)
    ticks = [(float(y), int(v)) for y, v in re.findall(r'y="([\d.]+)" class="tick">(\d+)°', chart)]
    (y0, v0), (y1, v1) = ticks[0], ticks[-1]

    def degrees(y: np.ndarray) -> np.ndarray:
        return v0 + (y - y0) * (v1 - v0) / (y1 - y0)

    mean = points(re.search(r'class="mean"><polyline points="([^"]+)"', chart)[1])
    np.testing.assert_allclose(degrees(mean[:, 1]), [60, 70, 80], atol=0.1)
    np.testing.assert_allclose(mean[:, 0], [0, 300, 600])
    band = points(re.search(r'class="band" points="([^"]+)"', chart)[1])
    np.testing.assert_allclose(degrees(band[:, 1]), [70, 70, 100, 60, 70, 50], atol=0.1)
    lines = re.findall(r'class="trial[^"]*" data-trial="\d"><polyline points="([^"]+)"', chart)
    for line, want in zip(lines, BY_HAND, strict=True):
        np.testing.assert_allclose(degrees(points(line)[:, 1]), want, atol=0.1)


def test_the_picture_shows_mean_and_spread(three, tmp_path, monkeypatch):
    drawn = {}
    monkeypatch.setattr(
        "vipecli.outputs.trials.save_figure", lambda figure, out: drawn.setdefault("figure", figure)
    )
    write_picture(three, tmp_path / "out.png")
    plot = drawn["figure"].axes[ELBOW]
    mean = next(line for line in plot.lines if str(line.get_label()).startswith("mean"))
    np.testing.assert_allclose(mean.get_xdata(), [0, 50, 100])
    np.testing.assert_allclose(mean.get_ydata(), [60, 70, 80])
    corners = plot.collections[0].get_paths()[0].vertices
    for percent, low, high in ((0, 50, 70), (50, 70, 70), (100, 60, 100)):
        there = corners[corners[:, 0] == percent][:, 1]
        assert (there.min(), there.max()) == pytest.approx((low, high))
    save_figure(drawn["figure"], tmp_path / "out.png")
    assert (tmp_path / "out.png").stat().st_size > 10_000


def test_groups_have_a_mean_each(three, tmp_path, monkeypatch):
    groups = {"before": [0, 1], "<after>": [2]}
    differs = [GroupDifference("left elbow", 0.5, 1.0, 35.0, 7.0)]
    page_file, drawn = tmp_path / "groups.html", {}
    write_trials_page(three, page_file, title="x", groups=groups, differences=differs)
    page = page_file.read_text(encoding="utf-8")
    (chart,) = re.findall(r"<svg.*?</svg>", page, re.S)
    ticks = [(float(y), int(v)) for y, v in re.findall(r'y="([\d.]+)" class="tick">(\d+)°', chart)]
    (y0, v0), (y1, v1) = ticks[0], ticks[-1]
    for number, want in (1, [55, 70, 70]), (2, [70, 70, 100]):
        mean = points(
            re.search(rf'class="mean group-{number}"><polyline points="([^"]+)"', chart)[1]
        )
        np.testing.assert_allclose(v0 + (mean[:, 1] - y0) * (v1 - v0) / (y1 - y0), want, atol=0.1)
    assert re.findall(r'class="trial group-(\d)" data-trial', chart) == ["1", "1", "2"]
    assert '<rect class="span" x="300.0" width="300.0"' in chart
    assert "&lt;after&gt; less before" in page

    monkeypatch.setattr(
        "vipecli.outputs.trials.save_figure", lambda figure, out: drawn.setdefault("figure", figure)
    )
    write_picture(three, tmp_path / "out.png", groups=groups, differences=differs)
    plot = drawn["figure"].axes[ELBOW]
    means = {line.get_label(): line.get_ydata() for line in plot.lines if line.get_linewidth() > 1}
    np.testing.assert_allclose(means["before: mean of 2, standard deviation"], [55, 70, 70])
    np.testing.assert_allclose(means["<after>: mean of 1, standard deviation"], [70, 70, 100])
