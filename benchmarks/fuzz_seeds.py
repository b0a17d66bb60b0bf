"""Small valid files of every kind that vipe reads, each with what reads it, for `fuzz`."""

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import onnx
from PIL import Image
from scipy.io import savemat

from vipecli.embedding.clip_file import load_embeddings, read_key
from vipecli.embedding.embed import embed
from vipecli.embedding.model import Model
from vipecli.errors import FormatError, VipeError, WeightsError
from vipecli.evaluate.alignment import read_truth
from vipecli.files import read_toml
from vipecli.index import penn_action
from vipecli.index.commit import commit
from vipecli.index.manifest import MANIFEST, dump
from vipecli.index.opened import open_for_search
from vipecli.index.records import Facts, Record
from vipecli.index.sources import find
from vipecli.index.store import Index, load, store, verify
from vipecli.lifting.motion_files import Motion, load_motion, save_motion
from vipecli.poses.detection.onnxpose import OnnxPose
from vipecli.poses.formats import FORMATS, load_joint_map, load_scene
from vipecli.poses.formats import save_poses as save
from vipecli.poses.joint_sets import MEDIAPIPE
from vipecli.poses.mocap.amc import read_amc
from vipecli.poses.mocap.clips import clips
from vipecli.poses.mocap.units import in_metres
from vipecli.poses.poses import Poses
from vipecli.poses.skeleton import JOINTS
from vipecli.video.read import probe, read_frames
from vipecli.video.source import ClipSource
from vipecli.video.write import VideoWriter

_SIZE = (32, 24)
_VIDEOS = {  # file name: codec, pixel format, options of the container
    "a.mp4": ("libx264", "yuv420p", {}),
    "fragments.mp4": ("libx264", "yuv420p", {"movflags": "frag_keyframe+empty_moov"}),
    "a.mov": ("mjpeg", "yuvj420p", {}),
    "a.mkv": ("libx264", "yuv420p", {}),
    "a.webm": ("libvpx-vp9", "yuv420p", {}),
    "a.avi": ("mpeg4", "yuv420p", {}),
    "a.ts": ("libx264", "yuv420p", {}),
    "a.flv": ("flv1", "yuv420p", {}),
    "a.gif": ("gif", "rgb8", {}),
    "a.apng": ("apng", "rgb24", {}),
    "a.wmv": ("wmv2", "yuv420p", {}),
    "a.h264": ("libx264", "yuv420p", {}),
    "a.m2v": ("mpeg2video", "yuv420p", {}),
    "a.ivf": ("libvpx-vp9", "yuv420p", {}),
    "a.y4m": ("rawvideo", "yuv420p", {}),
}
_PICTURES = (".png", ".jpg", ".bmp", ".tif", ".webp")
_ASF = """:units
length 0.45
angle deg
:root
order TX TY TZ RX RY RZ
axis XYZ
position 0 0 0
orientation 0 0 0
:bonedata
begin
name lhumerus
direction 1 0 0
length 3
axis 10 20 30 XYZ
dof rx ry
end
:hierarchy
begin
root lhumerus
end
"""


@dataclass(frozen=True)
class Seed:
    """A valid file, and what reads it."""

    name: str
    data: bytes
    read: Callable[[Path], object]


def seeds(folder: Path) -> list[Seed]:
    """One valid file of every kind."""
    found = [Seed(name, _video(folder / name, *how), _read_video) for name, how in _VIDEOS.items()]
    for suffix in _PICTURES:
        path = folder / f"1{suffix}"
        Image.fromarray(_picture(3)).save(path)
        found.append(Seed(f"frames/1{suffix}", path.read_bytes(), _read_frames))
    for name, kind in FORMATS.items():
        path = folder / f"{name}{kind.suffix}"
        save([_poses()], path, format=name)
        if path.is_dir():
            inside = sorted(path.iterdir())[0]
            found.append(Seed(f"poses/{inside.name}", inside.read_bytes(), _read_folder))
        else:
            found.append(Seed(path.name, path.read_bytes(), _read_poses))
    joints = "\n".join(f"{joint} = {i}" for i, joint in enumerate(JOINTS))
    text = f"fps = 30\nsize = [64, 48]\n[joints]\n{joints}\n"
    found.append(Seed("map.toml", text.encode(), load_joint_map))
    config = "name = 'a'\nsteps = 5\n[network]\ndims = 16\n"
    found.append(Seed("train.toml", config.encode(), read_toml))
    found += _tables() + _motion(folder) + _labels(folder) + _sounds(folder)
    return found + _index(folder) + _models(folder)


