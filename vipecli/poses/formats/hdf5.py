"""Poses in HDF5: DeepLabCut's tables (pandas), SLEAP's analysis files and SLEAP's labels (.slp).

What a file claims is checked before memory is reserved for it, and nothing outside of the file is
opened. Needs the extra `formats`.
"""

import contextlib
import io
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vipecli.errors import FormatError, import_extra
from vipecli.poses.formats.deeplabcut import read_deeplabcut
from vipecli.poses.formats.keypoint_table import KeypointTable
from vipecli.poses.formats.text import MOST_COLUMNS, picture_size, short_text

SIGNATURE = b"\x89HDF\r\n\x1a\n"

_MOST_BYTES = 1 << 28  # of an array of numbers, unpacked
_MOST_OBJECTS = 10_000  # groups and arrays
_MOST_TEXT = 8 << 20  # bytes of an attribute or of all texts of an array
_MOST_INSTANCES = 500_000  # people in all frames of a .slp
_SLP_TABLES = ("frames", "instances", "points", "pred_points")
_LEVELS = ("individuals", "bodyparts", "coords")


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open an HDF5 file, checked.

    Raises
    ------
    FormatError
        if it is none, damaged, refers to other files, or claims more than is read.
    MissingExtraError
        if h5py is not installed.
    """
    h5py = import_extra("h5py", "formats", f"{path}: reading HDF5")
    with path.open("rb") as file:
        if file.read(len(SIGNATURE)) != SIGNATURE:
            raise FormatError(f"{path}: not an HDF5 file")
    try:
        with h5py.File(path, "r") as file:
            _check(h5py, file, path)
            yield file
    except (OSError, RuntimeError, KeyError, pickle.UnpicklingError) as exc:
        raise FormatError(f"{path}: a damaged HDF5 file ({str(exc)[:100]})") from exc


def _check(h5py: Any, group: Any, path: Path, depth: int = 0, seen: list | None = None) -> None:
    """Refuse links to other files, arrays that are too large, and too many of them."""
    seen = [] if seen is None else seen
    for name in group:
        link = group.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise FormatError(f"{path}: refers to something outside of itself ({name[:60]})")
        seen.append(name)
        if len(seen) > _MOST_OBJECTS or depth > 8:
            raise FormatError(f"{path}: more than {_MOST_OBJECTS:,} arrays, or too deep")
        item = group[name]
        if isinstance(item, h5py.Group):
            _check(h5py, item, path, depth + 1, seen)
        elif isinstance(item, h5py.Dataset) and (item.external or item.is_virtual):
            raise FormatError(f"{path}: refers to other files ({name[:60]})")


def _array(path: Path, group: Any, name: str) -> np.ndarray:
    """Array of a group, unless it is larger than is read."""
    item = group[name]
    most = _MOST_BYTES if item.dtype.kind in "iufb" or item.dtype.names else _MOST_TEXT
    if item.size * item.dtype.itemsize > most:
        raise FormatError(f"{path}: {name[:60]} is larger than {most >> 20} MB, the limit")
    return item[()]


def read_h5(path: Path) -> KeypointTable:
    """People of an ``.h5``: a table of DeepLabCut, or an analysis file of SLEAP.

    Raises
    ------
    FormatError
        if it is neither, is damaged, or is too large.
    MissingExtraError
        if the extra `formats` is not installed.
    """
    with _opened(path) as file:
        if {"tracks", "node_names"} <= set(file):
            return _analysis(path, file)
        tables = [
            group
            for group in file.values()
            if hasattr(group, "keys") and ("table" in group or "block0_values" in group)
        ]
        if len(tables) != 1:
            raise FormatError(f"{path}: neither a table of DeepLabCut nor an analysis of SLEAP")
        read = _stored_table if "table" in tables[0] else _stored_blocks
        columns, index, values = read(path, tables[0])
    if len(columns) != values.shape[1] or len(columns) > MOST_COLUMNS:
        raise FormatError(f"{path}: {len(columns)} names for {values.shape[1]} columns")
    return read_deeplabcut(_rows(path, columns, index, values))


def _rows(
    path: Path, columns: list[tuple[str, ...]], index: list[str], values: np.ndarray
) -> Iterator[list[str]]:
    """The same as lines of DeepLabCut's .csv."""
    depths = {len(column) for column in columns}
    if len(depths) != 1 or not {3, 4} & depths:
        raise FormatError(f"{path}: its columns have no levels bodyparts and coords")
    for level, name in enumerate(_LEVELS[-(len(columns[0]) - 1) :], start=1):
        yield [name, *(column[level] for column in columns)]
    for key, row in zip(index, values, strict=True):
        yield [key, *map(str, row.tolist())]


