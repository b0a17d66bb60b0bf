"""What the documents say is so: commands, options, files."""

import re
from pathlib import Path

import pytest
import typer

from vipecli.cli.app import COMMANDS, app

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def _options(command):
    group = typer.main.get_command(app)
    command = group.get_command(None, command)
    commands = [command, *getattr(command, "commands", {}).values()]
    return {
        name
        for c in commands
        for p in c.params
        for name in (*p.opts, *p.secondary_opts)
        if "--" in name
    }


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_stands_in_the_readme(command):
    assert f"`vipe {command}" in README


def test_every_option_in_the_readme_exists():
    known = set().union(*map(_options, COMMANDS)) | {"--help"}
    text = re.sub(r"\$? ?pip .*|apt-get .*", "", README)
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))
    assert named
    assert named <= known


def test_files_that_the_readme_names_exist():
    linked = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    named = re.findall(r"(?<![\w/.])((?:examples|weights)/[\w./-]+\w)", README)
    assert linked
    assert any(name.endswith(".mp4") for name in named)
    assert [name for name in [*linked, *named] if not (ROOT / name).exists()] == []


def test_the_picture_of_the_readme_is_small():
    assert (ROOT / "examples" / "synced.jpg").stat().st_size < 200_000


def test_the_check_runs_the_readmes_second_command():
    block = README.split("<!-- second command -->\n```sh\n")[1].split("```")[0]
    assert block.count("\n") == 1
    assert block.rstrip().endswith(".venv/bin/pytest")
    assert "block second" in (ROOT / ".ci" / "run").read_text()


def test_the_first_command_makes_sure_of_the_model():
    block = README.split("<!-- first command -->\n```sh\n")[1].split("```")[0]
    assert ".venv/bin/vipe download &&" in block
    assert block.rstrip().endswith("--out synced.mp4")


def test_every_module_stands_in_the_map():
    """The core; files of `cli` and `train` bear the names of what they do."""
    named = set(re.findall(r"\w+", CONTRIBUTING.split("## The flow")[1].split("A command is")[0]))
    modules = {
        part
        for path in (ROOT / "vipecli").rglob("*.py")
        for part in path.relative_to(ROOT / "vipecli").with_suffix("").parts
        if not {"cli", "train"} & set(path.relative_to(ROOT / "vipecli").parts[:-1])
    }
    assert modules - {"__init__", "__main__"} <= named


def test_the_changelog_knows_the_version():
    from vipecli import __version__

    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_one_opencv_wheel():
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert set(re.findall(r"opencv[\w-]*(?=>=)", project)) == {"opencv-contrib-python"}
