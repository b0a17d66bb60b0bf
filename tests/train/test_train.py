"""Bodies taken apart, cameras, losses against references, a batch learnt by heart, resuming."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")

from tests import bodies  # noqa: E402
from vipecli.embedding.embed import Model, embed, without_vertical  # noqa: E402
from vipecli.errors import FormatError, WeightsError  # noqa: E402
from vipecli.evaluate import metrics  # noqa: E402
from vipecli.poses import skeleton as sk  # noqa: E402
from vipecli.poses.poses import Poses  # noqa: E402
from vipecli.train import (  # noqa: E402
    body,
    loop,
    losses,
    posebert_config,
    posegpt_config,
    vvipe,
    vvipe_config,
)
from vipecli.train.augment import Augmentation, Augmenter  # noqa: E402
from vipecli.train.calibrate import STEEPEST, calibrate  # noqa: E402
from vipecli.train.config import Config, Network, kind_of, load_config  # noqa: E402
from vipecli.train.data import Mocap, rarity  # noqa: E402
from vipecli.train.detected import Detections  # noqa: E402
from vipecli.train.export import export  # noqa: E402
from vipecli.train.model import KINDS, PrVipe, fisher_moments, normalise  # noqa: E402
from vipecli.train.pool import Pool  # noqa: E402
from vipecli.train.run import run, slow_here  # noqa: E402
from vipecli.train.score import Retrieval  # noqa: E402
from vipecli.train.vvipe_model import canonical  # noqa: E402
from vipecli.train.warm_start import start_from  # noqa: E402

WEIGHTS = Path(__file__).parents[2] / "weights"


def standing() -> np.ndarray:
    """Return one person, shape (13, 3), facing +z; left is +x."""
    return np.array(
        [
            [0, 1.65, 0.05],
            [0.2, 1.4, 0], [-0.2, 1.4, 0], [0.25, 1.1, 0], [-0.25, 1.1, 0],
            [0.27, 0.85, 0.1], [-0.27, 0.85, 0.1],
            [0.1, 0.9, 0], [-0.1, 0.9, 0], [0.1, 0.5, 0.05], [-0.1, 0.5, 0.05],
            [0.1, 0.1, 0], [-0.1, 0.1, 0],
        ],
        np.float32,
    )  # fmt: skip


@pytest.fixture
def people() -> "torch.Tensor":
    rng = np.random.default_rng(0)
    return torch.from_numpy(standing() + rng.normal(0, 0.05, (40, 13, 3)).astype(np.float32))


@pytest.fixture
def mocap(people) -> Mocap:
    return Mocap(people.numpy(), np.arange(40) // 10, ("x/a", "x/b", "y/c", "y/d"))


def test_put_together_undoes_take_apart(people):
    parts = body.take_apart(people)
    again = body.put_together(parts)
    centred = people - people[:, [sk.LEFT_HIP, sk.RIGHT_HIP]].mean(1, keepdim=True)
    # left and right bones get their common mean length, so directions agree, lengths only nearly
    assert torch.allclose(body.take_apart(again).arms, parts.arms, atol=1e-5)
    assert torch.allclose(body.take_apart(again).legs, parts.legs, atol=1e-5)
    assert (again - centred).norm(dim=-1).mean() < 0.05


def test_mirrored_body_is_the_mirrored_pose(people):
    got = body.put_together(body.mirrored(body.take_apart(people)))
    flip = torch.tensor([-1.0, 1, 1])
    ref = body.put_together(body.take_apart(people[:, list(sk.MIRROR)] * flip))
    assert losses.np_mpjpe(got, ref).max() < 1e-4


@pytest.mark.parametrize(
    "change",
    [
        {"recombine": 1.0},
        {"symmetric": 1.0},
        {"procedural": 1.0},
        {"reach": 1.0},
        {"mirror": 1.0},
    ],
)
def test_new_poses_keep_their_bones(people, change):
    new = Augmenter(Augmentation(**change)).poses(people)
    assert new.isfinite().all()
    assert not torch.allclose(new, people - people.mean(1, keepdim=True), atol=1e-3)
    before, after = body.take_apart(people).lengths, body.take_apart(new).lengths
    assert torch.allclose(before, after, rtol=1e-3)


def test_reaching_hands_hold_one_thing_or_a_bar():
    people = torch.from_numpy(standing()).repeat(40, 1, 1)
    new = body.take_apart(Augmenter(Augmentation(reach=1.0)).poses(people))
    poses = body.put_together(dataclasses.replace(new, trunk=torch.eye(3).expand(40, 3, 3)))
    gap = poses[:, sk.LEFT_WRIST] - poses[:, sk.RIGHT_WRIST]
    bones = new.lengths[:, body.UPPER_ARM] + new.lengths[:, body.FOREARM]
    assert (gap.norm(dim=-1) < 2.3 * bones).all()
    cosine = (new.arms[:, :, 0] * new.arms[:, :, 1]).sum(-1)
    assert (cosine > math.cos(math.radians(150))).all()  # as far as an elbow bends


def test_knees_of_procedural_legs_fold_backwards():
    people = torch.from_numpy(standing()).repeat(200, 1, 1)
    legs = body.take_apart(Augmenter(Augmentation(procedural=1.0)).poses(people)).legs
    thigh, shin = legs.unbind(2)
    lateral = torch.tensor([1.0, 0.0, 0.0]).expand_as(thigh)
    front = torch.linalg.cross(thigh, lateral, dim=-1)  # +z for a thigh that hangs: its front
    assert ((shin * front).sum(-1) < 1e-3).all()


def test_camera_sees_the_left_hand_of_a_facing_person_on_the_right():
    pose = torch.from_numpy(standing())[None].repeat(8, 1, 1)
    options = Augmentation(elevation_deg=0, roll_deg=0, distance=(5.0, 5.0))
    seen = Augmenter(options, seed=3).project(pose)
    upright = seen[:, sk.HEAD, 1] < seen[:, sk.LEFT_ANKLE, 1]
    assert upright.all()  # y points down in pictures
    # where the left shoulder is right of the right one the person faces the camera, so wrists in
    # front of the body are nearer and therefore farther apart in the picture
    facing = seen[:, sk.LEFT_SHOULDER, 0] > seen[:, sk.RIGHT_SHOULDER, 0]
    assert facing.any() and (~facing).any()
    front = torch.from_numpy(standing())[None]
    front[:, sk.LEFT_WRIST, 2] = front[:, sk.RIGHT_WRIST, 2] = 0.5
    close = Augmenter(dataclasses.replace(options, distance=(2.5, 2.5)), seed=3)
    reach = close.project(front.repeat(8, 1, 1))
    back = front.clone()
    back[:, :, 2] *= -1
    away = Augmenter(dataclasses.replace(options, distance=(2.5, 2.5)), seed=3).project(
        back.repeat(8, 1, 1)
    )
    width = (reach[:, sk.LEFT_WRIST] - reach[:, sk.RIGHT_WRIST]).norm(dim=-1)
    width_away = (away[:, sk.LEFT_WRIST] - away[:, sk.RIGHT_WRIST]).norm(dim=-1)
    clearly = seen[:, sk.LEFT_SHOULDER, 0] - seen[:, sk.RIGHT_SHOULDER, 0]
    assert (width > width_away)[clearly > 0.05].all()


def test_noise_and_dropped_joints(people):
    augmenter = Augmenter(Augmentation(noise=0.02, drop_joint=0.3, drop_limb=1.0), seed=1)
    joints = augmenter.project(people)
    noisy, visibility = augmenter.detect(joints)
    assert (visibility == 0).any(1).all()
    error = (noisy - joints).norm(dim=-1)
    assert 0 < error.median() < 0.05
    exact, seen = Augmenter(Augmentation()).detect(joints)
    assert torch.equal(exact, joints) and (seen >= 0.9).all()


def test_np_mpjpe_equals_the_kernel(people):
    rng = np.random.default_rng(1)
    others = people.numpy()[::-1] + rng.normal(0, 0.1, people.shape).astype(np.float32)
    got = losses.np_mpjpe(people, torch.from_numpy(others.copy())).numpy()
    ref = np.diagonal(metrics.np_mpjpe(others, people.numpy()))
    np.testing.assert_allclose(got, ref, atol=1e-5)


def test_moments_agree_with_samples():
    rng = torch.Generator().manual_seed(0)
    first = torch.randn(200, 16, generator=rng), torch.full((200, 16), 0.2)
    second = first[0] + 0.3 * torch.randn(200, 16, generator=rng), torch.full((200, 16), 0.3)
    a, b = torch.tensor(3.0), torch.tensor(4.0)
    torch.manual_seed(0)
    sampled = losses.match_sampled(first, second, a, b, samples=100)
    moments = losses.match_moments(first, second, a, b)
    assert (sampled - moments).abs().mean() < 0.02  # samples alone scatter by about 0.015
    assert abs(float((sampled - moments).mean())) < 0.01


def test_probability_and_prior_by_hand():
    p = losses.probability(torch.tensor([0.0, 1.0]), torch.tensor(2.0), torch.tensor(2.0))
    assert p.tolist() == pytest.approx([0.9 / (1 + math.exp(-2)) + 0.05, 0.5])
    one = losses.prior(torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, math.e]]))
    assert float(one) == pytest.approx(0.5 * (1 + 0) + 0.5 * (math.e**2 - 1 - 2), rel=1e-5)


def test_mining_takes_the_nearest_that_differs_in_3d():
    pose = torch.from_numpy(standing())
    poses = pose.repeat(4, 1, 1)
    poses[2, sk.LEFT_WRIST] += torch.tensor([0.3, 1.0, 0.2])  # 0 and 1 match, 2 and 3 do not
    poses[3, sk.LEFT_KNEE : sk.RIGHT_ANKLE + 1, 2] += 0.8
    anchors = torch.tensor([[0.0], [5.0], [10.0], [20.0]])
    positives = anchors + torch.tensor([[0.1], [-4.5], [0.1], [0.1]])  # second lies near anchor 0
    mined = losses.mine(anchors, positives, poses)
    assert mined.negative[0] == 2  # not 1, which is nearer but the same pose
    assert mined.found[0]
    assert (mined.npmpjpe[:, -1] < 1e-3).all()  # the last candidate is the positive itself


def test_a_negative_of_an_earlier_batch_is_found():
    pose = torch.from_numpy(standing())
    poses = pose.repeat(3, 1, 1)
    poses[2, sk.LEFT_WRIST] += torch.tensor([0.3, 1.0, 0.2])  # the batch's two show the same
    anchors = torch.tensor([[0.0], [5.0]])
    alone = losses.mine(anchors, anchors + 0.1, poses[:2])
    assert not alone.found.any()
    mined = losses.mine(anchors, torch.cat([anchors + 0.1, torch.tensor([[9.0]])]), poses)
    assert mined.found.all()
    assert mined.negative.tolist() == [2, 2]


def test_a_pool_keeps_the_newest_positives():
    def heads(start: float) -> tuple[torch.Tensor, torch.Tensor, None]:
        mean = torch.arange(start, start + 4)[:, None]  # two anchors, then two positives
        return mean, torch.ones_like(mean), None

    pool, poses = Pool(3), torch.from_numpy(standing()).repeat(2, 1, 1)
    assert pool.behind(heads(0.0), poses)[0][0].flatten().tolist() == [0, 1, 2, 3]
    pool.keep(heads(0.0), poses)
    pool.keep(heads(10.0), poses)
    (mean, std, up), seen = pool.behind(heads(20.0), poses)
    assert mean.flatten().tolist() == [20, 21, 22, 23, 12, 13, 2]
    assert len(std) == 7
    assert up is None
    assert len(seen) == 5  # of the positives and of those kept


def test_normalisation_is_the_papers():
    joints = torch.from_numpy(standing()[:, :2]).clone()
    got = normalise(joints[None] * 300 + 50, torch.ones(1, 13))[0]
    assert got[[sk.LEFT_HIP, sk.RIGHT_HIP]].mean(0).abs().max() < 1e-6
    torso = got[[sk.LEFT_SHOULDER, sk.RIGHT_SHOULDER, sk.LEFT_HIP, sk.RIGHT_HIP]]
    assert float(torch.cdist(torso, torso).max()) == pytest.approx(0.5, abs=1e-5)


def test_normalisation_without_hips_or_anything():
    joints = torch.from_numpy(standing()[:, :2])[None]
    seen = torch.ones(1, 13)
    seen[:, sk.LEFT_HIP :] = 0
    got = normalise(joints, seen)[0]
    assert got[[sk.LEFT_SHOULDER, sk.RIGHT_SHOULDER]].mean(0).abs().max() < 1e-6
    assert (got[sk.LEFT_HIP :] == 0).all()
    assert normalise(joints, torch.zeros(1, 13)).isfinite().all()


def test_rarity_flattens(people):
    poses = np.concatenate([np.repeat(people[:1].numpy(), 500, 0), people.numpy()])
    even = rarity(poses, power=0.0, clusters=20)
    flat = rarity(poses, power=1.0, clusters=20)
    assert np.allclose(even, 1 / len(poses))
    assert flat[:500].sum() < 0.4 < 0.6 < even[:500].sum()


def small(**changes) -> Config:
    network = Network(width=64, dropout=0.0, lift=True, start_a=5, start_b=2, start_std=0.2)
    values = {"steps": 6, "batch": 16, "lift": 1.0, "metric": 0.1, "calibration": 0.1}
    return Config(network=network, warmup=1, **(values | changes))


def test_one_batch_is_learnt_by_heart(mocap):
    torch.set_num_threads(1)
    config = small(steps=150, learning_rate=3e-3, augment=Augmentation(distance=(4, 8)))
    trainer = loop.Trainer(config, mocap, Retrieval.of(mocap))
    trainer._drawn = lambda count: torch.arange(16)
    first = trainer.train_step()
    for _ in range(149):
        last = trainer.train_step()
    assert last["lift"] < 0.5 * first["lift"]
    assert last["positive"] < first["positive"]


@pytest.mark.parametrize("match", ["moments", "sampled"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_loss_gives_finite_gradients(mocap, match, kind):
    trainer = loop.Trainer(small(match=match, kind=kind), mocap, Retrieval.of(mocap))
    terms = trainer.train_step()
    assert all(math.isfinite(v) for v in terms.values())
    assert all(p.grad.isfinite().all() for p in trainer.net.parameters() if p.grad is not None)


def filmed(people: "torch.Tensor") -> Detections:
    """What a faultless detector says of people (P, 13, 3) seen by one camera each."""
    joints, seen = Augmenter(Augmentation(distance=(4.0, 8.0)), seed=2).film(people)
    down = seen * torch.tensor([-1.0, -1.0, 1.0])  # axes right, down, forward, as files have them
    one = torch.ones(len(people), 13)
    # the camera's axes from those of the body, and the body's from those of the world
    up = (canonical(down)[1] @ canonical(people)[1].mT)[:, :, 1]
    return Detections(100 * joints, one, down, down, up, torch.arange(len(people)) // 10)


def test_film_comes_with_the_pose_that_was_filmed(mocap, people):
    config = small(detected=0.5, detected_from=1)
    film = filmed(people)
    trainer = loop.Trainer(config, mocap, Retrieval.of(mocap), film=film)
    assert "40 frames of 4 takes" in trainer.trained_on
    assert trainer._found(16) is None
    trainer.step = 1
    _, visibility, poses = trainer._found(16)
    assert poses.shape == (8, 13, 3) and visibility.min() == 1
    mirrored = people[:, list(sk.MIRROR)] * torch.tensor([-1.0, 1.0, 1.0])
    known = torch.cat([people, mirrored])
    place = torch.cdist(losses.canonical(poses).flatten(1), losses.canonical(known).flatten(1))
    assert place.amin(1).max() < 5e-3
    # the way up is that of the world, not of the camera
    up = canonical(poses)[1][:, 1], canonical(known[place.argmin(1)])[1][:, 1]
    torch.testing.assert_close(*up, atol=5e-3, rtol=0)


def test_a_config_that_wants_film_says_so(mocap):
    with pytest.raises(FormatError, match="--detected"):
        loop.Trainer(small(detected=0.5), mocap, Retrieval.of(mocap))


def test_a_setting_that_the_processor_imitates_is_told(monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert slow_here(small(half=True)) == "half"
    assert slow_here(small(half=False)) is None and slow_here(small(half=True), "cuda") is None
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    assert slow_here(small(half=True)) is None


def test_the_embedding_unlearns_who_moves(mocap):
    people = tuple(f"amc/{i:02d}_01" for i in range(len(mocap.names)))
    mocap = dataclasses.replace(mocap, names=people)
    plain, one = (
        loop.Trainer(small(identity=factor), mocap, Retrieval.of(mocap)) for factor in (0.0, 0.5)
    )
    assert "subject" not in plain.train_step()
    before = [p.clone() for p in one.judge.parameters()]
    assert math.isfinite(one.train_step()["subject"])
    assert any(not torch.equal(*pair) for pair in zip(before, one.judge.parameters(), strict=True))
    heads = [net.net.mean.weight for net in (plain, one)]
    assert not torch.equal(*heads), "the turned gradient reaches the embedding"


@pytest.mark.parametrize("changes", [{}, {"detected": 0.5}, {"identity": 0.1}, {"pool": 50}])
def test_a_killed_run_goes_on_as_if_nothing_had_happened(mocap, people, tmp_path, changes):
    def states(trainer):
        return torch.cat([p.flatten() for p in trainer.averaged.state_dict().values()])

    def trainer():
        return loop.Trainer(config, mocap, Retrieval.of(mocap), film=filmed(people))

    config = small(augment=Augmentation(noise=0.02, recombine=0.5), **changes)
    whole = trainer()
    run(whole, tmp_path, every=2)
    first = trainer()
    for _ in range(3):
        first.train_step()
    first.save(tmp_path / "half.pt")
    second = trainer()
    second.resume(tmp_path / "half.pt")
    for _ in range(3):
        second.train_step()
    assert torch.equal(states(whole), states(second))
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 4, 6]
    assert 0 <= rows[-1]["hit_at_1"] <= 100


def test_calibration_finds_how_often_near_pairs_match():
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    poses = torch.from_numpy(standing() + rng.normal(0, 0.1, (400, 13, 3)).astype(np.float32))
    net = PrVipe(Network(width=64, dropout=0.0, start_a=20.0, start_b=20.0, start_std=0.1))
    augmenter = Augmenter(Augmentation(distance=(4.0, 8.0)), seed=1)
    views = [augmenter.detect(augmenter.project(poses)) for _ in range(2)]
    ((a, b),) = calibrate(net, views, poses)
    assert (a, b) == (net.a.item(), net.b.item()) != (20.0, 20.0)
    # an untrained network finds next to nothing: its probabilities must come down to that
    views = [augmenter.detect(augmenter.project(poses)) for _ in range(2)]
    with torch.no_grad():
        first, second = (net.eval()(*view) for view in views)
        p = losses.match_moments(first, second, net.a, net.b)
    assert p.mean() < 0.2


def test_calibration_keeps_a_slope_that_distances_can_use():
    poses = torch.from_numpy(standing()).repeat(200, 1, 1)
    poses[100:, sk.LEFT_WRIST] += torch.tensor([0.3, 1.0, 0.2])
    net = PrVipe(Network(width=16, dims=2, dropout=0.0, start_a=20.0, start_b=20.0)).eval()
    apart = torch.zeros(200, 2)
    apart[100:] = 3.0  # what matches lies together: the steeper, the better
    views = [(apart, torch.full_like(apart, 0.8))] * 2
    net.forward = lambda mean, std: (mean, std)
    ((a, b),) = calibrate(net, views, poses)
    assert a == pytest.approx(STEEPEST)
    assert math.isfinite(b)


def test_the_cosine_begins_anew_at_each_restart(mocap):
    config = small(steps=40, restarts=(20,), restart_rate=0.5)
    trainer = loop.Trainer(config, mocap, Retrieval.of(mocap))
    rates = []
    for trainer.step in range(40):
        rates.append(trainer._rate())
    assert rates[0] == 1 and rates[20] == 0.5
    assert rates[10] == pytest.approx(0.5) and rates[30] == pytest.approx(0.25)
    assert rates[19] < 0.01 and rates[39] < 0.01


def test_the_result_is_the_mean_over_the_cycles(mocap, tmp_path):
    config = small(steps=4, restarts=(2,), average_cycles=True)
    trainer = loop.Trainer(config, mocap, Retrieval.of(mocap))
    ends = []
    for step in range(4):
        if step == 2:
            ends.append(trainer.averaged.mean.weight.clone())
        trainer.train_step()
    trainer.save(tmp_path / "c.pt")
    again = loop.Trainer(config, mocap, Retrieval.of(mocap))
    again.resume(tmp_path / "c.pt")
    wanted = (ends[0] + trainer.averaged.mean.weight) / 2
    assert torch.allclose(again.result().mean.weight, wanted, atol=1e-6)
    assert not torch.allclose(wanted, trainer.averaged.mean.weight, atol=1e-6)


def test_a_checkpoint_of_another_config_is_refused(mocap, tmp_path):
    trainer = loop.Trainer(small(), mocap, Retrieval.of(mocap))
    trainer.save(tmp_path / "c.pt")
    other = loop.Trainer(small(batch=8), mocap, Retrieval.of(mocap))
    with pytest.raises(FormatError, match="another config"):
        other.resume(tmp_path / "c.pt")
    (tmp_path / "c.pt").write_bytes(b"half a file")
    with pytest.raises(FormatError, match="damaged"):
        other.resume(tmp_path / "c.pt")


@pytest.mark.parametrize(
    "text", ["steps = ", "stepz = 3", "[augment]\nnoize = 1", "[network]\ndepth = 2"]
)
def test_a_wrong_config_names_the_file(tmp_path, text):
    (tmp_path / "c.toml").write_text(text)
    with pytest.raises(FormatError, match=r"c\.toml"):
        load_config(tmp_path / "c.toml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("batch = 1", "batch should be greater than or equal to 2, not 1"),
        ("steps = 'many'", "steps should be a valid integer, .*, not 'many'"),
        ("steps = 0", "steps should be greater than 0, not 0"),
        ("learning_rate = -1", "learning_rate should be greater than 0, not -1"),
        ("prior = nan", "prior should be a finite number, not nan"),
        ("prior = -0.1", "prior should be greater than or equal to 0, not -0.1"),
        ("detected = 30", "detected should be less than or equal to 1, not 30"),
        ("[network]\ndropout = 1", "network.dropout should be less than 1, not 1"),
        ("kind = 'x'", "kind should be 'prvipe', 'vipe', 'l2vipe' or 'lifting', not 'x'"),
        ("name = '../a'", "name should be a name for files, not '../a'"),
        ("name = ''", "name should be a name for files, not ''"),
        ("frozen = 3", "frozen should be a valid boolean, .*, not 3"),
        ("speed = [0, 1]", r"speed\.0 should be greater than 0, not 0"),
        ("speed = [2, 1]", r"speed should have the smaller number first, not \[2, 1\]"),
        ("speed = [1]", r"speed\.1: Field required"),
        ("exclude = 'amc/*'", "exclude should be a valid tuple"),
        ("network = 5", "network should be a dictionary"),
        ("source_weights = {amc = -1}", "source_weights.amc should be greater than or equal to 0"),
        ("stepz = 3", "there is no setting 'stepz'"),
    ],
)
def test_a_setting_that_cannot_be_is_told(tmp_path, text, words):
    (tmp_path / "c.toml").write_text(text)
    with pytest.raises(FormatError, match=words):
        load_config(tmp_path / "c.toml")


@pytest.mark.parametrize(
    "path",
    sorted(WEIGHTS.rglob("*.toml")),
    ids=lambda path: path.name,
)
def test_committed_configs_are_valid(path):
    kind = kind_of(path)
    if kind in vvipe_config.KINDS:
        assert set(vvipe.networks(vvipe_config.read_config(path)))
    elif kind in posegpt_config.KINDS:
        assert posegpt_config.read_config(path).kind == kind
    elif kind == posebert_config.KIND:
        posebert_config.read_config(path)
    else:
        config = load_config(path)
        assert config.kind in KINDS
        loop.PrVipe(config.network, kind=config.kind)


@pytest.mark.parametrize(
    ("read", "text", "words"),
    [
        (posegpt_config.read_config, "[network]\nwidth = 33", "33 is no multiple of heads = 4"),
        (posegpt_config.read_config, "least = 7", "least wants to be 1 to seen / chunk = 6"),
        (posebert_config.read_config, "[network]\nwidth = 33", "33 is no multiple of heads = 6"),
        (posebert_config.read_config, "frames = 8", "frames should be greater than or equal to 16"),
        (posebert_config.read_config, "temperature = 0", "temperature should be greater than 0"),
    ],
)
def test_sizes_that_contradict_each_other_are_told(tmp_path, read, text, words):
    (tmp_path / "c.toml").write_text(text)
    with pytest.raises(FormatError, match=words):
        read(tmp_path / "c.toml")


def test_a_rate_that_falls_from_the_last_step_on(mocap):
    config = small(schedule="decay", decay_from=2, steps=2)
    trainer = loop.Trainer(config, mocap, Retrieval.of(mocap))
    assert all(math.isfinite(v) for _ in range(3) for v in trainer.train_step().values())


def test_exported_model_equals_torch_and_carries_its_metadata(tmp_path):
    torch.manual_seed(0)
    net = PrVipe(Network(width=64, dims=8))
    path = tmp_path / "m.onnx"
    assert export(net, path, name="small", trained_on="noise") <= 1e-5
    model = Model.load(path)
    assert model.dims == 8 and model.id.startswith("small:") and model.trained_on == "noise"
    assert model.sigmoid == pytest.approx((float(net.a), float(net.b)))
    xy = (standing()[None, :, :2] * 100).repeat(3, 0)
    xy[1] = np.nan
    score = np.ones((3, 13), np.float32)
    score[1] = 0
    got = embed(Poses(xy, score, np.arange(3) / 30, (640, 480)), model)
    with torch.no_grad():
        mean, std = net(torch.from_numpy(xy[[0, 2]]), torch.ones(2, 13))
    np.testing.assert_allclose(got.mean[[0, 2]], mean, atol=1e-4)
    np.testing.assert_allclose(got.std[[0, 2]], std, atol=1e-4)
    assert np.isnan(got.mean[1]).all() and np.isnan(got.std[1]).all()
    assert list(tmp_path.iterdir()) == [path]  # nothing half-written stays
    assert b"site-packages" not in path.read_bytes()


def test_the_weights_that_a_run_starts_from_are_kept(tmp_path, vipe):
    out, config = tmp_path / "run", tmp_path / "c.toml"
    out.mkdir()
    export(PrVipe(Network(width=64, dims=8)), out / "prvipe.onnx", name="a", trained_on="noise")
    before = (out / "prvipe.onnx").read_bytes()
    config.write_text("steps = 1\nbatch = 4\n[network]\nwidth = 64\ndims = 8\n")
    clips = {name: bodies.people(40).astype(np.float32) for name in ("a/1", "amc/13_01")}
    np.savez(tmp_path / "m.npz", **clips)
    weights = "--weights", out / "prvipe.onnx"
    code, _, error = vipe("train", config, tmp_path / "m.npz", *weights, "--out", out)
    assert code == 1 and "would replace an input" in error
    assert (out / "prvipe.onnx").read_bytes() == before


def test_lifting_gives_the_pose_in_camera_axes(people):
    seen2d, seen = Augmenter(Augmentation(distance=(5.0, 5.0)), seed=2).film(people)
    assert losses.np_mpjpe(seen, people).max() < 1e-4  # a rotation, no mirror image
    depth = seen[..., 2] + 5
    assert torch.allclose(seen2d, -seen[..., :2] / depth[..., None], atol=1e-5)


def test_fisher_moments_are_those_of_draws():
    rng = np.random.default_rng(0)
    for k in (0.3, 2.0, 20.0):
        # along z: w = 1 + log(u + (1 - u) exp(-2 k)) / k (Ulrich 1984), any azimuth
        u, turn = rng.random(200_000), rng.uniform(0, 2 * np.pi, 200_000)
        w = 1 + np.log(u + (1 - u) * np.exp(-2 * k)) / k
        across = np.sqrt(1 - w**2)
        drawn = np.stack([across * np.cos(turn), across * np.sin(turn), w], axis=1)
        mean, std = fisher_moments(torch.tensor([[0.0, 0.0, k]]))
        # the concentration is kept a little off 0
        np.testing.assert_allclose(mean[0], drawn.mean(0), atol=0.02)
        np.testing.assert_allclose(std[0], drawn.std(0), atol=0.02)


def test_vertical_is_likeliest_at_the_truth():
    up = torch.nn.functional.normalize(torch.randn(50, 3), dim=1)
    right, less, wrong = (losses.vertical(8 * v, up) for v in (up, 0.2 * up, -up))
    assert right < less < wrong
    # density of a direction, integrated over the sphere: 1
    directions = torch.nn.functional.normalize(torch.randn(100_000, 3), dim=1)
    parameter = torch.tensor([[1.0, -2.0, 0.5]]).expand(100_000, 3)
    density = [
        math.exp(-float(losses.vertical(p[None], d[None])) - math.log(2 * math.pi))
        for p, d in zip(parameter[:4000], directions[:4000], strict=True)
    ]
    assert 4 * math.pi * np.mean(density) == pytest.approx(1, abs=0.15)


def test_upright_tells_lying_from_standing():
    pose = torch.from_numpy(standing())[None]
    turn = torch.tensor([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])  # on the back
    about = torch.tensor([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])  # about the vertical
    lying, round_ = pose @ turn.T, pose @ about.T
    assert losses.np_mpjpe(pose, lying) < 1e-3
    assert losses.np_mpjpe(losses.upright(pose), losses.upright(round_)) < 1e-3
    assert losses.np_mpjpe(losses.upright(pose), losses.upright(lying)) > 0.5


def test_a_vertical_is_learnt_and_exported(mocap, tmp_path):
    network = Network(width=32, dims=4, dropout=0.0, vertical=1.5)
    config = small(vertical=1.0, upright=0.5, lift=0.0, steps=150, learning_rate=3e-3)
    config = dataclasses.replace(config, network=network)
    trainer = loop.Trainer(config, mocap, Retrieval.of(mocap))
    first = trainer.train_step()
    for _ in range(149):
        last = trainer.train_step()
    assert last["vertical"] < first["vertical"]
    loop.finish(trainer, tmp_path)
    model = Model.load(tmp_path / f"{config.name}.onnx")
    plain = model.without_vertical()
    assert (model.dims, plain.dims) == (7, 4)
    assert plain.id != model.id and plain.without_vertical() is plain
    xy = np.random.default_rng(0).uniform(0, 99, (5, 13, 2)).astype(np.float32)
    poses = Poses(xy, np.ones((5, 13), np.float32), np.arange(5) / 30, (99, 99))
    whole, part = embed(poses, model), embed(poses, plain)
    assert whole.mean.shape == (5, 7) and part.mean.shape == (5, 4)
    np.testing.assert_array_equal(part.mean, whole.mean[:, :4])
    np.testing.assert_array_equal(without_vertical(whole, model).mean, part.mean)
    assert without_vertical(whole, model).model == part.model
    assert (np.linalg.norm(whole.mean[:, 4:], axis=1) < 1.5).all()


@pytest.mark.parametrize("width", [48, 64])
def test_a_run_starts_as_the_model_it_is_given(tmp_path, width):
    torch.manual_seed(0)
    old = PrVipe(Network(width=48, dims=8, dropout=0.0, start_std=0.3))
    new = PrVipe(Network(width=width, dims=8, vertical=1.0))
    views = torch.randn(3000, 13, 2), torch.ones(3000, 13)
    with torch.no_grad():  # statistics that have to be undone
        for norm in (m for m in old.modules() if isinstance(m, torch.nn.BatchNorm1d)):
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)
    export(old, tmp_path / "old.onnx", name="old", trained_on="nothing")
    assert start_from(new, tmp_path / "old.onnx", views) == ["up.0", "up.2"]
    with torch.no_grad():
        before, after = old.eval()(*views), new.eval()(*views)
    torch.testing.assert_close(after[0][:, :8], before[0], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(after[1][:, :8], before[1], atol=1e-4, rtol=1e-4)
    with pytest.raises(WeightsError, match="wider"):
        start_from(PrVipe(Network(width=32)), tmp_path / "old.onnx", views)
    (tmp_path / "text.onnx").write_bytes(b"text")
    with pytest.raises(WeightsError, match="not a model"):
        start_from(new, tmp_path / "text.onnx", views)


def test_a_crop_leaves_the_nearer_half(people):
    augmenter = Augmenter(Augmentation(crop=1.0), seed=0)
    joints = augmenter.project(people)
    _, visibility = augmenter.detect(joints)
    gone = visibility == 0
    assert gone.any() and (gone.sum(1) <= 6).all()


def test_half_precision_stays_near(mocap):
    net = PrVipe(Network(width=64, dropout=0.0)).eval()
    views = torch.randn(64, 13, 2), torch.ones(64, 13)
    exact = net(*views)[0]
    net.in_half()
    assert 0 < (net(*views)[0] - exact).abs().max() < 0.05 * exact.abs().max()


def test_a_frozen_network_learns_the_vertical_only(mocap):
    network = Network(width=32, dims=4, dropout=0.0, vertical=1.5)
    config = dataclasses.replace(small(frozen=True, vertical=1.0), network=network)
    trainer = loop.Trainer(config, mocap, Retrieval.of(mocap))
    before = {name: value.clone() for name, value in trainer.net.state_dict().items()}
    assert set(trainer.train_step()) == {"vertical"}
    after = trainer.net.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and all(name.startswith("up.") for name in changed)


def test_the_rate_decays_straight_to_zero(mocap):
    config = small(steps=40, schedule="decay", decay_from=20)
    trainer = loop.Trainer(config, mocap, Retrieval.of(mocap))
    rates = []
    for trainer.step in range(40):
        rates.append(trainer._rate())
    assert rates[:20] == [1] * 20
    assert rates[30] == pytest.approx(0.5) and 0 < rates[39] < 0.06


def test_a_result_may_lie_between_the_weights_given_and_those_learnt(mocap, tmp_path):
    torch.manual_seed(0)
    export(
        PrVipe(Network(width=64, start_std=0.3)),
        tmp_path / "old.onnx",
        name="old",
        trained_on="nothing",
    )
    ends = {}
    for blend in (0.0, 0.5, 1.0):
        trainer = loop.Trainer(small(blend=blend), mocap, Retrieval.of(mocap))
        trainer.start_from(tmp_path / "old.onnx")
        for _ in range(6):
            trainer.train_step()
        trainer.save(tmp_path / "end.pt")
        again = loop.Trainer(small(blend=blend), mocap, Retrieval.of(mocap))
        again.resume(tmp_path / "end.pt")
        ends[blend] = again.result().state_dict()
    for name in ("mean.weight", "backbone.0.weight", "backbone.5.layers.4.weight"):
        between = (ends[0.0][name] + ends[1.0][name]) / 2
        torch.testing.assert_close(ends[0.5][name], between)
        assert not torch.equal(ends[0.0][name], ends[1.0][name])
    # layers that were not given are those learnt
    assert torch.equal(ends[0.0]["lift.0.weight"], ends[1.0]["lift.0.weight"])
    assert not torch.equal(ends[0.5]["backbone.1.running_var"], ends[1.0]["backbone.1.running_var"])