def _tables() -> list[Seed]:
    """Tables as people write them that vipe does not write."""
    xy = _poses().xy
    parts = [cell for name in JOINTS for cell in (name, name)]
    lines = ["scorer" + ",Me" * 26, "bodyparts," + ",".join(parts), "coords" + ",x,y" * 13]
    lines += [f"v/img{n}.png," + ",".join(f"{v:.1f}" for v in xy[n].ravel()) for n in range(3)]
    head = "sep=;\nimage;" + ";".join(f"{name}_{axis}" for name in JOINTS for axis in "xy")
    rows = [f"{n}.png;" + ";".join(f"{v:.1f}" for v in xy[n].ravel()) for n in range(3)]
    excel = "\n".join([head, *rows]).replace(".", ",").replace(",png", ".png")
    places = (xy / _poses().size).tolist()
    points = [[{"x": x, "y": y} for x, y in 3 * one] for one in places]
    named = {"width": 64, "height": 48}
    frames = [
        {"timestampMs": 33 * n, "landmarks": dict(zip(MEDIAPIPE, one, strict=False))}
        for n, one in enumerate(points)
    ]
    people = [
        {"frame": n + 1, "predictions": [{"keypoints": [[x, y, 0.5] for x, y in [*one, *one[:4]]]}]}
        for n, one in enumerate(xy.tolist())
    ]
    long = [
        f"{n / 30},{joint},{x},{y}"
        for n, one in enumerate(xy)
        for joint, (x, y) in zip(JOINTS, one, strict=True)
    ]
    return [
        Seed("named.json", json.dumps(named | {"frames": frames}).encode(), _read_poses),
        Seed("people.jsonl", "\n".join(map(json.dumps, people)).encode(), _read_poses),
        Seed("long.csv", "\n".join(["time,joint,x,y", *long]).encode(), _read_poses),
        Seed("labels.csv", "\n".join(lines).encode(), _read_poses),
        Seed("excel.csv", excel.encode("utf-16"), _read_poses),
    ]


def _motion(folder: Path) -> list[Seed]:
    """Recorded motion: what is written, and a skeleton of Acclaim with its motion."""
    rng = np.random.default_rng(0)
    joints = rng.normal(0, 0.05, (3, 13, 3)) + np.linspace(0, 1, 13)[:, None]
    motion = Motion(joints, np.arange(3) / 30, np.zeros((3, 13)))
    found = []
    for name, read in (("m.bvh", _read_mocap), ("m.npz", load_motion), ("m.trc", _read_poses)):
        save_motion(motion, folder / name)
        found.append(Seed(name, (folder / name).read_bytes(), read))
    np.savez_compressed(folder / "mocap.npz", **{"a/b": joints.astype(np.float32)})
    found.append(Seed("mocap.npz", (folder / "mocap.npz").read_bytes(), _read_mocap))
    (folder / "a.asf").write_text(_ASF)
    amc = ":FULLY-SPECIFIED\n:DEGREES\n1\nroot 0 0 0 0 0 0\nlhumerus 1 2\n"
    found.append(Seed("a.amc", amc.encode(), lambda path: read_amc(path, folder / "a.asf")))
    found.append(Seed("b.asf", _ASF.encode(), lambda path: _read_skeleton(path, amc)))
    return found


def _read_mocap(path: Path) -> None:
    for clip in clips([path]):
        in_metres(clip.read()[0])


def _read_skeleton(path: Path, amc: str) -> None:
    path.with_suffix(".amc").write_text(amc)
    read_amc(path.with_suffix(".amc"), path)


def _picture(i: int) -> np.ndarray:
    noise = np.random.default_rng(i).integers(0, 255, (_SIZE[1] // 4, _SIZE[0] // 4, 3))
    return np.kron(noise, np.ones((4, 4, 1))).astype(np.uint8)


def _video(path: Path, codec: str, pix_fmt: str, options: dict[str, str]) -> bytes:
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = *_SIZE, pix_fmt
        for i in range(4):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(_picture(i), "bgr24")))
        container.mux(stream.encode(None))
    return path.read_bytes()


def _poses(seed: int = 0) -> Poses:
    rng = np.random.default_rng(seed)
    points = rng.uniform(1, 60, (3, 33, 3)).astype(np.float32)
    return Poses(
        xy=points[:, :13, :2],
        score=rng.uniform(0.5, 1, (3, 13)).astype(np.float32),
        times=np.arange(3) / 30,
        size=(64, 64),
        source="a.mp4",
        detector="test",
        landmarks=points,
        landmark_score=rng.uniform(0, 1, (3, 33)).astype(np.float32),
        world=points / 60,
    )


def _read_video(path: Path) -> None:
    probe(path)
    for count, _ in enumerate(read_frames(path)):
        if count > 300:  # edits make rates and durations up, but no more than that is asked for
            return


def _read_frames(path: Path) -> None:
    _read_video(path.parent)


