"""Manual pages and completion, both from the command line itself."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from vipecli.cli.app import COMMANDS
from vipecli.cli.help import OUTPUTS, groups
from vipecli.cli.manual import contexts, manual_pages

PAGES = manual_pages("1.2.3")


def test_every_command_has_a_page_and_its_group_names_it():
    assert {f"vipe-{command}.1" for command in COMMANDS} < set(PAGES)
    assert {"vipe.1", "vipecli.1", "vipe-index-build.1", "vipe-cache-clear.1"} < set(PAGES)
    for name, page in PAGES.items():
        if name == "vipecli.1":
            continue
        assert '"vipe 1.2.3"' in page.splitlines()[0]
        assert re.search(r"^\.SH NAME\n\S+ \\- \S.*[^.]$", page, re.MULTILINE), name
        others = re.findall(r"([a-z-]+)\(1\)", page.replace("\\-", "-"))
        assert others and all(f"{other}.1" in PAGES for other in others)


def test_a_page_holds_what_the_help_says():
    page = PAGES["vipe-align.1"].replace("\\-", "-")
    assert ".B vipe align\n[OPTIONS] A B [C...]\n" in page
    assert '.SH "VIDEO"' in page and ".B --style side|stack" in page
    assert not re.search(r"^\.(?!TH |SH |PP$|TP$|B |so )", page, re.MULTILINE), "no stray request"


@pytest.mark.skipif(not shutil.which("groff"), reason="no groff here")
@pytest.mark.parametrize("name", ["vipe.1", "vipe-align.1", "vipe-index-build.1"])
def test_groff_sets_a_page_without_a_warning(name):
    command = ["groff", "-man", "-Tascii", "-ww"]
    done = subprocess.run(command, input=PAGES[name], capture_output=True, text=True, check=True)
    assert not done.stderr and "vipe 1.2.3" in done.stdout


def _completed(program, words):
    env = os.environ | {
        f"_{program.upper()}_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    code = f"import sys; sys.argv[0] = '{program}'; from vipecli.__main__ import main; main()"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize(
    ("program", "words", "found"),
    [
        ("vipe", "vipe cl", ["classify"]),
        ("vipecli", "vipecli al", ["align"]),
        ("vipe", "vipe align --style st", ["stack", "strobe"]),
        ("vipe", "vipe index bu", ["build"]),
    ],
)
def test_completion_knows_commands_options_and_values(program, words, found):
    assert _completed(program, words) == found


def test_what_is_written_stands_under_outputs_and_values_have_names():
    types = r"INTEGER|FLOAT|RANGE|<|\bPATH\b|\bVALUE\b"
    for context in contexts():
        found = groups(context.command, context)
        for title, rows in found.items():
            for what, _ in rows:
                assert not re.search(types, what), f"{context.command_path} {what}"
                written = what.startswith(
                    ("--out", "--json", "--csv", "--plot", "--report", "--log")
                )
                assert not written or title == OUTPUTS, f"{context.command_path} {what}"
