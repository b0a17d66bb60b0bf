"""Training of predictors: rollouts, scheduled sampling, resuming, files that run without torch."""

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")

from tests.bodies import waving  # noqa: E402
from tests.train.resuming import goes_on_alike  # noqa: E402
from vipecli.errors import FormatError, WeightsError  # noqa: E402
from vipecli.poses import skeleton as sk  # noqa: E402
from vipecli.sequence.predictor import Predictor  # noqa: E402
from vipecli.train import posegpt, posegpt_files  # noqa: E402
from vipecli.train.motion_clips import MIRROR_25, MotionClips, load_clips  # noqa: E402
from vipecli.train.motion_variation import Variation  # noqa: E402
from vipecli.train.posegpt_config import Config, Sizes, read_config  # noqa: E402
from vipecli.train.posegpt_model import PoseGpt  # noqa: E402

torch.set_num_threads(1)

CONFIG = Config(
    steps=60,
    batch=16,
    seen=10,
    future=10,
    warmup=1,
    average=0.9,
    learning_rate=3e-3,
    speed=(1.0, 1.0),
    network=Sizes(width=32, heads=2, dropout=0.0, noise=2),
)


def swinging(frames: int = 90, fps: float = 30.0) -> np.ndarray:
    """Return somebody whose arm swings at 1 Hz and who walks along x."""
    motion = waving(frames).astype(np.float32)
    t = np.arange(frames) / fps
    motion[:, sk.LEFT_WRIST, 2] += 0.3 * np.sin(2 * np.pi * t)
    motion[..., 0] += 0.5 * t[:, None]
    return motion


def clips() -> MotionClips:
    arrays = [swinging(), swinging(70), swinging(80)]
    return MotionClips.of(arrays, [30.0] * 3, ["a/1", "a/2", "b/1"], sk.MIRROR)


def trainer(**changes) -> posegpt.Trainer:
    return posegpt.Trainer(dataclasses.replace(CONFIG, **changes), clips())


def test_windows_are_those_of_the_clip_at_any_rate():
    motion = clips()
    got = motion.windows(np.array([1]), np.array([0.5]), np.arange(4)[None] / 30)
    assert np.allclose(got[0], swinging(70)[15:19], atol=1e-6)
    half = motion.windows(np.array([0]), np.array([0.0]), np.array([[1 / 60]]))
    assert np.allclose(half[0, 0], swinging()[:2].mean(axis=0), atol=1e-6)
    weights = motion.weights(span_s=2.5, power=0.5)
    assert weights[1] == 0 and np.isclose(weights.sum(), 1)
    drawn = motion.draw(
        20, 10, fps=30, rng=np.random.default_rng(0), weights=motion.weights(span_s=1, power=1)
    )
    assert drawn.shape == (20, 10, 13, 3)
    left = drawn[:, 0, sk.LEFT_HIP, 0] - drawn[:, 0, sk.RIGHT_HIP, 0]
    assert (left > 0).all()  # mirrored people have their left on the left, too


def test_mirrored_joints_of_the_benchmark_swap_in_pairs():
    order = np.array(MIRROR_25)
    assert (order[order] == np.arange(25)).all() and (order != np.arange(25)).sum() == 20


def test_a_network_that_has_learnt_nothing_holds_the_last_pose():
    net = PoseGpt(39, Sizes(chunk=5, width=16, heads=2))
    seen = torch.randn(3, 10, 39)
    frames, error = net.rollout(seen, torch.zeros(3, 15, 39), own=1.0)
    assert torch.allclose(frames, seen[:, -1:].expand(3, 15, 39))
    assert error.shape == (3, 15, 13)


