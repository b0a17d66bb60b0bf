"""Path of the pose model: built from the installed mediapipe, or in the cache."""

import atexit
import functools
import importlib.metadata
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

from vipecli.errors import WeightsError
from vipecli.files import replacing
from vipecli.poses.detection.model_bundle import PARTS, is_bundle, write_bundle

MODEL_URL = (
    "https://storage.googleapis.com/mediapipe-models/pose_landmarker/pose_landmarker_full/"
    "float16/1/pose_landmarker_full.task"
)
# Of the file at MODEL_URL (9,398,198 bytes), as pinned by many independent public projects.
MODEL_SHA256 = "5134a3aad27a58b93da0088d431f366da362b44e3ccfbe3462b3827a839011b1"

WHEEL_VERSION = "0.10.21"
"""The last mediapipe that carries the pose models."""

_DOWNLOADED = f"pose_landmarker_full-{MODEL_SHA256[:8]}.task"
OFF = ("0", "off", "no")
"""Values of VIPE_CACHE that switch the cache of poses off."""


def model_path(option: str | os.PathLike | None = None, *, cache: Path | None = None) -> Path:
    """Path of a MediaPipe pose landmarker bundle (`.task`) that is ready to use.

    Without an option: the bundle built from the installed mediapipe wheel where that carries
    the models (up to 0.10.21), else one that an earlier download or another Python left in the
    cache. Nothing here touches the network. A cache folder that cannot be written gives a
    private temporary file, removed when Python ends.

    Parameters
    ----------
    option
        the user's own file, from ``--pose-model`` or ``VIPE_POSE_MODEL``.
    cache
        folder for the built bundle; None = the user's cache folder.

    Raises
    ------
    WeightsError
        if the option is not a pose landmarker bundle, or there is no model at all.

    Examples
    --------
    >>> model_path().suffix
    '.task'
    """
    if option is not None:
        return _checked(Path(option).expanduser())
    folder = cache or cache_folder()
    wheel = _wheel_folder()
    if wheel is not None:
        return _built(wheel, folder)
    if (stored := stored_model(folder)) is not None:
        return stored
    raise WeightsError(
        f"mediapipe {_mediapipe_version()} carries no pose model and none is in {folder}: fetch it "
        "once with `vipe download`, or name a pose landmarker .task file with --pose-model or "
        "VIPE_POSE_MODEL"
    )


def stored_model(folder: Path | None = None) -> Path | None:
    """Path of the pose model that is in the cache folder; None where there is none."""
    folder = folder or cache_folder()
    places = [official_path(folder), *sorted(folder.glob("pose_landmarker-*.task"))]
    return next((path for path in places if is_bundle(path)), None)


def official_path(folder: Path) -> Path:
    """Path that the bundle as published by MediaPipe has in a cache folder."""
    return folder / _DOWNLOADED


def built_path(folder: Path, version: str = WHEEL_VERSION) -> Path:
    """Path that the bundle made of a mediapipe wheel has in a cache folder."""
    return folder / f"pose_landmarker-mediapipe-{version}.task"


def cache_folder() -> Path:
    """Return the folder of files that vipe can rebuild; it need not exist yet.

    The environment variable VIPE_CACHE names another one than the user's cache folder; where it
    switches the cache of poses off, the model is still kept in the latter.
    """
    import platformdirs

    named = os.environ.get("VIPE_CACHE", "")
    if named and named.lower() not in OFF:
        return Path(named).expanduser()
    return Path(platformdirs.user_cache_dir("vipe"))


def carries_model() -> bool:
    """Return whether the installed mediapipe includes the pose models."""
    return _wheel_folder() is not None


def _built(wheel: Path, folder: Path) -> Path:
    """Bundle of the installed wheel's models, built where it is not in the cache yet."""
    target = built_path(folder, _mediapipe_version())
    if is_bundle(target):
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(target) as part:
            write_bundle(lambda name: (wheel / name).read_bytes(), part)
    except OSError:
        # A full disk, a read-only home, or on Windows another process that holds the target.
        return target if is_bundle(target) else _temporary_bundle(wheel)
    return target


@functools.cache
def _temporary_bundle(wheel: Path) -> Path:
    """Bundle in a private folder that disappears with this process."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="vipe-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        target = folder / "pose_landmarker.task"
        write_bundle(lambda name: (wheel / name).read_bytes(), target)
    except OSError as exc:
        raise WeightsError(
            f"the pose model (9 MB) can be written neither to {cache_folder()} nor to "
            f"{tempfile.gettempdir()} ({exc}); free some space or set TMPDIR"
        ) from exc
    return target


def _checked(path: Path) -> Path:
    """Return the path if it is a bundle that MediaPipe will take."""
    if not path.is_file():
        raise WeightsError(f"{path}: no such pose model file; check --pose-model")
    if not is_bundle(path):
        raise WeightsError(
            f"{path}: not a MediaPipe pose landmarker bundle (.task); the official file is "
            f"{MODEL_URL}"
        )
    return path


def _wheel_folder() -> Path | None:
    """Folder of the installed mediapipe, or None where it carries no pose models."""
    spec = importlib.util.find_spec("mediapipe")  # finds it without the slow import
    folders = [Path(place) for place in (spec and spec.submodule_search_locations) or ()]
    return next((f for f in folders if all((f / part).is_file() for part in PARTS.values())), None)


def _mediapipe_version() -> str:
    try:
        return importlib.metadata.version("mediapipe")
    except importlib.metadata.PackageNotFoundError as exc:
        raise WeightsError("mediapipe is not installed: pip install vipe") from exc
