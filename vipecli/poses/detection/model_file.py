"""The pose model's file: MediaPipe's own, built from the installed wheel, or fetched on request."""

import atexit
import functools
import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import tempfile
import zipfile
from pathlib import Path

from vipecli.errors import WeightsError
from vipecli.files import replacing

MODEL_URL = (
    "https://storage.googleapis.com/mediapipe-models/pose_landmarker/pose_landmarker_full/"
    "float16/1/pose_landmarker_full.task"
)
# Of the file at MODEL_URL (9,398,198 bytes), as pinned by many independent public projects.
MODEL_SHA256 = "5134a3aad27a58b93da0088d431f366da362b44e3ccfbe3462b3827a839011b1"

# Name in the bundle -> (file in the wheel, mean, std of its image input). With std 1 instead
# of 255 the landmark model still runs, and its joints are badly wrong.
_PARTS = {
    "pose_detector.tflite": ("modules/pose_detection/pose_detection.tflite", 127.5, 127.5),
    "pose_landmarks_detector.tflite": ("modules/pose_landmark/pose_landmark_full.tflite", 0, 255),
}
_DOWNLOADED = f"pose_landmarker_full-{MODEL_SHA256[:8]}.task"
_MAX_DOWNLOAD = 100 << 20  # bytes; the model is 9 MB
_CHUNK = 1 << 20  # bytes read at a time


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
    for candidate in [folder / _DOWNLOADED, *sorted(folder.glob("pose_landmarker-*.task"))]:
        if _is_bundle(candidate):
            return candidate
    raise WeightsError(
        f"mediapipe {_mediapipe_version()} carries no pose model and none is in {folder}: fetch "
        f"the official one with `vipe download`, or name a pose landmarker .task file with "
        f"--pose-model or VIPE_POSE_MODEL"
    )


def cache_folder() -> Path:
    """Folder of vipe's files that can be made again; it need not exist yet."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("vipe"))


def download_model(
    url: str = MODEL_URL,
    *,
    sha256: str = MODEL_SHA256,
    target: Path | None = None,
    timeout_s: float = 60,
) -> Path:
    """Fetch the official pose model; the only function of vipe that uses the network.

    Call it only when the user has asked for a download. The file appears under its name
    complete and verified, or not at all.

    Parameters
    ----------
    url
        http or https address of the bundle.
    sha256
        checksum in hex that the file must have.
    target
        file to write; None = the place in the cache where `model_path` finds it.
    timeout_s
        longest wait for the server, seconds.

    Raises
    ------
    WeightsError
        if the server cannot be reached, answers with an error, stops early, or sends a file
        with another checksum.
    """
    import http.client  # slow to load, and hardly anyone needs it

    if not url.startswith(("http://", "https://")):
        raise WeightsError(f"{url}: the pose model can only be fetched from an http(s) address")
    target = target or cache_folder() / _DOWNLOADED
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as part:
            digest = _fetch(url, part, timeout_s)
            if digest != sha256.lower():
                raise WeightsError(
                    f"{url}: the file received has SHA-256 {digest}, expected {sha256}; nothing "
                    "was kept; try again later, or name a model you trust with --pose-model"
                )
    except (OSError, http.client.HTTPException) as exc:
        reason = getattr(exc, "reason", None) or exc
        raise WeightsError(
            f"{url}: download of the pose model to {target} failed ({reason}); check the "
            "connection, or fetch the file by other means and name it with --pose-model"
        ) from exc
    return target


def _fetch(url: str, part: Path, timeout_s: float) -> str:
    """Write what the server sends to `part`; return its SHA-256."""
    import urllib.request

    digest, received = hashlib.sha256(), 0
    with urllib.request.urlopen(url, timeout=timeout_s) as response, part.open("wb") as out:
        expected = response.headers.get("Content-Length")
        while block := response.read(_CHUNK):
            received += len(block)
            if received > _MAX_DOWNLOAD:
                raise WeightsError(
                    f"{url}: sends more than {_MAX_DOWNLOAD >> 20} MB; not the model"
                )
            digest.update(block)
            out.write(block)
    if expected is not None and received != int(expected):
        raise ConnectionError(f"interrupted after {received:,} of {int(expected):,} bytes")
    return digest.hexdigest()


def _built(wheel: Path, folder: Path) -> Path:
    """Bundle of the installed wheel's models, built where it is not in the cache yet."""
    target = folder / f"pose_landmarker-mediapipe-{_mediapipe_version()}.task"
    if _is_bundle(target):
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(target) as part:
            _write_bundle(wheel, part)
    except OSError:
        # A full disk, a read-only home, or on Windows another process that holds the target.
        return target if _is_bundle(target) else _temporary_bundle(wheel)
    return target


@functools.cache
def _temporary_bundle(wheel: Path) -> Path:
    """Bundle in a private folder that disappears with this process."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="vipe-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        target = folder / "pose_landmarker.task"
        _write_bundle(wheel, target)
    except OSError as exc:
        raise WeightsError(
            f"the pose model (9 MB) can be written neither to {cache_folder()} nor to "
            f"{tempfile.gettempdir()} ({exc}); free some space or set TMPDIR"
        ) from exc
    return target


def _write_bundle(wheel: Path, target: Path) -> None:
    """Zip the wheel's two models, uncompressed: MediaPipe maps them from the file."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as bundle:
        for name, (source, mean, std) in _PARTS.items():
            model = _with_normalisation((wheel / source).read_bytes(), mean, std)
            bundle.writestr(zipfile.ZipInfo(name), model)  # fixed date: same bytes every time


def _with_normalisation(model: bytes, mean: float, std: float) -> bytes:
    """Return the model with the metadata that tells MediaPipe how to scale its input image."""
    from mediapipe.tasks.python.metadata.metadata_writers import metadata_writer

    writer = metadata_writer.MetadataWriter.create(bytearray(model))
    writer.add_general_info("pose").add_image_input([mean], [std])
    return bytes(writer.populate()[0])


def _checked(path: Path) -> Path:
    """Return the path if it is a bundle that MediaPipe will take."""
    if not path.is_file():
        raise WeightsError(f"{path}: no such pose model file; check --pose-model")
    if not _is_bundle(path):
        raise WeightsError(
            f"{path}: not a MediaPipe pose landmarker bundle (.task); the official file is "
            f"{MODEL_URL}"
        )
    return path


def _is_bundle(path: Path) -> bool:
    """Whether the file is a readable zip with the two models in it."""
    try:
        with zipfile.ZipFile(path) as bundle:
            return set(_PARTS) <= set(bundle.namelist())
    except (OSError, ValueError, zipfile.BadZipFile):
        return False


def _wheel_folder() -> Path | None:
    """Folder of the installed mediapipe, or None where it carries no pose models."""
    spec = importlib.util.find_spec("mediapipe")  # finds it without the slow import
    folders = [Path(place) for place in (spec and spec.submodule_search_locations) or ()]
    sources = [source for source, _, _ in _PARTS.values()]
    return next((f for f in folders if all((f / source).is_file() for source in sources)), None)


def _mediapipe_version() -> str:
    try:
        return importlib.metadata.version("mediapipe")
    except importlib.metadata.PackageNotFoundError as exc:
        raise WeightsError("mediapipe is not installed: pip install vipe") from exc
