"""Models of the user's own that are damaged, hostile or of another kind: one line each, no more.

Each row of a table names the kind, how it is made, what the line says, and what came before.
"""

import io
import json
import os
import subprocess
import sys
import zipfile

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.conftest import ROOT
from tests.media import make_video
from tests.poses.detection.test_onnxpose import movenet, save, simcc, value
from vipecli.embedding.model import Model, default_weights
from vipecli.errors import WeightsError
from vipecli.lifting.lifter import LIFT_WEIGHTS, Lifter
from vipecli.lifting.predict import PREDICT_WEIGHTS
from vipecli.poses.detection.model_bundle import PARTS
from vipecli.poses.detection.model_file import model_path
from vipecli.poses.detection.onnxpose import OnnxPose
from vipecli.sequence.predictor import Predictor

WEIGHTS = default_weights().parent


# --- what is wrong with a file, of whatever kind of model ---------------------------------------


def rewritten(change):
    """A maker of a model file that is another one, read, changed and written."""

    def make(good, path):
        model = onnx.load(good)
        change(model)
        onnx.save(model, path)

    return make


def bytes_of(change):
    return lambda good, path: path.write_bytes(change(good.read_bytes()))


def outside(model, location="decoy.bin"):
    """Let the weights be in another file, of which onnxruntime opens what is named."""
    weights = model.graph.initializer[0]
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    for key, text in (("location", location), ("offset", "0"), ("length", "64")):
        entry = weights.external_data.add()
        entry.key, entry.value = key, text


def no_utf8(data):
    """Let an operator be called what no text is."""
    model = onnx.load_from_string(data)
    model.graph.node[0].op_type = "Missing~"
    return model.SerializeToString().replace(b"Missing~", b"Missing\xff")


def renamed(model):
    """Let the inputs have other names."""
    for one in model.graph.input:
        for node in model.graph.node:
            node.input[:] = ["other" if name == one.name else name for name in node.input]
        one.name = "other"
        return


def outputs(model, make):
    """Put what `make` gives in place of every output: names of nodes, constants."""
    for n, out in enumerate(list(model.graph.output)):
        for node in model.graph.node:
            node.output[:] = [f"before{n}" if name == out.name else name for name in node.output]
        nodes, constants = make(n, f"before{n}", out.name)
        model.graph.node.extend(nodes)
        model.graph.initializer.extend(constants)


def not_numbers(n, before, after):
    nan = numpy_helper.from_array(np.float32(np.nan), f"nan{n}")
    return [helper.make_node("Mul", [before, f"nan{n}"], [after])], [nan]


def huge(n, before, after):
    """A terabyte, of which the file says nothing."""
    shape = numpy_helper.from_array(np.array([10**6, 10**6]), f"huge{n}")
    return [helper.make_node("ConstantOfShape", [f"huge{n}"], [after])], [shape]


def flat(n, before, after):
    return [helper.make_node("Flatten", [before], [after], axis=0)], []


def other_shapes(model, make):
    outputs(model, make)
    for out in model.graph.output:
        del out.type.tensor_type.shape.dim[:]


