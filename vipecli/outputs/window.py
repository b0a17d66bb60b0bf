"""OpenCV's window."""

import sys
from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from vipecli.errors import VipeError
from vipecli.outputs.live_view import Status

_TITLE = "vipe live"
_ENDS = frozenset((ord("q"), ord("Q"), 27))  # q, Q, Esc
_INSTEAD = "use --serve to see it in a browser, or --no-window with --record or --json"


def check_window(environment: Mapping[str, str]) -> None:
    """Refuse where no window can be opened.

    Parameters
    ----------
    environment
        variables of the process: on Linux they name the display.

    Raises
    ------
    VipeError
        if there is no display, or OpenCV was built without windows.
    """
    windows = [line for line in cv2.getBuildInformation().splitlines() if "GUI:" in line]
    if any("NONE" in line for line in windows):
        raise VipeError(f"this OpenCV opens no windows (a headless build): {_INSTEAD}")
    displays = "DISPLAY", "WAYLAND_DISPLAY"
    if sys.platform.startswith("linux") and not any(environment.get(name) for name in displays):
        raise VipeError(f"there is no display to open a window on: {_INSTEAD}")


class Window:
    """A window that can be resized; q, Esc or its button end the session."""

    def __init__(self) -> None:
        self._open = False

    def show(self, image: NDArray[np.uint8], status: Status) -> bool:
        """Show a picture; False once the person has closed it.

        Raises
        ------
        VipeError
            if OpenCV can open no window.
        """
        try:
            if not self._open:
                cv2.namedWindow(_TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
                cv2.resizeWindow(_TITLE, image.shape[1], image.shape[0])
                self._open = True
            cv2.imshow(_TITLE, image)
            key = cv2.waitKey(1) & 0xFF
            visible = cv2.getWindowProperty(_TITLE, cv2.WND_PROP_VISIBLE) > 0
        except cv2.error as exc:
            raise VipeError(f"OpenCV opens no window here: {_INSTEAD}") from exc
        return visible and key not in _ENDS

    def close(self) -> None:
        """Close it."""
        if self._open:
            cv2.destroyWindow(_TITLE)