def _read_poses(path: Path) -> None:
    load_scene(path).choose()
    if path.suffix == ".npz":
        with contextlib.suppress(FormatError):
            load_embeddings(path)
        with contextlib.suppress(FormatError):
            read_key(path)


def _read_folder(path: Path) -> None:
    load_scene(path.parent).choose()


# --- tables and labels ---------------------------------------------------------------------------


def _labels(folder: Path) -> list[Seed]:
    """Lists of labelled clips: tables, Penn Action's files, the truth of rendered clips."""
    table = 'path,label,viewpoint,start,end\na.npz,walk,left,0.5,1.25\nb.npz,"a, b",,,\n'
    excel = "sep=;\npath;label;start\na.npz;gehen;0,5\nb.npz;laufen;1,0\n"
    truth = {"a.mp4": {"label": "walk", "source_s": [0.0, 0.1, 0.2]}}
    penn, joints = folder / "penn.npz", _poses().xy
    np.savez(
        penn,
        clip_id=np.array(["0001"]),
        action=np.array(["squat"]),
        viewpoint=np.array(["left"]),
        frame_size_hw=np.array([[64, 64]]),
        offsets=np.array([0, 3]),
        keypoints=joints,
        visibility=np.ones((3, 13)),
    )
    mat = {"x": joints[..., 0], "y": joints[..., 1], "visibility": np.ones((3, 13))}
    mat |= {"dimensions": [[64, 64, 3]], "action": "squat", "pose": "left", "train": [[1]]}
    savemat(folder / "0001.mat", mat)
    return [
        Seed("table.csv", table.encode(), _read_table),
        Seed("tabelle.csv", excel.encode("utf-16"), _read_table),
        Seed("truth.json", json.dumps(truth).encode(), lambda path: read_truth(path.parent)),
        Seed("penn.npz", penn.read_bytes(), penn_action.load),
        Seed("0001.mat", (folder / "0001.mat").read_bytes(), penn_action.load),
    ]


def _read_table(path: Path) -> None:
    for name in "ab":
        path.with_name(f"{name}.npz").touch()
    try:
        find(path)
    finally:
        for name in "ab":
            path.with_name(f"{name}.npz").unlink()


# --- sound ---------------------------------------------------------------------------------------


def _sounds(folder: Path) -> list[Seed]:
    """Films with sound that is copied, and with sound that is encoded anew."""
    kinds = {
        "sound.mp4": "aac",
        "sound.mkv": "libopus",
        "sound.avi": "pcm_s16le",
        "sound.ts": "mp2",
    }
    return [Seed(name, _film(folder / name, codec), _read_sound) for name, codec in kinds.items()]


def _film(path: Path, codec: str) -> bytes:
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width, video.height = _SIZE
        track = container.add_stream(codec, rate=48000, layout="mono")
        for i in range(4):
            container.mux(video.encode(av.VideoFrame.from_ndarray(_picture(i), "bgr24")))
        wave = np.sin(np.arange(9600) / 20)
        samples = (wave * 20000).astype(np.int16)[None]
        whole = av.AudioFrame.from_ndarray(samples, "s16", "mono")
        whole.sample_rate = 48000
        for frame in av.AudioResampler(track.format, "mono", 48000, 1024).resample(whole):
            container.mux(track.encode(frame))
        container.mux(track.encode(None))
        container.mux(video.encode(None))
    return path.read_bytes()


def _read_sound(path: Path) -> None:
    """Write films with its sound: as it is, and at another speed."""
    source = ClipSource(path)
    for times in (np.array([0.02]), np.arange(4) / 15):
        out = path.parent / "out.mp4"
        with VideoWriter(out, size=_SIZE, fps=25, audio_from=source, audio_times=times) as writer:
            for i in range(4):
                writer.write(_picture(i))
        out.unlink()


# --- an index, as somebody else may have made it -------------------------------------------------


@dataclass(frozen=True)
class _Index:
    """A good index in a folder of its own, of which one file at a time is changed."""

    files: dict[str, bytes]
    table: str

    def read(self, name: str, data: bytes, folder: Path) -> None:
        """Open the index with another content of a file; the manifest says what its size is."""
        inside = store(folder)
        shutil.rmtree(inside, ignore_errors=True)
        inside.mkdir(parents=True)
        for other, content in (self.files | {name: data}).items():
            (inside / other).write_bytes(content)
        if name == self.table:
            self._sign(inside, data)
        index = load(folder)
        verify(folder)
        open_for_search(index, hubs=2, k=1)

    def _sign(self, inside: Path, data: bytes) -> None:
        checksum = hashlib.sha256(data).hexdigest()
        name = f"clips-{checksum[:24]}.parquet"
        (inside / self.table).rename(inside / name)
        content = json.loads(self.files[MANIFEST])["index"]
        entry = content["batches"][0] | {"file": name, "sha256": checksum, "size": len(data)}
        (inside / MANIFEST).write_bytes(dump(content | {"batches": [entry]}))


