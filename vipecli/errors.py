"""Exceptions whose text says what went wrong, with which file, and what to do next."""

import importlib
from typing import Any


class VipeError(Exception):
    """A problem that the user can act on; the command line prints it as one line."""


class VideoError(VipeError):
    """A video that cannot be read or written."""


class VideoWarning(UserWarning):
    """A video of which only a part could be read."""


class NoPoseError(VipeError):
    """A video in which no person was found."""


class UnsureError(VipeError):
    """Evidence that is too weak, or that several answers share.

    Attributes
    ----------
    shifts
        the answers that fit equally, seconds.
    """

    def __init__(self, message: str, shifts: tuple[float, ...] = ()) -> None:
        super().__init__(message)
        self.shifts = shifts


class WeightsError(VipeError):
    """A model file that is missing, damaged, or not the one that made the data."""


class FormatError(VipeError):
    """A data file that is not what its name promises."""


class UnfinishedError(VipeError):
    """An item on which the work did not end: its process died every time, or its time ran out."""


class MissingExtraError(VipeError):
    """A feature whose optional packages are not installed."""


def import_extra(package: str, extra: str, purpose: str) -> Any:
    """Import a package that an extra brings.

    Parameters
    ----------
    package
        name of its module.
    extra
        of this distribution.
    purpose
        what it is needed for, as the beginning of the message.

    Raises
    ------
    MissingExtraError
        if it is not installed.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as exc:
        raise MissingExtraError(
            f"{purpose} needs the package {exc.name}; install it with: "
            f"pip install 'vipecli[{extra}]'"
        ) from exc
