"""`vipe download`: the pose model, where mediapipe comes without it."""

from pathlib import Path
from typing import Annotated

import typer


def download(
    source: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="FILE", help="Take it from a mediapipe wheel or a .task file instead."
        ),
    ] = None,
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="Fetch a .task file from this address.")
    ] = None,
    sha256: Annotated[
        str | None,
        typer.Option(metavar="HEX", help="Its checksum.  [default: that of the official file]"),
    ] = None,
) -> None:
    """Fetch MediaPipe's pose model (9 MB) into the cache; does nothing where it is there.

    Up to Python 3.12 mediapipe carries the model. Elsewhere it comes from the package index that
    pip is set up for, in a wheel of 36 MB, or else from MediaPipe's own host. The one command that
    uses the network; whatever is fetched has to have the known checksum.
    """
    from vipecli.poses.detection import model_download as models

    if source and (url or sha256):
        raise typer.BadParameter("--from takes a file that is here; leave out --url and --sha256")
    if source:
        path = models.model_from_file(source)
    elif url or sha256:
        path = models.download_model(url or models.MODEL_URL, sha256=sha256 or models.MODEL_SHA256)
    else:
        path = models.get_model()
    typer.echo(path)
