"""PoseBERT: windows of film, the contrastive task, training, its file."""

import dataclasses

import numpy as np
import pytest

from tests.bodies import waving
from vipecli.embedding.model import Model
from vipecli.poses import skeleton as sk
from vipecli.poses.formats import save_poses
from vipecli.poses.poses import Poses

torch = pytest.importorskip("torch", reason="needs the extra train")

from tests.train.resuming import goes_on_alike  # noqa: E402
from vipecli.errors import FormatError, WeightsError  # noqa: E402
from vipecli.sequence.posebert import PoseBert  # noqa: E402
from vipecli.train import posebert, posebert_files  # noqa: E402
from vipecli.train.contrastive import Quantiser, contrast  # noqa: E402
from vipecli.train.motion_clips import MotionClips  # noqa: E402
from vipecli.train.posebert_config import Config, Sizes, read_config  # noqa: E402
from vipecli.train.posebert_film import Filming, Studio  # noqa: E402
from vipecli.train.posebert_footage import Footage, sorted_out  # noqa: E402
from vipecli.train.posebert_model import PoseBert as Network  # noqa: E402
from vipecli.train.posebert_model import normalised  # noqa: E402
from vipecli.train.posebert_takes import Takes  # noqa: E402

torch.set_num_threads(1)

CONFIG = Config(
    pretrain_steps=3,
    steps=40,
    batch=8,
    frames=16,
    warmup=1,
    average=0.9,
    learning_rate=2e-3,
    distractors=8,
    embedded=0.25,
    bfloat16=False,
    network=Sizes(width=32, layers=1, heads=2, dropout=0.0),
    augment=Filming(noise=0.02, fps=(12.0, 30.0)),
)


@pytest.fixture(scope="module")
def single() -> Model:
    return Model.load()


def clips() -> MotionClips:
    motions = []
    for speed in (1, 2, 3):
        motion = waving(90)
        swing = 0.4 * np.sin((2 + speed) * np.arange(90) / 8)
        motion[:, [sk.RIGHT_WRIST, sk.LEFT_ANKLE]] += swing[:, None, None]
        motions.append(motion.astype(np.float32))
    return MotionClips.of(motions, [30.0] * 3, ["a/1", "a/2", "b/1"], sk.MIRROR)


def trainer(single: Model, takes: Takes | None = None, **changes) -> posebert.Trainer:
    return posebert.Trainer(dataclasses.replace(CONFIG, **changes), clips(), clips(), single, takes)


def studio(**changes) -> Studio:
    return Studio(clips(), dataclasses.replace(CONFIG.augment, **changes), frames=16)


def test_film_shows_the_pose_and_hides_for_a_while():
    rng = np.random.default_rng(0)
    one = studio(noise=0.0, guessed=0.0, swapped=0.0)
    motions, times = one.motions(12, rng)
    assert motions.shape == (12, 16, 13, 3) and (np.diff(times) > 0).all()
    plain = one.film(motions, times, rng, hide=False)
    assert torch.allclose(plain.joints, plain.truth, atol=1e-5)
    assert (plain.visibility > 0).all()
    assert torch.allclose(plain.pose[:, :, 7:9].mean(2), torch.zeros(1), atol=1e-5)
    up = plain.pose[:, :, 0, 1]  # y points down
    assert (up < -0.5).all()
    hidden = one.film(motions, times, rng)
    share = (hidden.visibility == 0).float().mean()
    assert 0.02 < share < 0.7
    again, tokens = one.masked(plain, rng, chunk=2)
    assert tokens.shape == (12, 8) and 0.3 <= tokens.float().mean() < 0.6
    mask = tokens.repeat_interleave(2, dim=1)
    assert (again.visibility[mask] == 0).all() and (again.visibility[~mask] > 0).all()


def test_windows_are_normalised_whatever_their_place_and_size():
    joints, seen_ = torch.randn(3, 5, 13, 2), torch.ones(3, 5, 13)
    seen_[:, 2] = 0
    a, _, _ = normalised(joints, seen_)
    b, middle, size = normalised(7 * joints + 100, seen_)
    assert torch.allclose(a, b, atol=1e-4)
    assert torch.allclose(middle + size * b, 7 * joints + 100, atol=1e-3)