def _index(folder: Path) -> list[Seed]:
    """Each file of an index, as somebody else may have made it."""
    model = Model.load()
    clips = [
        Record(Facts(f"{label}/{n}", label, key=f"{n}"), _poses(n), embed(_poses(n), model))
        for n, label in enumerate(["walk", "run"] * 4)
    ]
    index = commit(Index(folder / "index"), clips, source={"kind": "table", "path": "labels.csv"})
    open_for_search(index, hubs=2, k=1)
    inside = store(folder / "index")
    good = _Index(
        {path.name: path.read_bytes() for path in inside.iterdir() if path.stat().st_size},
        index.batches[0].file,
    )

    def reader(name: str) -> Callable[[Path], object]:
        return lambda path: good.read(name, path.read_bytes(), path.parent)

    def read_content(path: Path) -> None:
        content = json.loads(path.read_bytes())  # what is no JSON is tried as `_manifest.json`
        good.read(MANIFEST, dump(content), path.parent)

    inner = json.dumps(json.loads(good.files[MANIFEST])["index"]).encode()
    found = [Seed(name, data, reader(name)) for name, data in good.files.items()]
    return [*found, Seed("content.json", inner, _unless_no_json(read_content))]


def _unless_no_json(read: Callable[[Path], object]) -> Callable[[Path], object]:
    def reader(path: Path) -> None:
        try:
            read(path)
        except (ValueError, RecursionError) as exc:
            if isinstance(exc, VipeError):
                raise
            raise FormatError("no JSON") from exc

    return reader


# --- models --------------------------------------------------------------------------------------


def _models(folder: Path) -> list[Seed]:
    """Models of the user's own, of a few kB each."""
    embeds, points = folder / "embeds.onnx", folder / "points.onnx"
    _write_embedding(embeds)
    _write_detector(points)
    return [
        Seed("embeds.onnx", embeds.read_bytes(), _embed_with),
        Seed("points.onnx", points.read_bytes(), _detect_with),
    ]


def _embed_with(path: Path) -> None:
    embed(_poses(), Model.load(path))


def _detect_with(path: Path) -> None:
    with OnnxPose(path, boxes=_no_boxes) as detector:
        detector.people(_picture(0), 0.0, _SIZE)


def _no_boxes() -> object:
    raise WeightsError("none")


def _write_embedding(path: Path) -> None:
    rng = np.random.default_rng(0)
    constants = {"w": rng.normal(size=(26, 4)).astype(np.float32)}
    nodes = [
        onnx.helper.make_node("Flatten", ["joints"], ["flat"]),
        onnx.helper.make_node("MatMul", ["flat", "w"], ["mean"]),
        onnx.helper.make_node("Sigmoid", ["mean"], ["std"]),
        onnx.helper.make_node("Identity", ["visibility"], ["seen"]),
    ]
    facts = {"format": "1", "joints": json.dumps(JOINTS), "sigmoid": "[5.0, 2.0]", "dims": "4"}
    facts |= {"name": "tiny", "trained_on": "nothing", "kind": "prvipe"}
    shapes = {"joints": ["n", 13, 2], "visibility": ["n", 13]}, {"mean": ["n", 4], "std": ["n", 4]}
    _write_model(path, nodes, constants, *shapes, facts)


def _write_detector(path: Path) -> None:
    side = 64
    nodes = [
        onnx.helper.make_node("ReduceMean", ["image"], ["grey"], axes=[1, 2, 3], keepdims=1),
        onnx.helper.make_node("Add", ["grey", "points"], ["found"]),
    ]
    points = np.random.default_rng(0).uniform(0.2, 0.9, (1, 1, 17, 3)).astype(np.float32)
    shapes = {"image": [1, side, side, 3]}, {"found": [1, 1, 17, 3]}
    _write_model(path, nodes, {"points": points}, *shapes, {})


def _write_model(
    path: Path,
    nodes: list,
    constants: dict[str, np.ndarray],
    inputs: dict[str, list],
    outputs: dict[str, list],
    facts: dict[str, str],
) -> None:
    value, number = onnx.helper.make_tensor_value_info, onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        nodes,
        "g",
        [value(name, number, shape) for name, shape in inputs.items()],
        [value(name, number, shape) for name, shape in outputs.items()],
        [onnx.numpy_helper.from_array(v, name) for name, v in constants.items()],
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=8)
    onnx.helper.set_model_props(model, facts)
    onnx.save(model, path)
