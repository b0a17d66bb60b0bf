"""What the documents say is so: commands, options, files."""

import importlib.util
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


DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
TEXTS = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in PAGES}
TEXTS["README.md"] = README


def _page(command: str) -> Path:
    """`index.md` of a folder would be its front page."""
    return DOCS / "commands" / f"{command if command != 'index' else 'index_'}.md"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_stands_in_the_readme_and_has_a_page(command):
    assert f"`vipe {command}" in README
    page = _page(command).read_text(encoding="utf-8")
    assert page.startswith(f"# vipe {command}\n")
    assert re.search(rf"```sh\n(vipe .*\n)*vipe {command}\b", page), "an example"
    group = typer.main.get_command(app).get_command(None, command)
    names = [f"{command} {sub}" for sub in getattr(group, "commands", {})] or [command]
    assert re.findall(r"<!-- options: (.*) -->", page) == names


@pytest.fixture(scope="module")
def hooks():
    spec = importlib.util.spec_from_file_location("hooks", DOCS / "hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("command", COMMANDS)
def test_tables_of_options_come_from_the_command_line(hooks, command):
    page = hooks.on_page_markdown(_page(command).read_text(encoding="utf-8"))
    assert "<!-- options" not in page
    named = set(re.findall(r"--[a-z][a-z0-9-]+", page))
    assert named >= {name for name in _options(command) if name.startswith("--")} - {"--help"}


def test_a_page_cannot_ask_for_a_command_that_is_not_there(hooks):
    with pytest.raises(KeyError):
        hooks.options("aline")


@pytest.mark.parametrize("page", TEXTS)
def test_every_option_in_a_page_exists(page):
    known = set().union(*map(_options, COMMANDS)) | {"--help", "--version", "--install-completion"}
    text = re.sub(r"\$? ?pip .*|apt-get .*|benchmarks.*|ray [a-z].*", "", TEXTS[page])
    named = set(re.findall(r"(?<![\w<!-])--[a-z][a-z-]+", text))
    assert named <= known


@pytest.mark.parametrize("page", TEXTS)
def test_files_that_a_page_names_exist(page):
    folder = (ROOT / page).parent
    linked = re.findall(r"\]\((?!https?:)([^)#]+)", TEXTS[page])
    named = re.findall(r"(?<![\w/.])((?:examples|weights|benchmarks)/[\w./-]+\w)", TEXTS[page])
    assert [name for name in linked if not (folder / name).exists()] == []
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_readme_is_short_and_shows_pictures():
    assert len(README.splitlines()) < 150
    assert len(re.findall(r"!\[", README)) >= 4


def test_every_page_is_in_the_navigation():
    listed = re.findall(r"[\w/]+\.md", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert sorted(listed) == [path.relative_to(DOCS).as_posix() for path in PAGES]


def test_pages_load_nothing_from_elsewhere():
    config = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert "font: false" in config
    assert not re.search(r"extra_(css|javascript)|analytics", config)
    assert not any(
        re.search(r"!\[[^]]*\]\(https?:|<script|<iframe", text) for text in TEXTS.values()
    )


def test_pictures_are_small():
    pictures = [ROOT / "examples" / "synced.jpg", *(DOCS / "pictures").iterdir()]
    assert max(path.stat().st_size for path in pictures) < 200_000


def test_the_wheel_holds_every_model_and_no_log():
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    packed = set(re.findall(r'"weights/([\w.]+)" = ', project))
    assert packed == {path.name for path in (ROOT / "weights").glob("*.onnx")} | {"README.md"}


def test_the_distribution_is_vipecli_everywhere():
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'name = "vipecli"' in project
    sources = [*(ROOT / "vipecli").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    assert not [p for p in sources if re.search(r"\bvipe\[", p.read_text(encoding="utf-8"))]


def test_the_check_runs_the_readmes_second_command():
    block = README.split("<!-- second command -->\n```sh\n")[1].split("```")[0]
    assert block.count("\n") == 1
    assert block.rstrip().endswith(".venv/bin/pytest -n auto")
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
