"""Texts of outputs: names from outside, as files and pictures can hold them; speeds in words."""

import re
import unicodedata

SLOWEST, FASTEST = 1 / 16, 16.0
"""Range of relative speeds; at the upper end B stays at one moment."""

STILL = 15.0
"""Ratio from which B counts as staying at one moment."""

_SPACES = re.compile(r"\s+")
_FORMULA = "=+-@"  # how a spreadsheet recognises one
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_UNWANTED = {"Cc", "Cf", "Zl", "Zp"}  # controls, marks of direction, separators of lines
_ALIKE = 1.07  # ratios of speed up to this, and down to its inverse, count as equal
_JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"  # part of words and of emoji


BY = {"poses": "the poses", "sound": "the sound", "both": "poses and sound"}
"""What gave a shift, `offset.Offset.by`, in words."""


def one_line(name: str) -> str:
    """Name as one line of valid Unicode text.

    Line breaks and runs of blanks become one blank; control characters and marks that turn the
    direction of writing are left out; bytes of a file name that are no UTF-8 become U+FFFD.
    """
    line = _SPACES.sub(" ", name).strip()
    kept = (c for c in line if c in _JOINERS or unicodedata.category(c) not in _UNWANTED)
    return "".join(_REPLACEMENT if "\ud800" <= c <= "\udfff" else c for c in kept)


def table_cell(name: str) -> str:
    """Name as a cell of a CSV table: one line, and never a formula of a spreadsheet."""
    cell = one_line(name)
    return f"'{cell}" if cell.startswith(tuple(_FORMULA)) else cell


def cue(name: str) -> str:
    """Name as the text of a subtitle: one line, without the arrow between two times."""
    return one_line(name).replace("-->", "->")


def times_as_fast(ratio: float) -> str:
    """Speed of B relative to A, as in `Segment.ratio`: ``1.7x as fast``, or ``waits``."""
    return "waits" if ratio >= STILL else f"{ratio:.1f}x as fast"


def speed_in_words(ratio: float, other: str) -> str:
    """The same as the end of a sentence: ``1.7x as fast as a``."""
    if 1 / _ALIKE < ratio < _ALIKE:
        return f"as fast as {other}"
    if ratio >= STILL:
        return "stays at one moment"
    return f"{ratio:.1f}x as fast as {other}"