def _stored_table(path: Path, group: Any) -> tuple[list[tuple[str, ...]], list[str], np.ndarray]:
    """Columns, index and values of a frame that pandas stored as a table."""
    table = group["table"]
    axes = _unpickled(path, group.attrs["non_index_axes"])
    columns = [tuple(map(short_text, column)) for column in axes[0][1]]
    rows = _array(path, group, "table")
    blocks = [name for name in rows.dtype.names or () if name.startswith("values_block_")]
    if len(blocks) != 1 or "index" not in rows.dtype.names:
        raise FormatError(f"{path}: a table of several kinds of numbers")
    stored = _unpickled(path, table.attrs[f"{blocks[0]}_kind"])
    order = [[tuple(map(short_text, one)) for one in stored].index(column) for column in columns]
    return columns, _texts(rows["index"]), np.asarray(rows[blocks[0]], np.float64)[:, order]


def _stored_blocks(path: Path, group: Any) -> tuple[list[tuple[str, ...]], list[str], np.ndarray]:
    """Columns, index and values of a frame that pandas stored as it was in memory."""
    if int(group.attrs.get("nblocks", 1)) != 1:
        raise FormatError(f"{path}: a table of several kinds of numbers")
    columns = list(zip(*_axis(path, group, "block0_items"), strict=True))
    index = ["/".join(parts) for parts in zip(*_axis(path, group, "axis1"), strict=True)]
    return columns, index, np.asarray(_array(path, group, "block0_values"), np.float64)


def _axis(path: Path, group: Any, name: str) -> list[list[str]]:
    """Levels of an axis, a text for each of its places."""
    if name in group:
        return [_texts(_array(path, group, name))]
    levels = []
    for level in range(int(group.attrs[f"{name}_nlevels"])):
        texts = _texts(_array(path, group, f"{name}_level{level}"))
        levels.append([texts[i] for i in _array(path, group, f"{name}_label{level}").tolist()])
    return levels


def _texts(values: np.ndarray) -> list[str]:
    found = np.ravel(values).tolist()
    return [
        short_text(v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v)) for v in found
    ]


class _Plain(pickle.Unpickler):
    """Lists, tuples, texts and numbers: names of columns, as PyTables keeps them."""

    def find_class(self, module: str, name: str) -> Any:
        """Refuse everything else: a pickle could run any program."""
        raise pickle.UnpicklingError(f"holds {module}.{name}"[:80])


def _unpickled(path: Path, stored: Any) -> Any:
    data = bytes(stored) if not isinstance(stored, str) else stored.encode()
    if len(data) > _MOST_TEXT:
        raise FormatError(f"{path}: names of columns of more than {_MOST_TEXT >> 20} MB")
    return _Plain(io.BytesIO(data)).load()


def _analysis(path: Path, file: Any) -> KeypointTable:
    """SLEAP's analysis file: tracks (people, 2, points, frames), or (frames, people, points, 2)."""
    tracks = np.asarray(_array(path, file, "tracks"), np.float32)
    names = _texts(_array(path, file, "node_names"))
    turned = tracks.ndim == 4 and tracks.shape[2:] == (len(names), 2)
    if turned and tracks.shape[1] == 2:  # of two people, or of two frames
        turned = "track_names" in file and len(file["track_names"]) != len(tracks)
    if turned:
        tracks = tracks.transpose(1, 3, 2, 0)
    if tracks.ndim != 4 or tracks.shape[1] != 2 or tracks.shape[2] != len(names):
        raise FormatError(f"{path}: tracks of shape {tracks.shape} for {len(names)} points")
    score = np.where(np.isfinite(tracks[:, 0]), np.float32(1), np.float32(0))
    if "point_scores" in file:
        stored = np.asarray(_array(path, file, "point_scores"), np.float32)
        stored = stored.transpose(1, 2, 0) if turned and stored.ndim == 3 else stored
        score = np.clip(stored, 0, 1) if stored.shape == score.shape else score
    table = KeypointTable("sleap", names=names, first_frame=0)
    table.all_frames = list(range(tracks.shape[3]))
    people = np.concatenate([tracks, score[:, None]], axis=1).transpose(3, 0, 2, 1)
    for frame, person in np.argwhere(np.isfinite(people[..., 0]).any(axis=2)).tolist():
        table.add(frame, people[frame, person], person)
    return table


