"""The kinds of inputs that went wrong once: what is right, what was given then, and what tests it.

Of most kinds several inputs are tried; they stand with the tests that are named here.
"""

import re
from typing import NamedTuple

import pytest

from tests.conftest import ROOT

FOOTAGE, KEYPOINTS = "test_footage_kinds.py", "test_keypoint_kinds.py"
NAMES, INDEX, MODELS = "test_name_kinds.py", "test_index_kinds.py", "test_model_kinds.py"
LIMITS = "test_limit_kinds.py"


class Kind(NamedTuple):
    """One kind: an input, what is right, what was given before, and beginnings of its tests."""

    given: str
    right: str
    before: str
    file: str
    tests: tuple[str, ...]


KINDS = {
    1: Kind(
        "display matrices and EXIF orientations that mirror", "as a player shows them",
        "a turn by 180 degrees, or as stored", FOOTAGE, ("1 display matrix", "1 EXIF", "1 one"),
    ),
    2: Kind(
        "cuts in containers without an index, open GOPs", "the first frame at or after the start",
        "a GOP, or everything, lost", FOOTAGE, ("2 transport stream", "2 bare H.264", "2 part of"),
    ),
    3: Kind(
        "thumbnails, previews and short sound that stand first", "the film and its sound",
        "the first stream", FOOTAGE, ("3 thumbnails first", "3 sound in long packets"),
    ),
    4: Kind(
        "H.264 with B-frames in AVI, or copied carelessly", "even steps",
        "steps of 0.001 to 0.1 s", FOOTAGE, ("4 AVI, H.264", "4 bare"),
    ),
    5: Kind(
        "HLG and PQ of BT.2020", "as the same scene in standard video", "dim and grey",
        FOOTAGE, ("5 HLG", "5 PQ", "5 {name}, only its curve stated"),
    ),
    6: Kind(
        "a size or pixel aspect that changes", "proportions stay, and a line says so",
        "stretched", FOOTAGE, ("6 upright after wide", "6 wider pixels"),
    ),
    7: Kind(
        "sound longer than the picture, a last frame held", "no word, and their number",
        "'cut off'", FOOTAGE, ("7 sound longer", "7 last frame held", "7 really cut off"),
    ),
    8: Kind(
        "timecodes of cameras", "sources of timelines begin there", "at 00:00:00:00",
        FOOTAGE, ("8 timecode",),
    ),
    9: Kind(
        "a cover among numbered pictures", "left out, and gaps stay", "frame 0, and no gaps",
        FOOTAGE, ("9 a cover among", "9 two cameras"),
    ),
    10: Kind(
        "tables of DeepLabCut without likelihood or with dropped rows", "score 1; missing frames",
        "'lists nobody'; other times", KEYPOINTS, ("test_10_",),
    ),
    11: Kind(
        "COCO: numbers in names, two videos, other categories, no images",
        "times by the numbers; refused with names; passed over; read",
        "other times, both in one, errors", KEYPOINTS, ("test_11_",),
    ),
    12: Kind(
        "coordinates in [-1, 1]", "pixels, or refused", "half of them", KEYPOINTS, ("test_12_",)
    ),
    13: Kind("units of .trc", "mm equal m", "a thousand times larger", KEYPOINTS, ("test_13_",)),
    14: Kind(
        "._ files", "passed over", "an error", KEYPOINTS, ("test_14_",)
    ),
    15: Kind("3D with z up", "turned, and said", "seen from above", KEYPOINTS, ("test_15_",)),
    16: Kind(
        "decimal commas, sep=;, UTF-16, tabs", "read", "'not a text file'", KEYPOINTS,
        ("test_16_",),
    ),
    17: Kind(
        "250 people in a frame", "work by their number", "did not end", KEYPOINTS, ("test_17_",)
    ),
    18: Kind(
        "lift Müller.mp4 --out x.trc", "written", "an unexpected error", LIMITS, ("test_18_",)
    ),
    19: Kind(
        "names that are no UTF-8", "cost no other clip", "stopped the folder", NAMES,
        ("test_a_folder_of_strange_names", "test_a_clip_whose_name_is_no_utf8"),
    ),
    20: Kind(
        "line breaks and escapes in names and labels, cells that are formulas",
        "one line, no escapes, a quote before formulas", "broken files, escapes in terminals",
        NAMES, ("test_one_line", "test_a_table_holds_no_formula", "test_an_edl_keeps_its_lines"),
    ),
    21: Kind(
        "labels in NFC and NFD", "one label", "two", INDEX, ("test_labels_in_two_spellings",)
    ),
    22: Kind(
        "playlists and patterns", "refused; nothing else is opened", "opened what they name",
        FOOTAGE, ("22 ", "test_no_demuxer_that_opens_other_files"),
    ),
    23: Kind(
        "bombs", "refused with the limit, before memory is taken", "up to 5.8 GB", LIMITS,
        ("test_23_",),
    ),
    24: Kind(
        "an index that somebody else made", "one line, in bounded memory", "gigabytes, or hangs",
        INDEX, ("test_an_index_from_somebody_else",),
    ),
    25: Kind(
        "models with bad metadata", "one line", "a trace", MODELS, ("test_wrong_metadata",)
    ),
    26: Kind(
        "SIGTERM or SIGINT to embed --jobs 2", "ends with 143 or 130, children too",
        "children went on", "cli/test_interrupts.py", ("test_a_signal_ends_a_pool",),
    ),
    27: Kind(
        "kill -9 during align or poses", "the next run sweeps what is left", "left for ever",
        "cli/test_batch.py", ("test_a_killed_command_loses_nothing",),
    ),
    28: Kind(
        "an index killed while it was changed", "pandas and DuckDB see what vipe sees",
        "twice the rows", INDEX, ("test_after_a_kill_other_programs",),
    ),
    29: Kind(
        "mocap in centimetres", "metres, by the torso, and said", "12 % where 45 % is right",
        LIMITS, ("test_29_",),
    ),
}  # fmt: skip


def test_each_kind_has_a_row():
    assert list(KINDS) == list(range(1, 30))


@pytest.mark.parametrize("kind", KINDS.values(), ids=map(str, KINDS))
def test_what_is_named_is_there(kind):
    text = (ROOT / "tests" / kind.file).read_text()
    for name in kind.tests:
        start = "def " if name.startswith("test_") else 'f?"'
        assert re.search(start + re.escape(name), text), name
