"""Types of the settings of a training, which are checked wherever they are made."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, PositiveFloat

CHECKED = ConfigDict(extra="forbid", allow_inf_nan=False)
"""Of the dataclasses of settings: no other names, no infinite numbers."""


def _file_name(text: str) -> str:
    """Return a text that files can be called after."""
    if Path(text).name != text or not text.strip(". "):
        raise ValueError("should be a name for files")
    return text


def _rising(ends: tuple[float, float]) -> tuple[float, float]:
    """Return both ends of a range in order."""
    if ends[0] > ends[1]:
        raise ValueError("should have the smaller number first")
    return ends


FileName = Annotated[str, AfterValidator(_file_name)]
Share = Annotated[float, Field(ge=0, le=1)]
Dropout = Annotated[float, Field(ge=0, lt=1)]
Range = Annotated[tuple[PositiveFloat, PositiveFloat], AfterValidator(_rising)]
Batch = Annotated[int, Field(ge=2)]
"""Clips or poses of one step: negatives are looked for among the others."""
