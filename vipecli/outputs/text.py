"""Names that come from outside, as they can stand in a text file, a table or a picture."""

import re
import unicodedata

_SPACES = re.compile(r"\s+")
_FORMULA = "=+-@"  # how a spreadsheet recognises one
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_UNWANTED = {"Cc", "Cf", "Zl", "Zp"}  # controls, marks of direction, separators of lines
_JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"  # part of words and of emoji


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