def test_context_is_that_of_times_not_of_numbers():
    net = Network(width=32, layers=2, heads=2, dropout=0.0).eval()
    for layer in net.layers:
        torch.nn.init.normal_(layer.bias)
    latent, times = torch.randn(1, 8, 32), torch.cumsum(torch.rand(1, 32), 1)
    base = net.context(latent, times)
    assert torch.allclose(net.context(latent, times + 5), base, atol=1e-4)
    assert not torch.allclose(net.context(latent, 3 * times), base, atol=1e-2)


def test_an_untrained_network_says_paths_and_single_frames():
    net = Network(width=32, layers=1, heads=2, dropout=0.0).eval()
    joints, visible, times = torch.randn(2, 8, 13, 2), torch.ones(2, 8, 13), torch.rand(2, 8)
    mean, std = torch.randn(2, 8, 19), torch.rand(2, 8, 19)
    smooth = joints + 0.1 * torch.randn(2, 8, 13, 2)
    out = net(joints, smooth, visible, torch.zeros(2, 8, 13, 2), times, mean, std)
    share = (out[0] - joints) / (smooth - joints)
    assert torch.allclose(share, torch.tensor(1.0).sigmoid(), atol=1e-2)
    assert torch.equal(out[4], mean) and torch.allclose(out[5], std)


@pytest.mark.parametrize("negatives", ["random", "pose", "cosine"])
def test_contrast_is_least_for_the_truth(negatives):
    torch.manual_seed(0)
    target, poses = torch.randn(30, 8), torch.randn(30, 39)
    how = {"negatives": negatives, "count": 10, "temperature": 0.1}
    right, found = contrast(target, target, poses, **how)
    wrong, lost = contrast(target.roll(1, 0), target, poses, **how)
    assert found == 1 and lost < 0.2 and right < 0.5 * wrong


def test_equal_poses_are_no_negatives():
    target, poses = torch.randn(6, 8), torch.zeros(6, 39)
    loss, found = contrast(
        torch.randn(6, 8), target, poses, negatives="pose", count=3, temperature=0.1
    )
    assert loss == 0 and found == 1


def test_codes_are_those_of_the_books():
    quantiser = Quantiser(8).eval()
    codes, _ = quantiser(torch.randn(20, 8))
    first = quantiser.codes[0]
    assert all((codes[i, :4] == first).all(1).any() for i in range(20))


@pytest.mark.parametrize(
    "changes",
    [{"negatives": "pose"}, {"negatives": "cosine", "quantised": True}, {"other_view": True}],
)
def test_variants_of_the_contrastive_task_train(changes, single):
    one = trainer(single, **changes, pretrain_steps=4)
    for _ in range(5):
        terms = one.train_step()
    assert "pose" in terms and np.isfinite(list(terms.values())).all()


def test_it_learns_poses(single):
    one = trainer(single, pretrain_steps=0, steps=50)
    before = one.score()
    assert before["nearest"] == before["nearest_single"]
    for _ in range(50):
        one.train_step()
    assert one.score()["lifted_mpjpe"] < 0.6 * before["lifted_mpjpe"]


@pytest.mark.slow
def test_it_fills_gaps_better_than_lines(single):
    sizes = Sizes(width=64, layers=2, heads=4, dropout=0.0, chunk=2)
    calm = Filming(noise=0.01, outlier=0.0, guessed=0.0, swapped=0.0, limb=0.0, person=1.0)
    alone = {"pose": 0.0, "embedded": 0.0, "seen": 0.05, "pretrain_steps": 0}
    one = trainer(single, **alone, batch=16, steps=1000, network=sizes, augment=calm)
    for _ in range(250):
        one.train_step()
    assert one.score()["gap_ratio"] < 0.95


