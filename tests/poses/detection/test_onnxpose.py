"""A pose model of the user's own: tiny ones, made here, that find a white dot."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.media import make_video
from vipecli.cli.app import main
from vipecli.embedding.clip import Recipe, read_scene
from vipecli.errors import WeightsError
from vipecli.poses.detection.detectors import identity, open_detector
from vipecli.poses.detection.onnxpose import OnnxPose
from vipecli.poses.formats import load_poses
from vipecli.poses.skeleton import LEFT_ANKLE, LEFT_SHOULDER, RIGHT_ANKLE
from vipecli.poses.tracking import SEEN, XY

K = 17
SHIFT_X = np.array([0, 0, 0, 0, 0, 8, -8, 10, -10, 12, -12, 5, -5, 5, -5, 5, -5])
SHIFT_Y = np.array([-20, -21, -21, -20, -20, -10, -10, 0, 0, 8, 8, 8, 8, 16, 16, 24, 24])
REACH = 24  # of the shifts, pixels of the model's input


def save(path, nodes, inputs, outputs, constants):
    initial = [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()]
    graph = helper.make_graph(nodes, "g", inputs, outputs, initial)
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def value(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def shifting(shifts):
    """Weights (K, 1, 2 * REACH + 1) that move a row to the right by the shifts."""
    weights = np.zeros((K, 1, 2 * REACH + 1), np.float32)
    weights[np.arange(K), 0, REACH - shifts] = 1
    return weights


def simcc(path, size=(128, 96), batch="N"):
    """SimCC heads: every joint stands at a shift of its own from the brightest red."""
    height, width = size
    nodes = [helper.make_node("Slice", ["image", "zero", "one", "axis"], ["red"])]
    for axis, other in (("x", 2), ("y", 3)):
        nodes += [
            helper.make_node("ReduceMax", ["red"], [f"m{axis}"], axes=[other], keepdims=0),
            helper.make_node("Relu", [f"m{axis}"], [f"r{axis}"]),
            helper.make_node("Conv", [f"r{axis}", f"w{axis}"], [f"s{axis}"], pads=[REACH] * 2),
            helper.make_node(
                "Resize", [f"s{axis}", "", "twice"], [f"simcc_{axis}"], mode="nearest"
            ),
        ]
    outputs = [value("simcc_x", [batch, K, 2 * width]), value("simcc_y", [batch, K, 2 * height])]
    constants = {
        "zero": np.array([0]),
        "one": np.array([1]),
        "axis": np.array([1]),
        "twice": np.array([1, 1, 2], np.float32),
        "wx": shifting(SHIFT_X),
        "wy": shifting(SHIFT_Y),
    }
    return save(path, nodes, [value("image", [batch, 3, height, width])], outputs, constants)


def movenet(path, *, several=False, kind=TensorProto.INT32):
    """MoveNet's heads, with the joints at shifts from the brightest point."""
    side = 192
    nodes = [
        helper.make_node("Cast", ["image"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["f"], ["rows"], axes=[2, 3], keepdims=0),
        helper.make_node("ReduceMax", ["f"], ["cols"], axes=[1, 3], keepdims=0),
        helper.make_node("ArgMax", ["rows"], ["iy"], axis=1, keepdims=1),
        helper.make_node("ArgMax", ["cols"], ["ix"], axis=1, keepdims=1),
        helper.make_node("Concat", ["iy", "ix"], ["both"], axis=1),
        helper.make_node("Cast", ["both"], ["at"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["at", "shifts"], ["placed"]),
        helper.make_node("Div", ["placed", "side"], ["shares"]),
        helper.make_node("Concat", ["shares", "score"], ["points"], axis=1),
    ]
    shifts = np.stack([SHIFT_Y, SHIFT_X], axis=1).astype(np.float32)
    constants = {
        "shifts": shifts,
        "side": np.float32(side),
        "score": np.full((K, 1), 0.8, np.float32),
    }
    if several:
        people = np.zeros((1, 6, 56), np.float32)
        people[0, 0, 51:] = 0.9
        constants |= {"rest": people[:, 1:], "box": people[:, :1, 51:], "flat": [1, 1, 51]}
        nodes += [
            helper.make_node("Reshape", ["points", "flat"], ["row"]),
            helper.make_node("Concat", ["row", "box"], ["first"], axis=2),
            helper.make_node("Concat", ["first", "rest"], ["out"], axis=1),
        ]
        outputs, constants["flat"] = [value("out", [1, 6, 56])], np.array([1, 1, 51])
    else:
        nodes.append(helper.make_node("Reshape", ["points", "shape"], ["out"]))
        outputs, constants["shape"] = [value("out", [1, 1, K, 3])], np.array([1, 1, K, 3])
    return save(path, nodes, [value("image", [1, side, side, 3], kind)], outputs, constants)


def picture(dot, size=(320, 240)):
    x, y = np.arange(size[0]) - dot[0], np.arange(size[1])[:, None] - dot[1]
    light = 255 * np.exp(-(x**2 + y**2) / (2 * 4.0**2))
    return np.repeat(light[..., None], 3, axis=2).astype(np.uint8)


class Finder:
    """Stands in for MediaPipe: finds one person in a box."""

    def __init__(self, box):
        self.box, self.closed = np.asarray(box, float), False

    def people(self, rgb, time_s, size):
        if self.box is None:
            return []
        person = np.full((33, 7), 0.5, np.float32)
        person[:, XY] = np.linspace(self.box[:2], self.box[2:], 33)
        return [person]

    def __exit__(self, *_):
        self.closed = True


def nobody():
    raise WeightsError("no pose model here")


@pytest.mark.parametrize("make", [simcc, movenet, lambda path: movenet(path, several=True)])
def test_whole_picture(tmp_path, make):
    with OnnxPose(make(tmp_path / "a.onnx"), boxes=nobody) as detector:
        assert detector.name == "onnx-a"
        (found,) = detector.people(picture((150, 110)), 0.0, (640, 480))  # twice the picture
    assert found.shape == (13, 7)
    assert (found[:, SEEN] > 0.5).all()
    size, padding = {simcc: ((96, 128), 1.25), movenet: ((192, 192), 1.25)}.get(
        make, ((192, 192), 1.0)
    )
    scale = min(np.divide(size, np.multiply((320, 240), padding)))
    middle = found[[LEFT_ANKLE, RIGHT_ANKLE], :2].mean(axis=0)
    expected = np.array([150, 110 + 24 / scale]) * 2
    np.testing.assert_allclose(middle, expected, atol=3 / scale)
    width = found[LEFT_ANKLE, 0] - found[RIGHT_ANKLE, 0]
    assert width == pytest.approx(2 * 10 / scale, abs=2 * 1.5 / scale)


def test_box_of_the_person_is_cut_out(tmp_path):
    finder = Finder((100, 60, 148, 124))
    with OnnxPose(simcc(tmp_path / "a.onnx"), boxes=lambda: finder) as detector:
        (found,) = detector.people(picture((124, 92)), 0.0, (320, 240))
        scale = min(96 / 60, 128 / 80)
        expected = [124 + 8 / scale, 92 - 10 / scale]
        np.testing.assert_allclose(found[LEFT_SHOULDER, :2], expected, atol=1.5)
        finder.box = None  # MediaPipe lost the person: the last place is looked at
        (again,) = detector.people(picture((126, 92)), 0.1, (320, 240))
        assert again[LEFT_SHOULDER, 0] == pytest.approx(found[LEFT_SHOULDER, 0], abs=8)
        assert detector.people(picture((0, 0)) * 0, 0.2, (320, 240)) == []
        assert detector.people(picture((126, 92)), 0.3, (320, 240)) == []
    assert finder.closed


@pytest.mark.parametrize("kind", [TensorProto.INT32, TensorProto.UINT8, TensorProto.FLOAT])
def test_kinds_of_input(tmp_path, kind):
    with OnnxPose(movenet(tmp_path / "a.onnx", kind=kind), boxes=nobody) as detector:
        assert len(detector.people(picture((150, 110)), 0.0, (320, 240))) == 1


def test_other_models_are_refused(tmp_path):
    one = [value("image", [1, 3, 8, 8])]
    node = [helper.make_node("Identity", ["image"], ["out"])]
    save(tmp_path / "same.onnx", node, one, [value("out", [1, 3, 8, 8])], {})
    (tmp_path / "text.onnx").write_text("no model")
    for name, says in (
        ("same.onnx", "neither SimCC heads"),
        ("text.onnx", "not an ONNX model"),
        ("gone.onnx", "cannot read"),
    ):
        with pytest.raises(WeightsError, match=says) as caught:
            open_detector(f"onnx:{tmp_path / name}")
        assert name in str(caught.value)
    with pytest.raises(WeightsError, match="no such detector"):
        open_detector("openpose")


def test_identity_follows_the_file(tmp_path):
    simcc(tmp_path / "a.onnx")
    movenet(tmp_path / "b.onnx")
    names = ["mediapipe", *(f"onnx:{tmp_path / name}" for name in ("a.onnx", "b.onnx"))]
    assert len({identity(name) for name in names}) == 3


def test_video(tmp_path, monkeypatch, capfd):
    """A dot that moves; MediaPipe sees nobody there."""
    images = [picture((100 + 6 * n, 120))[..., ::-1].copy() for n in range(8)]
    make_video(tmp_path / "dot.mp4", range(0, 320, 40), size=(320, 240), images=images)
    detector = f"onnx:{movenet(tmp_path / 'm.onnx', several=True)}"
    scene = read_scene(tmp_path / "dot.mp4", Recipe(detector=detector))
    poses = scene.choose()
    assert (poses.landmarks, poses.world, poses.detector) == (None, None, "onnx-m")
    steps = np.diff(poses.xy[:, :, 0].mean(axis=1))
    assert steps.mean() == pytest.approx(6, abs=0.8)
    assert (np.abs(steps - 6) < 5).all()
    with pytest.raises(SystemExit) as left:
        main(["poses", str(tmp_path / "dot.mp4"), "--out", str(tmp_path / "a.json"),
              "--detector", detector])  # fmt: skip
    assert left.value.code == 0, capfd.readouterr().err
    np.testing.assert_allclose(load_poses(tmp_path / "a.json").xy, poses.xy, atol=1e-3)


def test_bad_detector_is_one_line(tmp_path, capfd):
    make_video(tmp_path / "dot.mp4", range(0, 160, 40))
    for name, says in (("onnx:gone.onnx", "gone.onnx: cannot read"), ("yolo", "no such detector")):
        with pytest.raises(SystemExit) as left:
            main(["poses", str(tmp_path / "dot.mp4"), "--list", "--detector", name])
        err = capfd.readouterr().err
        assert (left.value.code, err.count("\n")) == (1, 1)
        assert says in err
