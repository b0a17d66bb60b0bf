"""`vipe download`: the pose model, where mediapipe comes without it."""

from typing import Annotated

import typer


def download(
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="A mirror.  [default: MediaPipe's own]")
    ] = None,
    sha256: Annotated[
        str | None,
        typer.Option(metavar="HEX", help="Its checksum.  [default: that of the official file]"),
    ] = None,
) -> None:
    """Fetch MediaPipe's pose model (9 MB) into the cache; needed on Python 3.13 and later only.

    The one command that uses the network. The file is kept if its checksum is the expected one,
    and found by every other command from then on.
    """
    from vipecli.poses.detection.model_file import MODEL_SHA256, MODEL_URL, download_model

    typer.echo(download_model(url or MODEL_URL, sha256=sha256 or MODEL_SHA256))