# -- SLEAP's labels -------------------------------------------------------------------------------


def read_slp(path: Path) -> KeypointTable:
    """People of a SLEAP project or of its predictions, ``.slp``, as `sleap_io` reads them.

    Where a person was labelled by hand in a frame, the prediction that was corrected is left out.

    Raises
    ------
    FormatError
        if it is damaged, too large, or of several videos.
    MissingExtraError
        if the extra `formats` is not installed.
    """
    sleap_io = import_extra("sleap_io", "formats", f"{path}: reading SLEAP's labels")
    with _opened(path) as file:
        for name in _SLP_TABLES:
            if name in file and len(file[name].shape) != 1:
                raise FormatError(f"{path}: {name} is no table")
            if name in file and len(file[name]) > _MOST_INSTANCES * (1, 20)["points" in name]:
                raise FormatError(f"{path}: more than {_MOST_INSTANCES:,} people; split it")
        if not {"metadata", *_SLP_TABLES[:2]} <= set(file):
            raise FormatError(f"{path}: an HDF5 file without SLEAP's labels")
    try:
        labels = sleap_io.load_slp(str(path), open_videos=False)
    except Exception as exc:  # of whatever kind: a damaged file
        raise FormatError(f"{path}: damaged, or no labels of SLEAP ({str(exc)[:100]})") from exc
    videos = {id(frame.video): frame.video for frame in labels if frame.instances}
    if len(videos) > 1:
        names = ", ".join(sorted(Path(str(v.filename)).name for v in videos.values())[:4])
        raise FormatError(f"{path}: labels of {len(videos)} videos ({names}); export one of them")
    return _people(path, labels, next(iter(videos.values()), None))


def _people(path: Path, labels: Any, video: Any) -> KeypointTable:
    nodes = labels.skeletons[0].node_names if labels.skeletons else []
    table = KeypointTable("sleap", names=list(map(short_text, nodes)), first_frame=0)
    if video is not None:
        name = video.filename if isinstance(video.filename, str) else str(path)
        table.source = short_text(Path(name.replace("\\", "/")).name)
        shape = video.backend_metadata.get("shape") or (0, 0, 0, 0)
        table.size = picture_size(shape[2], shape[1])
    tracks = {id(track): number for number, track in enumerate(labels.tracks)}
    for frame in labels:
        table.all_frames.append(int(frame.frame_idx))
        for person in [*frame.user_instances, *frame.unused_predictions]:
            points = np.ones((len(nodes), 3), np.float32)
            points[:, :2] = person.numpy()
            if hasattr(person, "score"):
                points[:, 2] = person.points["score"]
            table.add(int(frame.frame_idx), points, tracks.get(id(person.track)))
    return table


def write_slp(people: Any, path: Path) -> None:
    """Write people as predictions of SLEAP; frames count from the first one of the poses.

    Raises
    ------
    MissingExtraError
        if the extra `formats` is not installed.
    """
    from vipecli.poses.skeleton import JOINTS, LINKS

    sio = import_extra("sleap_io", "formats", f"{path}: writing SLEAP's labels")
    skeleton = sio.Skeleton(
        nodes=list(JOINTS), edges=[(JOINTS[a], JOINTS[b]) for a, b in LINKS], name="vipe"
    )
    first = people[0]
    shape = (len(first.times), first.size[1], first.size[0], 3)
    video = sio.Video(
        first.source or "clip.mp4", backend_metadata={"shape": shape}, open_backend=False
    )
    tracks = [sio.Track(f"person {i + 1}") for i in range(len(people))]
    frames = []
    for i in range(len(first.times)):
        shown = [
            sio.PredictedInstance.from_numpy(
                one.xy[i].astype(np.float64),
                skeleton=skeleton,
                point_scores=one.score[i].astype(np.float64),
                score=float(one.score[i].mean()),
                track=track,
            )
            for one, track in zip(people, tracks, strict=True)
            if np.isfinite(one.xy[i]).any()
        ]
        frames.append(sio.LabeledFrame(video=video, frame_idx=i, instances=shown))
    labels = sio.Labels(frames, videos=[video], skeletons=[skeleton], tracks=tracks)
    sio.save_slp(labels, str(path), embed=False, verbose=False)
