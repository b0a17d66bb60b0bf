"""`vipe compare` from poses on: what it prints and writes."""

import json
from dataclasses import replace

import numpy as np
import pytest

from examples.motions import perform
from tests.alignment.test_compare import bent_elbow, seen_from_the_side
from tests.media import make_video
from vipecli.alignment.compare import compare as compare_poses
from vipecli.cli.app import main
from vipecli.embedding import candidates
from vipecli.embedding.clip import Recipe
from vipecli.embedding.embed import embed


@pytest.fixture
def compare(capfd, monkeypatch, tmp_path):
    """Run `vipe compare` on a squat and one with an elbow bent at 1.5 s; code, out and err."""
    monkeypatch.chdir(tmp_path)
    squat = seen_from_the_side(perform("squat", seconds=2.5, reps=1).joints)
    takes = [squat, bent_elbow(squat, 40, 1.5)]
    takes = [(poses, embed(poses, Recipe().load_model())) for poses in takes]
    people = [[candidates.Candidate(*take)] for take in takes]
    monkeypatch.setattr(candidates, "read_everyone", lambda *_: people)
    times = range(0, 200, 40)
    for name in "ab":
        make_video(tmp_path / f"{name}.mp4", times, images=[np.zeros((64, 64, 3), "u1")] * 5)

    def run(*args):
        with pytest.raises(SystemExit) as left:
            main(["compare", "a.mp4", "b.mp4", *args])
        return left.value.code, *capfd.readouterr()

    return run


def test_tables_and_files(compare, tmp_path):
    files = [f"--{kind}={kind}.{end}" for kind, end in (("csv", "csv"), ("report", "html"))]
    code, out, _ = compare(*files, "--pose", "2d")
    assert code == 0
    assert "Wrote csv.csv" in out and "Wrote report.html" in out
    assert "Compared: A 0.00 - 2.47 s (2.47 s), B " in out
    assert "against the rest of the movement" in " ".join(out.split())
    listed = out.split("exceed the uncertainty")[1].split("─ \n")[1]
    largest = listed.split("\n")[0]
    assert largest.split()[:2] == ["right", "elbow"]
    assert float(largest.split()[2]) == pytest.approx(1.5, abs=0.2)
    assert "as the camera shows them" in out
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    words = json.loads(page.split('id="data">')[1].split("</script>")[0])
    assert "Right elbow" in page
    assert "Compared: A 0.00 - 2.47 s" in words["summary"]
    count = sum("against the rest" in event["text"] for event in words["events"])
    assert count and f"uncertainty of both angles: {count}, listed below" in words["summary"]
    row = next(line for line in out.split("\n") if line.strip().startswith("right knee"))
    low, high = row.split()[2], row.split()[4]
    assert dict(words["facts"])["right knee"].startswith(f"A {low} - {high}°, B ")


def test_a_page_without_differences_says_so(compare, tmp_path, monkeypatch):
    def none(*args, **more):
        return replace(compare_poses(*args, **more), moments=())

    monkeypatch.setattr("vipecli.alignment.compare.compare", none)
    assert compare("--report=page.html")[0] == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "No difference exceeds the uncertainty of both angles." in page


def test_json_goes_alone_to_standard_output(compare):
    code, out, err = compare("--json", "-", "--pose", "2d")
    assert code == 0
    data = json.loads(out)
    assert data["pose"] == "2d"
    assert data["differences"][0]["angle"] == "right elbow"
    assert data["same_action"] > 0.5 and data["mirrored"] is False
    assert "exceed the uncertainty" in err


def test_refuses(compare, tmp_path):
    code, _, err = compare("--pose", "world")
    assert code == 1 and "use --pose lifted" in err
    code, _, err = compare("--plot", "angles.bmp")
    assert code == 1
    assert err == "vipe: angles.bmp: use a name that ends in .png, .svg, .pdf\n"
    assert compare("--csv", "a.mp4")[0] == 1
    assert compare("--pose", "4d")[0] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "b.mp4"]