WRONG = {
    # kind: (how it is made, what the line says, what came before)
    "no ONNX": (bytes_of(lambda _: b"no model"), "not an ONNX model", "the same"),
    "nothing": (bytes_of(lambda _: b""), "not an ONNX model", "the same"),
    "cut": (bytes_of(lambda data: data[: len(data) // 2]), "not an ONNX model", "the same"),
    "an operator's name is no UTF-8": (
        bytes_of(no_utf8),
        "not an ONNX model",
        "the same, after four lines of onnxruntime on stdout",
    ),
    "weights elsewhere": (
        rewritten(outside),
        "keeps its weights in other files",
        "a file of the current folder was opened",
    ),
    "weights above": (
        rewritten(lambda m: outside(m, "../decoy.bin")),
        "keeps its weights in other files",
        "a file above the current folder was opened",
    ),
    "inputs of other names": (
        rewritten(renamed),
        "cannot be run|does not take",
        "unexpected InvalidArgument",
    ),
    "NaN": (
        rewritten(lambda m: outputs(m, not_numbers)),
        "infinite numbers or NaN",
        "poses and embeddings of NaN, as if nobody were there",
    ),
    "a terabyte": (
        rewritten(lambda m: other_shapes(m, huge)),
        "cannot be run|shape|neither|not an ONNX model",  # by the release of onnxruntime
        "as much memory as there is",
    ),
    "outputs of another shape": (
        rewritten(lambda m: other_shapes(m, flat)),
        "has the shape|other shapes|another shape|neither",
        "unexpected ValueError, IndexError",
    ),
    "a device": (lambda _, path: path.symlink_to("/dev/zero"), "not a regular file", "no end"),
    "a pipe": (lambda _, path: os.mkfifo(path), "not a regular file", "no end"),
    "absent": (lambda *_: None, "cannot read", "the same"),
}


def lifter(path):
    """Read a lifter, whose other networks are as they should be."""
    for name in ("decoder", "encoder", "refiner"):
        other = path.with_name(f"{path.stem}_{name}.onnx")
        if not other.exists():
            other.symlink_to(WEIGHTS / f"vvipe_{name}.onnx")
    return Lifter.load(path)


def detector(path):
    return OnnxPose(path, boxes=lambda: None)


READERS = {
    "--model": (lambda _: WEIGHTS / LIFT_WEIGHTS, Model.load),  # smaller than the default
    "--lift-model": (lambda _: WEIGHTS / LIFT_WEIGHTS, lifter),
    "--predict-model": (lambda _: WEIGHTS / PREDICT_WEIGHTS, Predictor.load),
    "--detector, SimCC": (lambda folder: simcc(folder / "simcc.onnx"), detector),
    "--detector, MoveNet": (lambda folder: movenet(folder / "movenet.onnx"), detector),
}


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("good, read", READERS.values(), ids=READERS)
def test_a_wrong_file_is_one_line(tmp_path, monkeypatch, capfd, good, read, kind):
    make, says, _ = WRONG[kind]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "decoy.bin").write_bytes(bytes(1 << 20))
    path = tmp_path / "model.onnx"
    make(good(tmp_path), path)
    if read is detector and kind == "NaN":
        with read(path) as one:  # a pose of NaN is one of nobody
            assert one.people(np.zeros((64, 64, 3), np.uint8), 0.0, (64, 64)) == []
        return
    if read is detector and kind == "inputs of other names":
        assert read(path).points == 17  # it has one input, however it is called
        return
    with pytest.raises(WeightsError, match=says) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert not capfd.readouterr().out


@pytest.mark.parametrize("name", ["decoder", "encoder", "refiner"])
@pytest.mark.parametrize("kind", ["cut", "NaN", "inputs of other names", "weights elsewhere"])
def test_each_network_of_a_lifter_is_checked(tmp_path, name, kind):
    make, says, _ = WRONG[kind]
    (tmp_path / "mine.onnx").symlink_to(WEIGHTS / LIFT_WEIGHTS)
    make(WEIGHTS / f"vvipe_{name}.onnx", tmp_path / f"mine_{name}.onnx")
    with pytest.raises(WeightsError, match=rf"mine_{name}\.onnx: .*({says})"):
        lifter(tmp_path / "mine.onnx")


def facts(**changes):
    """Change of metadata; None leaves one out."""

    def change(model):
        known = {entry.key: entry.value for entry in model.metadata_props} | changes
        del model.metadata_props[:]
        for key, text in known.items():
            if text is not None:
                model.metadata_props.add(key=key, value=text)

    return rewritten(change)


FACTS = {
    # reader: facts, each of which was an unexpected error or passed
    "--lift-model": [
        *({"kind": None}, {"run": "other"}, {"spread": "[1, 2]"}, {"spread": "x"}),
        *({"spread": "[NaN]"}, {"latent_std": "-1"}, {"latent_std": "{}"}, {"name": "a\nb"}),
        *({"latent_std": "[" * 100_000}, {"dims": "31"}, {"dims": "33"}),
    ],
    "--predict-model": [
        *({"kind": "prvipe"}, {"seen": "0"}, {"seen": "1e3"}, {"seen": "99999999"}),
        *({"chunk": "-5"}, {"chunk": "7"}, {"least": "null"}, {"fps": "NaN"}, {"fps": "[30]"}),
        *({"fps": "0"}, {"mirror": "[0, 0]"}, {"mirror": "7"}, {"mirror": '["a"]'}),
        *({"context": "9"}, {"noise": "-1"}, {"format": "2"}, {"future": "true"}),
        *({"name": "\x1b]0;x\x07"}, {"name": ""}, {"name": None}, {"mirror": "[1, 0]"}),
    ],
}


@pytest.mark.parametrize(
    "reader, changes",
    [(reader, changes) for reader, rows in FACTS.items() for changes in rows],
    ids=lambda value: str(value)[:40],
)
def test_wrong_metadata_are_one_line(tmp_path, reader, changes):
    good, read = READERS[reader]
    path = tmp_path / "model.onnx"
    facts(**changes)(good(tmp_path), path)
    with pytest.raises(WeightsError, match=r"model(_\w+)?\.onnx: ") as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_pictures_of_a_detector_are_limited(tmp_path):
    node = [helper.make_node("Identity", ["image"], ["out"])]
    shape = [1, 60_000, 60_000, 3]
    path = save(
        tmp_path / "big.onnx",
        [*node, helper.make_node("Reshape", ["out", "to"], ["points"])],
        [value("image", shape)],
        [value("points", [1, 1, 17, 3])],
        {"to": np.array([1, 1, 17, 3])},
    )
    with pytest.raises(WeightsError, match=r"big\.onnx: takes pictures of 60000 x 60000"):
        detector(path)


@pytest.mark.skipif(sys.platform != "linux", reason="limits address space")
def test_a_terabyte_is_refused_before_it_is_taken(tmp_path):
    path = tmp_path / "model.onnx"
    WRONG["a terabyte"][0](WEIGHTS / "prvipe.onnx", path)
    code = (
        "import sys; from pathlib import Path\n"
        "from vipecli.embedding.model import Model\n"
        "from vipecli.errors import WeightsError\n"
        "try: Model.load(Path(sys.argv[1]))\n"
        "except WeightsError: pass\n"
        "status = Path('/proc/self/status').read_text()\n"  # ru_maxrss counts the parent's, too
        "print(next(line.split()[1] for line in status.splitlines() if 'VmHWM' in line))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert int(done.stdout) * 1024 < 1 << 30


# --- MediaPipe's bundle ---------------------------------------------------------------------------


def bundle(change, *, compressed=False):
    """A maker of a bundle whose two networks, (detector, landmarks), are changed."""

    def make(path):
        with zipfile.ZipFile(model_path()) as good:
            parts = change([good.read(name) for name in PARTS])
        kind = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
        with zipfile.ZipFile(path, "w", kind) as out:
            for name, data in zip(PARTS, parts, strict=True):
                out.writestr(name, data)

    return make


def without_metadata(parts):
    """As the wheel has them: how pixels are scaled stands in a zip after each, now cut off."""
    return [part.replace(b"TFLITE_METADATA", b"TFLITE_META_ATA") for part in parts]


def other_archive(path):
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("hand_detector.tflite", b"")


def not_numbers_in(parts):
    """Landmarks that stand all in one place, as weights of one value give them."""
    import flatbuffers
    from mediapipe.tasks.metadata import schema_py_generated as schema

    network = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(parts[1], 0))
    for tensor in network.subgraphs[0].tensors:
        data = network.buffers[tensor.buffer].data
        if data is not None and len(data) > 50 and tensor.type in (0, 1):
            kind = (np.float32, np.float16)[tensor.type]
            values = np.full(len(data) // np.dtype(kind).itemsize, 6e4, kind)
            network.buffers[tensor.buffer].data = np.frombuffer(values.tobytes(), np.uint8)
    builder = flatbuffers.Builder(0)
    builder.Finish(network.Pack(builder), b"TFL3")
    file = io.BytesIO(builder.Output())
    with zipfile.ZipFile(file, "a"):
        pass
    return [parts[0], file.getvalue()]


BUNDLES = {
    # kind: (how it is made, what the line says, what came before)
    "text": (lambda path: path.write_text("no model"), "not a MediaPipe pose", "the same"),
    "cut": (
        lambda path: path.write_bytes(model_path().read_bytes()[:-3000]),
        "not a MediaPipe pose",
        "the same",
    ),
    "of hands": (other_archive, "not a MediaPipe pose", "the same"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "no such pose model", "the same"),
    "a folder": (lambda path: path.mkdir(), "no such pose model", "the same"),
    "compressed": (
        bundle(lambda parts: parts, compressed=True),
        "Expected uncompressed zip",
        "unexpected RuntimeError",
    ),
    "empty parts": (bundle(lambda _: [b"", b""]), "cannot be used", "unexpected ValueError"),
    "texts": (bundle(lambda _: [b"a", b"b"]), "not a valid Flatbuffer", "unexpected ValueError"),
    "cut parts": (
        bundle(lambda parts: [part[: len(part) // 2] for part in parts]),
        "not a valid Flatbuffer",
        "unexpected ValueError",
    ),
    "swapped": (
        bundle(lambda parts: parts[::-1]),
        "RET_CHECK failure",
        "unexpected RuntimeError, of four lines",
    ),
    "no metadata": (
        bundle(without_metadata),
        "requires specifying NormalizationOptions",
        "unexpected RuntimeError",
    ),
    "weights of one value": (
        bundle(not_numbers_in),
        "nobody was found",
        "unexpected ZeroDivisionError",
    ),
}


@pytest.mark.parametrize("make, says, before", BUNDLES.values(), ids=BUNDLES)
def test_a_wrong_bundle_is_one_line(tmp_path, vipe, make, says, before):
    path = tmp_path / "pose.task"
    make(path)
    clip = ROOT / "examples" / "clips" / "squat" / "squat_000_ada.mp4"
    code, out, err = vipe(
        *("poses", clip, "--end", 0.2, "--pose-model", path, "--out", tmp_path / "a.npz")
    )
    assert (code, out, len(err.splitlines())) == (1, "", 1), (err, before)
    assert says in err
    assert ("nobody" if "nobody" in says else "pose.task") in err
    assert not (tmp_path / "a.npz").exists()


# --- commands -------------------------------------------------------------------------------------


def test_commands_name_the_model_that_is_wrong(tmp_path, vipe):
    clip = make_video(tmp_path / "clip.mp4", range(0, 160, 40))
    motion = tmp_path / "walk.npz"
    motion.write_bytes(b"")
    bad = tmp_path / "bad.onnx"
    rewritten(lambda m: outputs(m, not_numbers))(WEIGHTS / LIFT_WEIGHTS, bad)
    for name in ("decoder", "encoder"):
        (tmp_path / f"bad_{name}.onnx").symlink_to(WEIGHTS / f"vvipe_{name}.onnx")
    for command in (
        ("lift", clip, "--lift-model", bad, "--out", tmp_path / "a.trc"),
        ("generate", "--lift-model", bad, "--out", tmp_path / "a.png"),
        ("predict", motion, "--predict-model", bad, "--out", tmp_path / "a.npz"),
        ("embed", clip, "--model", bad, "--out", tmp_path / "out"),
        ("poses", clip, "--detector", f"onnx:{bad}", "--out", tmp_path / "a.npz"),
    ):
        code, _, err = vipe(*command)
        assert (code, len(err.splitlines())) == (1, 1), (command, err)
        assert "bad.onnx" in err, (command, err)


def test_the_files_as_they_are_can_be_read(tmp_path):
    for good, read in READERS.values():
        path = tmp_path / "copy.onnx"
        path.write_bytes(good(tmp_path).read_bytes())
        assert read(path)
    assert json.loads(Model.load().session.metadata["dims"]) == Model.load().dims