def test_rollouts_token_by_token_equal_the_whole_and_look_back_only():
    net = PoseGpt(39, Sizes(chunk=5, width=16, heads=2, dropout=0.0)).eval()
    torch.nn.init.normal_(net.leave.weight, std=0.1)
    motion = torch.randn(2, 25, 39)
    whole, _ = net(motion[:, :-5])
    follows, _ = net.rollout(motion[:, :10], motion[:, 10:], own=0.0)
    assert torch.allclose(follows, whole[:, 1:].flatten(1, 2), atol=1e-5)
    changed = motion.clone()
    changed[:, 15:] += 1
    assert torch.allclose(net(changed)[0][:, :3], net(motion)[0][:, :3], atol=1e-6)
    own, _ = net.rollout(motion[:, :10], motion[:, 10:], own=1.0)
    other, _ = net.rollout(motion[:, :10], changed[:, 10:], own=1.0)
    assert torch.equal(own, other)
    assert not torch.allclose(own, follows, atol=1e-3)


def test_the_rate_of_own_predictions_rises_with_the_steps():
    one = trainer(own_from=0.2, own_until=0.6)
    rates = []
    for one.step in (0, 12, 24, 36, 59):
        rates.append(one.own)
    assert rates == [0, 0, pytest.approx(0.5), 1, 1]
    assert trainer(sampled=False).own == 0


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"sampled": False},
        {"energy": 0.1},
        {"early": 0.5},
        {"bfloat16": True},
    ],
)
def test_it_learns_a_swing(changes):
    one = trainer(**changes, input_noise=0.01)
    before = one.score()
    for _ in range(60):
        terms = one.train_step()
    assert np.isfinite(list(terms.values())).all()
    assert one.score()["mm_333ms"] < 0.75 * before["mm_333ms"]


def test_resumed_equals_undisturbed(tmp_path):
    goes_on_alike(trainer, tmp_path, first=5, then=7)
    with pytest.raises(FormatError, match="another config"):
        trainer(seed=7).resume(tmp_path / "half.pt")


