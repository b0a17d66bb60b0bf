"""Embeddings of windows of several frames: what they are trained on, where they start."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import onnx  # noqa: E402

from tests.train.resuming import goes_on_alike  # noqa: E402
from vipecli.errors import FormatError  # noqa: E402
from vipecli.poses import skeleton as sk  # noqa: E402
from vipecli.train import loop, windows  # noqa: E402
from vipecli.train.augment import Augmentation, Augmenter  # noqa: E402
from vipecli.train.config import Config, Network, load_config  # noqa: E402
from vipecli.train.data import Mocap  # noqa: E402
from vipecli.train.detected import Detections  # noqa: E402
from vipecli.train.export import export  # noqa: E402
from vipecli.train.losses import np_mpjpe  # noqa: E402
from vipecli.train.model import PrVipe  # noqa: E402
from vipecli.train.motion_clips import MotionClips  # noqa: E402
from vipecli.train.warm_start import start_from  # noqa: E402
from vipecli.train.window_views import WindowFilm, WindowStudio  # noqa: E402

from ..bodies import waving  # noqa: E402

FRAMES = 7
NOBODY = torch.zeros(0, 13, 3)
CONFIG = Path(__file__).parents[2] / "weights" / "prvipe_t.toml"


@pytest.fixture(scope="module")
def motion() -> np.ndarray:
    """Two people, shape (2, 60, 13, 3), y up, who move both arms, at 30 frames per second."""
    first = waving(60).astype(np.float32)
    second = first[::-1].copy()
    second[..., sk.LEFT_ANKLE, 2] += 0.2
    return np.stack([first, second])


@pytest.fixture
def clips(motion) -> MotionClips:
    return MotionClips.of(list(motion), [30.0, 30.0], ("x/a", "y/b"), sk.MIRROR)


@pytest.fixture
def mocap(motion) -> Mocap:
    return Mocap(motion.reshape(-1, 13, 3), np.arange(120) // 60, ("x/a", "y/b"))


@pytest.fixture
def film(motion) -> Detections:
    """Both people as a faultless detector finds them from the front: picture axes, y down."""
    seen = torch.from_numpy(motion.reshape(-1, 13, 3) * np.array([1, -1, -1], np.float32))
    seen = seen - seen[:, [sk.LEFT_HIP, sk.RIGHT_HIP]].mean(1, keepdim=True)
    up = torch.tensor([0.0, -1.0, 0.0]).expand(120, 3)
    ones = torch.ones(120, 13)
    return Detections(100 * seen[..., :2], ones, seen, seen, up, torch.arange(120) // 60)


def small(**changes) -> Config:
    size = {"width": 32, "dims": 4, "dropout": 0.0, "lift": True, "frames": FRAMES}
    network = Network(**size, start_a=5, start_b=2, start_std=0.2)
    values = {"steps": 4, "batch": 16, "lift": 1.0, "metric": 0.1, "calibration": 0.1}
    return Config(network=network, warmup=1, **(values | changes))


def test_a_window_starts_as_its_middle_frame(tmp_path):
    torch.manual_seed(0)
    single = PrVipe(Network(width=16, dims=4, dropout=0.0, start_std=0.2))
    export(single, tmp_path / "single.onnx", name="single", trained_on="nothing")
    joints, visibility = torch.randn(600, FRAMES, 13, 2), torch.ones(600, FRAMES, 13)
    net = PrVipe(Network(width=24, dims=4, dropout=0.0, frames=FRAMES))
    assert start_from(net, tmp_path / "single.onnx", (joints, visibility)) == []
    middle = joints[:, FRAMES // 2], visibility[:, FRAMES // 2]
    with torch.no_grad():
        before, after = single.eval()(*middle), net.eval()(joints, visibility)
    for one, other in zip(before[:2], after[:2], strict=True):
        torch.testing.assert_close(other, one, atol=1e-4, rtol=1e-4)


def test_film_comes_in_windows_of_one_take(film, motion):
    joints, visibility, true = WindowFilm(film, FRAMES).draw(200, np.random.default_rng(0))
    assert joints.shape == (200, FRAMES, 13, 2)
    assert true.shape == (200, FRAMES, 13, 3)
    assert set(np.unique(visibility)) == {0, 1}, "some windows reach beyond the ends of a take"
    assert (visibility[:, FRAMES // 2] == 1).all()
    known = motion.reshape(-1, 13, 3)
    known = known - known[:, [sk.LEFT_HIP, sk.RIGHT_HIP]].mean(1, keepdims=True)
    flipped = known[:, list(sk.MIRROR)] * np.array([-1, 1, 1], np.float32)
    both = torch.from_numpy(np.concatenate([known, flipped]))
    for window, shown in zip(true[:20], visibility[:20], strict=True):
        poses = torch.from_numpy(window[:, None].repeat(len(both), 1))
        gap = torch.stack([np_mpjpe(one, both) for one in poses])
        nearest = gap.argmin(1)
        assert gap.min(1).values.max() < 1e-3, "each frame is a frame of the film, or its mirror"
        steps = np.diff(nearest.numpy() % 120)[(shown[1:] * shown[:-1]).all(-1) > 0]
        assert set(steps) <= {2, 3} and len(set(steps)) == 1


def test_hidden_joints_stay_hidden_or_pass(clips, mocap):
    config = small(augment=Augmentation(hide=1.0))
    trainer = windows.Trainer(config, mocap, clips, clips)
    rng = np.random.default_rng(0)
    shown = trainer.windows.hidden(
        torch.randn(400, FRAMES, 13, 2), torch.ones(400, FRAMES, 13), rng
    )
    often = shown.mean(1)
    assert (often == 0).any(), "some are hidden in the whole window"
    assert ((often > 0) & (often < 1)).any(), "some for a while"
    assert (shown[:, FRAMES // 2].sum(1) >= 9).all(), "the middle frame keeps most of its joints"


@pytest.mark.parametrize("changes", [{}, {"detected": 0.5}, {"pool": 40}])
def test_a_killed_run_goes_on_as_if_nothing_had_happened(clips, mocap, film, tmp_path, changes):
    def trainer():
        return windows.Trainer(config, mocap, clips, clips, film=film)

    config = small(augment=Augmentation(noise=0.02, turn=0.3, hide=0.4), **changes)
    goes_on_alike(trainer, tmp_path, first=2, then=2)


def test_moments_are_learnt_by_heart(clips, mocap, monkeypatch):
    torch.set_num_threads(1)
    config = small(steps=120, still=0.0, learning_rate=3e-3, augment=Augmentation())
    trainer = windows.Trainer(config, mocap, clips, clips)
    batch = trainer.windows.batch(NOBODY, 16, trainer.rng, film=False)
    monkeypatch.setattr(WindowStudio, "batch", lambda *_, **__: batch)
    first = trainer.train_step()
    for _ in range(119):
        last = trainer.train_step()
    assert last["lift"] < 0.5 * first["lift"]
    assert last["positive"] < first["positive"]


def test_the_file_says_that_it_wants_windows(clips, mocap, tmp_path):
    trainer = windows.Trainer(small(name="seven"), mocap, clips, clips)
    trainer.train_step()
    assert loop.finish(trainer, tmp_path) < 1e-5
    model = onnx.load(tmp_path / "seven.onnx")
    about = {one.key: one.value for one in model.metadata_props}
    assert json.loads(about["window"]) == {"frames": FRAMES, "step_s": pytest.approx(1 / 15)}
    shapes = [[d.dim_value for d in i.type.tensor_type.shape.dim] for i in model.graph.input]
    assert [shape[1:] for shape in shapes] == [[FRAMES, 13, 2], [FRAMES, 13]]


def test_what_windows_cannot_be_is_refused(clips, mocap, tmp_path):
    for number in ("4", "0", '"seven"'):
        config = tmp_path / "config.toml"
        config.write_text(f"[network]\nframes = {number}\n")
        with pytest.raises(FormatError, match=r"config.toml: .*(frames|window)"):
            load_config(config)
    for changes in ({"identity": 0.1}, {"kind": "vipe"}):
        with pytest.raises(FormatError, match="windows"):
            windows.Trainer(small(**changes), mocap, clips, clips)
    with pytest.raises(FormatError, match="--detected"):
        windows.Trainer(small(detected=0.5), mocap, clips, clips)


def test_the_committed_config_starts(motion, tmp_path):
    archive = tmp_path / "mocap.npz"
    np.savez(archive, **{"x/a": motion[0], "amc/13_01": motion[1]})
    settings = load_config(CONFIG, steps=2)
    trainer = windows.start(replace(settings, detected=0.0, batch=8), [archive], tmp_path / "run")
    assert np.isfinite(list(trainer.train_step().values())).all()
    assert 0 <= trainer.score()["hit_at_1"] <= 100


def test_bodies_are_turned_as_a_whole(clips, mocap):
    config = small(still=0.0, augment=Augmentation(turn=1.0))
    trainer = windows.Trainer(config, mocap, clips, clips)
    trainer.windows = replace(trainer.windows, augmenter=Augmenter(Augmentation(turn=1.0), seed=3))
    motions = trainer.windows.motions(NOBODY, 50, np.random.default_rng(0))
    spine = motions[:, :, [sk.LEFT_SHOULDER, sk.RIGHT_SHOULDER]].mean(2) - motions[
        :, :, [sk.LEFT_HIP, sk.RIGHT_HIP]
    ].mean(2)
    spine /= np.linalg.norm(spine, axis=-1, keepdims=True)
    assert (spine[:, 0, 1] < 0).mean() > 0.3, "many are upside down"
    assert (spine[:, 0] * spine[:, -1]).sum(-1).min() > 0.9, "and stay so within a window"