def test_few_labels_are_those_of_few_clips(single):
    one = trainer(single, labels=0.3)
    assert one.batches.labelled.sum() == 1
    assert trainer(single).batches.labelled is None


def test_resumed_equals_undisturbed(tmp_path, single):
    goes_on_alike(lambda: trainer(single), tmp_path, first=5, then=3)
    with pytest.raises(FormatError, match="another config"):
        trainer(single, seed=7).resume(tmp_path / "half.pt")


@pytest.fixture
def film(tmp_path):
    """Takes of 10 frames of somebody who stands upright in a picture."""
    rng = np.random.default_rng(0)
    body = waving(20) - waving(20)[:, 7:9].mean(1, keepdims=True)
    seen = body * np.array([1.0, -1.0, -1.0])
    path = tmp_path / "film.npz"
    np.savez(
        path,
        xy=(100 * seen[..., :2] + rng.normal(0, 1, (20, 13, 2))).astype(np.float32),
        score=np.ones((20, 13), np.float32),
        world=seen.astype(np.float32),
        seen=seen.astype(np.float32),
        up=np.tile(np.array([0, -1, 0], np.float32), (20, 1)),
        times=np.tile(np.arange(10) / 30, 2),
        take=np.repeat([0, 1], 10),
    )
    return path


def test_takes_of_a_detector_become_windows(film):
    takes = Takes.load([film], frames=16)
    assert takes.joints.shape == (2, 16, 13, 2)
    windows, motions = takes.draw(6, np.random.default_rng(0))
    assert (windows.visibility[:, :10] > 0).all() and (windows.visibility[:, 10:] == 0).all()
    assert (windows.times.diff(dim=1) > 0).all()
    head = motions[:, :, 0] - motions[:, :, 7:9].mean(2)
    assert (head[..., 1] > 0.9).all()  # y up, torso units, however the picture is rolled


def test_what_a_detector_found_is_a_part_of_each_batch(film, single):
    with pytest.raises(FormatError, match="--detected"):
        trainer(single, filmed=0.25)
    takes = Takes.load([film], frames=16)
    one = trainer(single, takes, filmed=0.25, pretrain_steps=0)
    assert np.isfinite(list(one.train_step().values())).all()


