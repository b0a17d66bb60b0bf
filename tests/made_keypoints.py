"""Keypoint files of one person, as other programs write them."""

import json
import warnings

import numpy as np

from tests.bodies import STANDING, seen, waving
from vipecli.poses.formats import JointMap, load_scene, save_poses
from vipecli.poses.skeleton import JOINTS

FRAMES = 20
FPS = 30.0
ALL = range(FRAMES)
POSES = seen(waving(FRAMES))
XY = POSES.xy
SIZE = JointMap((), size=POSES.size)


def write(path, text, encoding="utf-8"):
    path.write_bytes((text if isinstance(text, str) else json.dumps(text)).encode(encoding))
    return path


def read(path, frames=ALL, *, atol=0.02, **options):
    """Poses of a file, which have to be those of the given frames at their times, and no others."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = load_scene(path, **options).choose()
    frames = np.array(frames)
    np.testing.assert_allclose(found.times[frames], frames / FPS, atol=1e-6)
    assert np.flatnonzero(found.found).tolist() == frames.tolist()
    np.testing.assert_allclose(found.xy[frames], XY[frames], atol=atol)
    return found


def deeplabcut(path, index, *, likelihood=False, rows=ALL, missing=None):
    """A table of DeepLabCut; `index` gives the first cells of a row."""
    width = len(index(0))
    axes = ("x", "y", "likelihood") if likelihood else ("x", "y")
    lead = "," * (width - 1)
    lines = [
        f"scorer{lead}" + ",Me" * len(axes) * len(JOINTS),
        f"bodyparts{lead}" + "".join(f",{joint}" * len(axes) for joint in JOINTS),
        f"coords{lead}" + "".join(f",{axis}" for _ in JOINTS for axis in axes),
    ]
    for n in rows:
        cells = [
            *(f"{x:.2f},{y:.2f}" if (n, j) != missing else "," for j, (x, y) in enumerate(XY[n])),
        ]
        cells = [cell + (",0.9" if likelihood else "") for cell in cells]
        lines.append(",".join([*index(n), *cells]))
    return write(path, "\n".join(lines) + "\n")


def coco(path, name="frame_{:06d}.jpg", *, rows=ALL, change=lambda data: None):
    save_poses(POSES, path, format="coco")
    data = json.loads(path.read_text())
    data["images"] = [i for i in data["images"] if i["frame_id"] in rows]
    kept = {image["id"] for image in data["images"]}
    data["annotations"] = [a for a in data["annotations"] if a["image_id"] in kept]
    for image in data["images"]:
        image["file_name"] = name.format(image.pop("frame_id"))
        del image["time_s"]
    change(data)
    return write(path, data)


PERSON = np.stack([STANDING] * 4) - STANDING[:, 1].min() * np.array([0, 1, 0])


NAMES = ["Head", *(f"{n[0].upper()}{n.split('_')[1].title()}" for n in JOINTS[1:])]


def trc(path, points, unit="m", comma=False):
    lines = [
        "PathFileType\t4\t(X/Y/Z)\ta.trc",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits",
        f"30\t30\t{len(points)}\t13\t{unit}",
        "Frame#\tTime\t" + "\t\t\t".join(NAMES) + "\t\t",
        "\t\tX1\tY1\tZ1",
        "",
    ]
    for n, row in enumerate(points):
        lines.append("\t".join([str(n + 1), f"{n / 30:.6f}", *(f"{v:.5f}" for v in row.ravel())]))
    text = "\n".join(lines) + "\n"
    return write(path, text.replace(".", ",") if comma else text)


def table(delimiter, decimal):
    head = delimiter.join(f"{joint}_{axis}" for joint in JOINTS for axis in "xy")
    rows = [
        delimiter.join(f"{v:.2f}".replace(".", decimal) for v in XY[n].ravel())
        for n in range(FRAMES)
    ]
    return "\n".join([head, *rows]) + "\n"


def crowd(path, people, frames=3):
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 1, (people, 1, 2)) * [1800, 900] + rng.uniform(0, 80, (people, 17, 2))
    rows = [
        {
            "image_id": n,
            "category_id": 1,
            "keypoints": np.column_stack([one + 3 * n, np.ones(17)]).ravel().round(1).tolist(),
        }
        for n in range(frames)
        for one in points
    ]
    return write(path, rows)


def wide(path, columns, scale=1.0, names=JOINTS):
    """A table of a row per frame; `columns` gives further cells of a row by their names."""
    rows = [[*columns(0), *(f"{n}_{a}" for n in names for a in "xy")]]
    for i in ALL:
        rows.append([*columns(i).values(), *(repr(float(v)) for v in XY[i].ravel() * scale)])
    return write(path, "\n".join(",".join(map(str, row)) for row in rows))