def test_another_run_is_the_start_of_this_one(tmp_path):
    first = trainer()
    for _ in range(3):
        first.train_step()
    first.save(tmp_path / "c.pt")
    second = trainer(seed=7, own_from=0.0, own_until=0.0)
    second.start_from(tmp_path / "c.pt")
    assert second.step == 0 and second.own == 1
    pairs = zip(first.averaged.parameters(), second.net.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    wider = trainer(network=dataclasses.replace(CONFIG.network, width=64))
    with pytest.raises(FormatError, match="another network"):
        wider.start_from(tmp_path / "c.pt")
    (tmp_path / "d.pt").write_bytes(b"nothing")
    with pytest.raises(FormatError, match="not a checkpoint"):
        second.start_from(tmp_path / "d.pt")


def test_the_file_predicts_what_torch_predicts(tmp_path):
    one = trainer()
    for _ in range(20):
        one.train_step()
    (path,) = posegpt_files.finish(one, tmp_path)
    model = Predictor.load(path)
    assert (model.kind, model.data, model.context, model.noise) == ("posegpt", "mocap", 2, 2)
    seen, future, known = one.draw(6, one.rng)
    extra = one.extra(known, seen, future)
    with torch.no_grad():
        ref, error = one.averaged.rollout(seen, future, own=1.0, extra=extra)
    joints = seen.unflatten(-1, (13, 3)).numpy()
    got, std = model.rollout(joints, 10, known=known.numpy(), mirrored=False)
    assert np.allclose(got.reshape(6, 10, 39), ref.numpy(), atol=2e-3)
    assert np.allclose(std, np.maximum.accumulate(error.numpy(), axis=1), atol=2e-3)
    rng = np.random.default_rng(0)
    drawn = model.rollout(joints, 10, known=known.numpy(), rng=rng)[0]
    assert not np.allclose(drawn, got, atol=1e-4)
    longer, _ = model.rollout(joints, 23, known=known.numpy(), mirrored=False)
    assert np.allclose(longer[:, :10], got, atol=1e-5) and np.isfinite(longer).all()
    with pytest.raises(ValueError, match="give 10"):
        model.rollout(joints[:, :9], 5, known=known.numpy())


def test_the_mlp_trains_and_runs(tmp_path):
    one = trainer(kind="dctmlp", network=Sizes(layers=2))
    before = one.score()
    for _ in range(60):
        one.train_step()
    assert one.score()["mm_333ms"] < 0.8 * before["mm_333ms"]
    model = Predictor.load(posegpt_files.finish(one, tmp_path)[0])
    seen, future, _ = one.draw(4, one.rng)
    got, _ = model.rollout(seen.unflatten(-1, (13, 3)).numpy(), 10, mirrored=False)
    with torch.no_grad():
        ref = one.averaged.rollout(seen, future)[0]
    assert np.allclose(got.reshape(4, 10, 39), ref.numpy(), atol=2e-3)


def test_variations_keep_what_they_do_not_touch():
    rng = np.random.default_rng(0)
    windows = rng.normal(size=(8, 5, 25, 3)).astype(np.float32)
    assert np.allclose(Variation().apply(windows, rng), windows, atol=1e-5)
    legs = Variation(legs=1.0).apply(windows, rng)
    assert np.allclose(legs[:, :, 8:], windows[:, :, 8:], atol=1e-5)
    assert not np.allclose(legs[:, :, :8], windows[:, :, :8], atol=1e-2)
    moved = Variation(offset=0.5).apply(windows, rng)
    assert np.allclose(np.diff(moved, axis=1), np.diff(windows, axis=1), atol=1e-4)
    turned = Variation(turn_deg=20.0).apply(windows, rng)
    sizes = [np.linalg.norm(x, axis=-1) for x in (turned, windows)]
    assert np.allclose(*sizes, atol=1e-4)


def test_configs_are_checked(tmp_path):
    path = tmp_path / "c.toml"
    for text, says in (
        ('data = "penn"', "'cmu-prediction' or 'cmu-pred"),
        ("seen = 12", "multiples of chunk"),
        ("energy = 1.0", "network.noise"),
        ("nonsense = 1", "nonsense"),
    ):
        path.write_text(text)
        with pytest.raises(FormatError, match=says):
            read_config(path)


def test_mocap_files_are_read_with_their_rates(tmp_path):
    broken = swinging(40)
    broken[10, 3] = np.nan
    arrays = {"uiprmd/ok/m01_s01_e01": swinging(40), "amc/1_1": broken}
    np.savez(tmp_path / "m.npz", **arrays)
    found = load_clips([tmp_path / "m.npz"])
    assert dict(zip(found.names, found.fps, strict=True)) == {
        "uiprmd/ok/m01_s01_e01": 20.0,
        "amc/1_1": 30.0,
    }
    assert np.isfinite(found.joints).all()
    with pytest.raises(FormatError, match="no mocap clip left"):
        load_clips([tmp_path / "m.npz"], include=("x*",))


def test_other_models_are_refused():
    from vipecli.embedding.model import default_weights

    with pytest.raises(WeightsError, match="does not predict"):
        Predictor.load(default_weights())


@pytest.mark.parametrize(
    ("kind", "option", "says"),
    [
        ("posegpt", "--detected", "posegpt takes no --detected"),
        ("vvipe", "--weights", "vvipe takes no --weights"),
        ("posegpt", "--weights", "not a checkpoint of `vipe train`"),
        ("pose-gpt", "--weights", "kind is 'pose-gpt'; use one of prvipe"),
    ],
)
def test_options_that_a_kind_does_not_take(tmp_path, vipe, kind, option, says):
    config, other = tmp_path / "c.toml", tmp_path / "other"
    config.write_text(f"kind = '{kind}'\nsteps = 1\nbatch = 2\n")
    other.write_bytes(b"something else")
    np.savez(tmp_path / "m.npz", **{"amc/01_01": waving(200)})
    out = tmp_path / "run"
    code, _, error = vipe("train", config, tmp_path / "m.npz", option, other, "--out", out)
    assert code == 1 and says in error and error.count("\n") == 1
    assert other.read_bytes() == b"something else"
