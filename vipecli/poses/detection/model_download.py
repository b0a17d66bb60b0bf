"""Fetching the pose model, where the installed mediapipe does not carry it: only on request.

Nothing else in vipe uses the network.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

from vipecli.errors import WeightsError
from vipecli.files import replacing
from vipecli.poses.detection.model_bundle import PARTS, is_bundle, write_bundle
from vipecli.poses.detection.model_file import (
    MODEL_SHA256,
    MODEL_URL,
    WHEEL_VERSION,
    built_path,
    cache_folder,
    carries_model,
    model_path,
    official_path,
    stored_model,
)

WHEEL = f"mediapipe-{WHEEL_VERSION}-cp312-cp312-manylinux_2_28_x86_64.whl"
"""The models are the same in the wheels of all systems and Pythons; this one is pinned."""
WHEEL_SHA256 = "956eb1ebc275c629e61b085b2cab89c3a5b9e93bad1bb107348d98dafb5a4bb5"
_PLATFORM = "manylinux_2_28_x86_64"
_PARTS_SHA256 = (  # of the models, in the order of `PARTS`
    "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
    "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
)
_MAX_DOWNLOAD = 100 << 20  # bytes; the model is 9 MB
_CHUNK = 1 << 20  # bytes read at a time
_PIP_TIMEOUT_S = 900


def get_model(folder: Path | None = None) -> Path:
    """Return the path of the pose model; downloads it if neither mediapipe nor the cache has it.

    First from the package index that `pip` is set up for, from which vipe itself came: in the wheel
    of the last mediapipe that carries it (36 MB). If that fails, from MediaPipe's host.

    Parameters
    ----------
    folder
        cache folder; None = `cache_folder`.

    Raises
    ------
    WeightsError
        if neither has it.
    """
    folder = folder or cache_folder()
    if carries_model():
        return model_path(cache=folder)
    if (stored := stored_model(folder)) is not None:
        return stored
    try:
        return model_from_index(built_path(folder))
    except WeightsError as index:
        try:
            return download_model(target=official_path(folder))
        except WeightsError as host:
            raise WeightsError(
                f"{index}; {host}; a mediapipe {WHEEL_VERSION} wheel or a pose landmarker .task "
                "file from elsewhere is taken by `vipe download --from FILE`"
            ) from host


def model_from_index(target: Path) -> Path:
    """Download the wheel with the models from the package index, and build the bundle from it.

    By `pip`, with its settings (mirrors, proxies, credentials); an environment without it, such as
    those of uv, gets a temporary one. There, uv's variables for the index count.

    Raises
    ------
    WeightsError
        if the wheel is not to be had, or has another checksum.
    """
    with tempfile.TemporaryDirectory(prefix="vipe-") as scratch:
        command = [
            *(_pip(Path(scratch)), "-m", "pip", "download", "--no-deps", "--only-binary=:all:"),
            *("--implementation", "cp", "--python-version", "3.12", "--platform", _PLATFORM),
            *("--disable-pip-version-check", "--no-input", "--quiet", "--dest", scratch),
            f"mediapipe=={WHEEL_VERSION}",
        ]
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                errors="replace",
                cwd=scratch,
                env=_environment(),
                timeout=_PIP_TIMEOUT_S,
            )
        except (OSError, subprocess.TimeoutExpired) as exc:
            raise WeightsError(f"pip could not fetch mediapipe {WHEEL_VERSION} ({exc})") from exc
        wheel = Path(scratch, WHEEL)
        if done.returncode or not wheel.is_file():
            reason = (done.stderr.strip().splitlines() or ["no such wheel"])[-1]
            raise WeightsError(f"pip could not fetch mediapipe {WHEEL_VERSION} ({reason})")
        return model_from_wheel(wheel, target, sha256=WHEEL_SHA256)


def model_from_wheel(wheel: Path, target: Path, *, sha256: str | None = None) -> Path:
    """Build the pose landmarker bundle from a wheel of mediapipe.

    Parameters
    ----------
    wheel
        a `.whl` of a version up to 0.10.21, for any system.
    target
        file to write.
    sha256
        checksum of the wheel; None = that of the models in it is enough.

    Raises
    ------
    WeightsError
        if the checksum is another, or the models are not in it.
    """
    if sha256 is not None and (found := _sha256(wheel)) != sha256:
        raise WeightsError(
            f"{wheel.name}: has SHA-256 {found}, expected {sha256}; nothing was kept"
        )
    expected = dict(zip(PARTS.values(), _PARTS_SHA256, strict=True))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(wheel) as archive, replacing(target) as part:

            def read(name: str) -> bytes:
                content = archive.read(f"mediapipe/{name}")
                if hashlib.sha256(content).hexdigest() != expected[name]:
                    raise WeightsError(f"{wheel}: {name} is not the known pose model")
                return content

            write_bundle(read, part)
    except (KeyError, zipfile.BadZipFile) as exc:
        raise WeightsError(
            f"{wheel}: holds no pose model; take the wheel of mediapipe {WHEEL_VERSION}"
        ) from exc
    except OSError as exc:
        raise WeightsError(f"{target}: the pose model cannot be written ({exc.strerror})") from exc
    return target


def model_from_file(source: Path, folder: Path | None = None) -> Path:
    """Put a pose landmarker bundle, or that of a mediapipe wheel, into the cache.

    Raises
    ------
    WeightsError
        if the file is neither.
    """
    folder = folder or cache_folder()
    if not source.is_file():
        raise WeightsError(f"{source}: no such file; check --from")
    if source.suffix.lower() == ".whl":
        return model_from_wheel(source, built_path(folder))
    if not is_bundle(source):
        raise WeightsError(
            f"{source}: neither a pose landmarker bundle (.task) nor a wheel of mediapipe (.whl)"
        )
    target = folder / f"pose_landmarker-{_sha256(source)[:8]}.task"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(target) as part:
            shutil.copyfile(source, part)
    except OSError as exc:
        raise WeightsError(f"{target}: the pose model cannot be written ({exc.strerror})") from exc
    return target


def _pip(scratch: Path) -> str:
    """Python that has pip: this one, or that of a temporary environment."""
    if importlib.util.find_spec("pip") is not None:
        return sys.executable
    try:
        venv.EnvBuilder(with_pip=True).create(scratch / "pip")
    except (OSError, subprocess.CalledProcessError) as exc:
        raise WeightsError("this Python has no pip, and none could be made ready") from exc
    return str(scratch / "pip" / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))


def _environment() -> dict[str, str]:
    """Environment for pip: uv's setting of the package index counts where pip has none."""
    uv = os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("UV_INDEX_URL")
    return {**({"PIP_INDEX_URL": uv} if uv else {}), **os.environ}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(_CHUNK):
            digest.update(block)
    return digest.hexdigest()


def download_model(
    url: str = MODEL_URL,
    *,
    sha256: str = MODEL_SHA256,
    target: Path | None = None,
    timeout_s: float = 60,
) -> Path:
    """Download the official pose model from MediaPipe's host.

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
    target = target or official_path(cache_folder())
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