def test_configs_are_checked(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text('negatives = "odd"')
    with pytest.raises(FormatError, match="'random', 'pose' or 'cosine'"):
        read_config(path)


def test_the_file_says_what_torch_says(tmp_path, single):
    one = trainer(single, pretrain_steps=0)
    for _ in range(5):
        one.train_step()
    (path,) = posebert_files.finish(one, tmp_path)
    model = PoseBert.load(path)
    assert (model.frames, model.dims, model.single) == (16, single.dims, single.id)
    with pytest.raises(WeightsError, match="belongs to prvipe"):
        xy, score, times = np.zeros((1, 16, 13, 2)), np.ones((1, 16, 13)), np.arange(16.0)[None]
        model.run(xy, score, times, single=single.without_vertical())


@pytest.fixture
def own_clips(tmp_path):
    """A folder as of `vipe embed`: somebody who waves, at 60 frames per second, once hidden."""
    body = 100 * (waving(90)[..., :2] * np.array([1.0, -1.0])) + 300
    score = np.ones((90, 13), np.float32)
    score[30:40] = 0
    poses = Poses(
        np.where(score[..., None] > 0, body, np.nan).astype(np.float32),
        score,
        np.arange(90) / 60,
        (640, 480),
    )
    (tmp_path / "films" / ".vipe").mkdir(parents=True)
    save_poses(poses, tmp_path / "films" / ".vipe" / "a.npz")
    save_poses(poses, tmp_path / "films" / "b.json")
    (tmp_path / "films" / "._b.json").write_bytes(b"\0\5\26\7")
    return tmp_path / "films"


def test_own_clips_are_told_from_mocap_and_become_windows(own_clips, tmp_path):
    mocap_file = tmp_path / "mocap.npz"
    np.savez(mocap_file, **{"a/1": waving(60).astype(np.float32)})
    mocap, flat = sorted_out([mocap_file, own_clips])
    assert mocap == [mocap_file]
    assert [path.name for path in flat] == ["a.npz", "b.json"]
    footage = Footage.load(flat, Filming(ends=0.0), frames=16)
    assert len(footage.people) == 2 and "own clips" in footage.summary()
    rng = np.random.default_rng(0)
    whole = footage.draw(40, rng, Filming(), hide=False)
    assert (whole.labelled == 0).all() and (whole.known == (whole.visibility > 0)).all()
    steps = whole.times.diff(dim=1)
    assert (steps > 1 / 31).all() and (steps < 1 / 11).all()  # thinned to 12 to 30 per second
    hidden = footage.draw(40, rng, Filming(person=1.0))
    lost = (hidden.visibility == 0) & (hidden.known > 0)
    assert lost.any(dim=2).any(dim=1).float().mean() > 0.9
    shown = hidden.visibility > 0
    assert torch.allclose(hidden.joints[shown], hidden.truth[shown])


def test_own_clips_teach_gaps_and_no_3d(own_clips, single):
    _, flat = sorted_out([own_clips])
    footage = Footage.load(flat, CONFIG.augment, frames=16)
    one = posebert.Trainer(CONFIG, clips(), clips(), single, footage=footage)
    assert "own clips without labels" in one.trained_on
    filmed, motions = one.batches.supervised(one.rng)
    assert len(motions) == 6 and filmed.labelled.tolist() == [1.0] * 6 + [0.0] * 2
    for _ in range(5):  # of both stages
        terms = one.train_step()
    assert np.isfinite(list(terms.values())).all()


def test_videos_without_poses_are_told_what_to_do(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"film")
    with pytest.raises(FormatError, match="no poses yet; run `vipe embed`"):
        sorted_out([tmp_path])
    (tmp_path / "b.bvh").write_text("HIERARCHY")
    assert sorted_out([tmp_path]) == ([tmp_path], [])


def test_a_bad_file_among_own_clips_costs_no_other(own_clips):
    (own_clips / "a_bad.json").write_text('{"keypoints": [')
    (own_clips / "a_cut.npz").write_bytes((own_clips / ".vipe" / "a.npz").read_bytes()[:500])
    _, flat = sorted_out([own_clips])
    assert {"a_bad.json", "a_cut.npz"} < {path.name for path in flat}
    said = []
    footage = Footage.load(flat, CONFIG.augment, frames=16, remark=said.append)
    assert len(footage.people) == 2
    assert len(said) == 2 and all(line.endswith("left out") for line in said)
    assert "a_bad.json" in said[0] and "a_cut.npz" in said[1]


def test_a_folder_of_damaged_motion_is_no_folder_of_own_clips(tmp_path):
    (tmp_path / "mocap").mkdir()
    (tmp_path / "mocap" / "a.npz").write_bytes(b"PK damaged")
    assert sorted_out([tmp_path / "mocap"]) == ([tmp_path / "mocap"], [])


def test_motion_without_subjects_to_measure_on_is_refused(tmp_path):
    np.savez(tmp_path / "mine.npz", **{"me/1": waving(60).astype(np.float32)})
    with pytest.raises(FormatError, match=r"mine.npz: no clip to measure on; .*amc/13_\*"):
        posebert.start(CONFIG, [tmp_path / "mine.npz"], tmp_path / "run")


def test_own_clips_alone_are_refused(own_clips, tmp_path):
    with pytest.raises(FormatError, match="give motion capture besides"):
        posebert.start(CONFIG, [own_clips], tmp_path / "run")


def test_clips_in_which_nobody_is_are_refused(tmp_path):
    poses = Poses(
        np.full((20, 13, 2), np.nan, np.float32),
        np.zeros((20, 13), np.float32),
        np.arange(20) / 30,
        (640, 480),
    )
    save_poses(poses, tmp_path / "a.npz")
    with pytest.raises(FormatError, match=r"a\.npz: nobody is in 8 frames"):
        Footage.load([tmp_path / "a.npz"], Filming(), frames=16)
