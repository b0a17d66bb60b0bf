"""Limited supervision: film by synchronised cameras, labels of few people, terms without 3D."""

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")

from tests.bodies import people, waving  # noqa: E402
from vipecli.errors import FormatError  # noqa: E402
from vipecli.train import identity, limited, vvipe, vvipe_config  # noqa: E402
from vipecli.train.augment import Augmentation, Augmenter  # noqa: E402
from vipecli.train.data import Mocap  # noqa: E402
from vipecli.train.score import Retrieval  # noqa: E402

torch.set_num_threads(1)  # where cores are busy, threads wait for each other

CONFIG = vvipe_config.Config(
    pretrain=False,
    filmed=80,
    labels=0.2,
    steps=60,
    batch=32,
    warmup=1,
    learning_rate=3e-3,
    rarity=0.0,
    network=vvipe_config.Sizes(dims=8, pose_width=32, width=32, blocks=1, dropout=0.0),
    augment=Augmentation(noise=0.02, distance=(4.0, 8.0)),
)
NAMES = (*(f"uiprmd/ok/m0{i}_s0{who}_e01" for who in (1, 2) for i in (1, 2)), "amc/13_1")


def mocap() -> Mocap:
    poses = np.concatenate([waving(40), people(60)]).astype(np.float32)
    return Mocap(poses, np.arange(100) // 20, NAMES)


def film(**options: float) -> limited.Film:
    rng = np.random.default_rng(0)
    augmenter = Augmenter(Augmentation(distance=(50.0, 60.0), **options))
    how = {"moments": 100, "labels": 0.25, "rng": rng}
    return limited.Film.of(mocap(), np.ones(100), augmenter, **how)


def trainer(**changes: float) -> vvipe.Trainer:
    config = dataclasses.replace(CONFIG, **changes)
    return vvipe.Trainer(config, mocap(), Retrieval.of(mocap(), poses=40))


def test_labels_are_those_of_few_people_and_takes():
    clip = np.repeat(np.arange(5), 20)
    chosen = limited.labelled(clip, NAMES, 0.3, np.random.default_rng(1))
    takes = np.bincount(clip[chosen], minlength=5)
    assert takes.sum() == 30
    assert sorted(takes[takes > 0]) in ([10, 20], [30], [20, 10])
    people_of = [{0, 1}, {2, 3}, {4}]
    touched = [bool(who & set(np.flatnonzero(takes))) for who in people_of]
    whole = [takes[list(who)].sum() in (0, 20 * len(who)) for who in people_of]
    assert sum(touched) <= 2 and whole.count(False) <= 1
    assert len(limited.labelled(clip, NAMES, 1.0, np.random.default_rng(1))) == 100
    assert len(limited.labelled(clip, NAMES, 1e-9, np.random.default_rng(1))) == 1


def test_film_stays_as_it_is_and_only_labels_give_3d():
    one, rng = film(), np.random.default_rng(0)
    drawn = torch.cat([one.pictures(32, rng)[0] for _ in range(20)]).flatten(1)
    assert len(torch.unique(drawn, dim=0)) == 25 * limited.RIG
    joints, visibility, who = one.pairs(32, rng)
    assert set(who.tolist()) == {0, 1, 2}
    assert joints.shape == (2, 32, 13, 2) and visibility.shape == (2, 32, 13)
    assert not torch.isclose(*joints).all(-1).all(-1).any()


def test_the_true_pose_explains_every_picture_of_its_moment():
    one = film()
    fit = limited.misfit(one.seen, one.joints, one.visibility)
    assert fit.max() < 0.06  # a far camera is nearly without perspective
    other = limited.misfit(one.seen.roll(1, dims=1), one.joints, one.visibility)
    assert other.mean() > 5 * fit.mean()
    moved = 7 * one.joints + 3
    assert torch.allclose(limited.misfit(one.seen, moved, one.visibility), fit, atol=1e-4)
    hidden, lost = one.visibility.clone(), one.joints.clone()
    hidden[..., 5], lost[..., 5, :] = 0, 100
    assert limited.misfit(one.seen, lost, hidden).max() < 0.06


def test_pictures_without_labels_teach():
    plain, all_terms = trainer(), trainer(own=1.0, views=0.5, across=1.0)
    for one in (plain, all_terms):
        rows = [one.train_step() for _ in range(CONFIG.steps)]
        assert np.isfinite(list(rows[-1].values())).all()
    assert set(rows[-1]) - {"joints", "camera", "prior"} == {"own", "views", "across"}
    assert rows[-1]["across"] < 0.8 * rows[0]["across"]
    pairs = plain.film.pairs(64, np.random.default_rng(3))
    with torch.no_grad():
        far, near = (
            limited.terms(one.nets["mapper"], one.nets["decoder"], *pairs)["across"]
            for one in (plain, all_terms)
        )
    assert near < 0.95 * far


def test_settings_that_contradict_each_other_are_refused(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text('kind = "vvipe"\nlabels = 0.1\n')
    with pytest.raises(FormatError, match="pretrain = false and filmed above 0"):
        vvipe_config.read_config(path)


def test_people_are_known_by_the_names_of_their_clips():
    names = (
        "uiprmd/ok/m01_s03_e05",
        "uiprmd/inc/m02_s03_e01",
        "amc/13_29",
        "cmu/13_01",
        "bvh/13_1",
    )
    assert identity.subjects(names).tolist() == [1, 1, 0, 0, identity.UNKNOWN]


def test_a_judge_learns_and_the_latent_learns_the_reverse():
    torch.manual_seed(0)
    judge = identity.Discriminator(4, 2)
    who = torch.tensor([0, 1, 0, 1, identity.UNKNOWN])
    latent = torch.randn(5, 4, requires_grad=True)
    plain = torch.autograd.grad(judge.loss(latent, who, reversal=-1.0), latent)[0]
    turned = torch.autograd.grad(judge.loss(latent, who, reversal=0.5), latent)[0]
    assert torch.allclose(turned, -0.5 * plain, atol=1e-6) and plain.abs().max() > 0
    assert (plain[4] == 0).all()
    nobody = torch.full((5,), identity.UNKNOWN)
    assert judge.loss(latent, nobody, reversal=1.0).item() == 0


def test_a_fresh_classifier_tells_people_that_are_there_to_tell():
    rng = np.random.default_rng(0)
    who = torch.from_numpy(np.repeat([0, 1, 2], 400))
    clip = torch.from_numpy(np.repeat(np.arange(12), 100))
    latent = torch.from_numpy(rng.normal(size=(1200, 6))).float()
    chance, most = identity.subject_recognised(latent, who, clip, steps=200)
    assert abs(chance - 1 / 3) < 0.1 and abs(most - 1 / 3) < 0.05
    latent[:, 0] += 4 * who
    assert identity.subject_recognised(latent, who, clip, steps=200)[0] > 0.9


def test_the_identity_term_is_part_of_the_loss(tmp_path):
    plain, one = trainer(views=0.5), trainer(views=0.5, identity=1.0)
    assert "subject" not in plain.train_step()
    first = one.train_step()["subject"]
    for _ in range(40):
        last = one.train_step()["subject"]
    assert np.isfinite([first, last]).all() and last < 5
    path = tmp_path / "c.toml"
    path.write_text("identity = 0.1")
    with pytest.raises(FormatError, match="identity"):
        vvipe_config.read_config(path)
