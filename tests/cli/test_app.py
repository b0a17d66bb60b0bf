import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from vipecli.cli.app import COMMANDS
from vipecli.embedding.model import Model, default_weights

ROOT = Path(__file__).resolve().parent.parent.parent
CLIPS = ROOT / "examples" / "clips"
SQUATS = ("squat/squat_000_ada.mp4", "squat/squat_120_ben.mp4")
JACKS = ("jumping_jack/jumpingjack_000_eva.mp4", "jumping_jack/jumpingjack_120_finn.mp4")
TOUCHES = ("toe_touch/toetouch_000_cleo.mp4", "toe_touch/toetouch_120_dan.mp4")


def film(path, frames, codec="mpeg4", size=(64, 64)):
    """Write a video of noise."""
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for _ in range(frames):
            image = rng.integers(0, 255, (*size[::-1], 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="session")
def material(tmp_path_factory):
    """Good, odd and broken inputs; the tests must leave the folder as it is."""
    folder = tmp_path_factory.mktemp("material")
    shutil.copy(CLIPS / SQUATS[0], folder / "good.mp4")
    (folder / "text.mp4").write_text("this is no video\n" * 50)
    (folder / "empty.mp4").touch()
    (folder / "cut.mp4").write_bytes((folder / "good.mp4").read_bytes()[:600])
    film(folder / "noise.mp4", 8)
    film(folder / "single.mp4", 1)
    codec = film(folder / "whole.mp4", 5).read_bytes().replace(b"mp4v", b"zzzz")
    (folder / "whole.mp4").unlink()
    (folder / "codec.mp4").write_bytes(codec)
    for name in ("frame", "labels/walk", "nothing"):
        (folder / name).mkdir(parents=True)
    cv2.imwrite(str(folder / "frame" / "1.png"), np.zeros((64, 64, 3), np.uint8))
    shutil.copy(folder / "noise.mp4", folder / "labels" / "walk" / "noise.mp4")
    return folder


BAD = {
    "missing file": ("align good.mp4 gone.mp4", 1, "gone.mp4: no such file"),
    "a text file": ("align text.mp4 good.mp4", 1, "text.mp4: not a video"),
    "no bytes": ("align good.mp4 empty.mp4", 1, "empty.mp4: the file is empty"),
    "truncated": ("align good.mp4 cut.mp4", 1, "cut.mp4: cut off or damaged"),
    "one frame": ("align single.mp4 good.mp4", 1, "single.mp4: holds a single frame"),
    "one picture": ("align good.mp4 frame", 1, "frame: holds a single frame"),
    "a folder without frames": ("align good.mp4 nothing", 1, "nothing: holds no frames"),
    "unknown codec": ("align codec.mp4 good.mp4", 1, "codec.mp4: "),
    "an address": ("align https://example.org/a.mp4 good.mp4", 1, "download the video first"),
    "standard input": ("align - good.mp4", 1, "not read from standard input"),
    "nobody in view": ("align noise.mp4 good.mp4", 1, "noise.mp4: nobody was found"),
    "output is an input": ("align good.mp4 noise.mp4 --out good.mp4", 1, "would replace an input"),
    "json is an input": ("align good.mp4 noise.mp4 --json good.mp4", 1, "would replace an input"),
    "no output folder": ("align good.mp4 noise.mp4 --out x/y.mp4", 1, "no folder x"),
    "read-only folder": ("align good.mp4 noise.mp4 --out /proc/y.mp4", 1, "/proc"),
    "output is a folder": ("align good.mp4 noise.mp4 --out nothing", 1, "nothing"),
    "unknown container": ("align good.mp4 noise.mp4 --out y.xyz", 1, "y.xyz"),
    "one video": ("align good.mp4", 2, "name two, up to nine"),
    "no video": ("align --out y.mp4", 2, "Missing argument 'A B"),
    "unknown option": ("align good.mp4 noise.mp4 --nope", 2, "No such option: --nope"),
    "unknown choice": ("align good.mp4 noise.mp4 --onto c", 2, "'c' is not one of"),
    "unknown person": ("align good.mp4 noise.mp4 --person 0", 2, "'0' is not largest"),
    "unknown command": ("aling good.mp4 noise.mp4", 2, "No such command 'aling'"),
    "no such model": ("align good.mp4 noise.mp4 --model gone.onnx", 1, "gone.onnx: cannot read"),
    "not a model": ("align good.mp4 noise.mp4 --model text.mp4", 1, "text.mp4: not an ONNX model"),
    "not a pose model": ("align good.mp4 noise.mp4 --pose-model text.mp4", 1, "text.mp4: not a"),
    "embed a missing folder": ("embed gone", 1, "gone: no such file"),
    "embed an empty folder": ("embed nothing", 1, "nothing: holds no video"),
    "embed nothing": ("embed", 2, "name a folder, a video or a pattern"),
    "embed into a file": ("embed labels --out text.mp4", 1, "text.mp4: "),
    "no index": ("classify good.mp4 --index gone", 1, "gone: no such"),
    "index without labels": ("classify good.mp4 --index labels/walk", 1, "no sub-folder holds"),
    "index all excluded": ("classify good.mp4 --index labels --exclude *", 1, "is excluded"),
    "index not given": ("classify good.mp4", 2, "Missing option '--index'"),
    "classify a missing file": ("classify gone.mp4 --index labels", 1, "gone.mp4: no such file"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_one_line_and_leaves_nothing_behind(case, vipe, material, monkeypatch):
    command, expected, text = BAD[case]
    monkeypatch.chdir(material)
    before = sorted(material.rglob("*"))
    code, out, err = vipe(*command.split())
    assert err.startswith("vipe: "), err
    assert err.count("\n") == 1, err
    assert text in err
    assert code == expected
    assert out == ""
    assert sorted(material.rglob("*")) == before


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command, vipe):
    code, out, _ = vipe(command, "--help")
    assert code == 0
    assert f"Usage: vipe {command}" in out
    assert "Options:" in out


def test_without_arguments_the_help_is_shown(vipe):
    code, out, err = vipe()
    assert (code, out) == (2, "")
    assert all(f"\n  {command} " in err for command in COMMANDS)


def test_version(vipe):
    from vipecli import __version__

    code, out, err = vipe("--version")
    lines = out.splitlines()
    assert (code, err, lines[0]) == (0, "", f"vipe {__version__}")
    assert f" {Model.load().id}" in lines[1]
    assert [line.split()[0] for line in lines[2:]] == ["mediapipe", "onnxruntime"]


def test_help_is_written_as_people_know_it(vipe):
    _, out, _ = vipe("align", "--help")
    assert out.startswith("Usage: vipe align [OPTIONS] A B [C...]\n")
    assert "\nMatching:\n" in out and "\nOptions:\n  --help " in out
    assert "--height N " in out and "[64 to 2160]" in out
    for command in COMMANDS:
        shown = vipe(command, "--help")[1]
        assert not re.search(r"<\w|list\[|\{|[<>]=", shown), command


def test_unexpected_errors_are_one_line_and_a_trace_on_request(vipe, monkeypatch, material):
    def broken(path, recipe):
        raise RuntimeError("two\nlines")

    monkeypatch.setattr("vipecli.embedding.clip.check_clip", broken)
    code, _, err = vipe("align", "a.mp4", "b.mp4")
    assert code == 1
    assert err == "vipe: unexpected RuntimeError: two lines; VIPE_DEBUG=1 shows where\n"
    monkeypatch.setenv("VIPE_DEBUG", "1")
    assert "Traceback" in vipe("align", "a.mp4", "b.mp4")[2]


def test_interrupted(vipe, monkeypatch):
    def interrupted(path, recipe):
        raise KeyboardInterrupt

    monkeypatch.setattr("vipecli.embedding.clip.check_clip", interrupted)
    code, _, err = vipe("align", "a.mp4", "b.mp4")
    assert code == 130
    assert "Traceback" not in err


def test_the_help_imports_nothing_heavy():
    program = (
        "import sys\n"
        "from vipecli.cli.app import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'numpy', 'cv2', 'av', 'numba', 'scipy', 'mediapipe', 'onnxruntime', 'rich'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.stdout.splitlines()[-1] == "[]"


def test_an_alignment_looks_at_the_clips_before_it_loads_what_matches_them():
    program = (
        "import sys, vipecli.embedding.candidates, vipecli.engine\n"
        "from vipecli.cli.app import main\n"
        "def read_everyone(*_):\n"
        "    print(sorted({'numba', 'scipy', 'PIL'} & set(sys.modules)))\n"
        "    raise KeyboardInterrupt\n"
        "vipecli.embedding.candidates.read_everyone = read_everyone\n"
        "vipecli.engine.in_background = lambda *_: print('meanwhile')\n"
        "main(['align', *sys.argv[1:]])\n"
    )
    files = [str(CLIPS / name) for name in SQUATS]
    run = subprocess.run([sys.executable, "-c", program, *files], capture_output=True, text=True)
    assert run.stdout.splitlines() == ["meanwhile", "[]"], run.stderr


def test_python_m_vipecli_is_the_command_and_a_closed_pipe_is_no_error():
    run = f"{sys.executable} -m vipecli --help | head -n 1"
    done = subprocess.run(["bash", "-c", run], capture_output=True, text=True)
    assert done.stdout.startswith("Usage: vipe")
    assert done.stderr == ""


# --- through the real detector -------------------------------------------------------------------


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """Two labels, two views each, and a file that is no video; embedded by `vipe embed`."""
    folder = tmp_path_factory.mktemp("index")
    for name in (*SQUATS, *TOUCHES):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(CLIPS / name, folder / name)
    (folder / "squat" / "broken.mp4").write_text("no video")
    command = [sys.executable, "-m", "vipecli", "embed", str(folder), "--jobs", "2"]
    return folder, subprocess.run(command, capture_output=True, text=True)


def test_embed_goes_on_past_a_broken_file_and_lists_it(index):
    folder, done = index
    assert done.returncode == 1
    assert done.stdout == f"4 embedded, 0 were done already, in {folder / '.vipe'}\n"
    lines = done.stderr.splitlines()  # on a slow machine lines of progress come first
    assert "broken.mp4: not a video" in lines[lines.index("vipe: 1 of 5 clips failed:") + 1]
    clip = np.load(folder / ".vipe" / f"{SQUATS[0]}.npz")
    frames = len(clip["times"])
    assert clip["xy"].shape == (frames, 13, 2)
    assert clip["score"].shape == (frames, 13)
    assert clip["mean"].shape == clip["std"].shape == (frames, Model.load().dims)
    assert str(clip["model"]).startswith(default_weights().stem)


def test_embed_again_does_nothing(index, vipe):
    code, out, _ = vipe("embed", index[0])
    assert code == 1  # the broken file is still there
    assert out.startswith("0 embedded, 4 were done already")


@pytest.mark.parametrize("held_out", [*SQUATS, *TOUCHES])
def test_classify_across_views(index, vipe, held_out):
    folder, view = index[0], held_out.split("_")[-2]
    code, out, err = vipe(
        "classify", CLIPS / held_out, "--index", folder, "--exclude", f"*_{view}_*", "--json", "-"
    )
    assert code == 0, err
    result = json.loads(out)
    assert result["label"] == held_out.split("/")[0]
    assert 0.5 < result["confidence"] <= 1
    assert len(result["neighbours"]) == 2
    assert set(result["neighbours"][0]) == {
        "clip",
        "label",
        "distance",
        "score",
        "match",
        "match_probability",
    }


def test_classify_shows_a_table_and_never_matches_a_copy(index, vipe):
    code, out, err = vipe("classify", CLIPS / SQUATS[0], "--index", index[0], "-k", 1)
    assert code == 0
    assert f"{SQUATS[0]} is the clip itself and does not vote" in err
    assert out.startswith("squat  (")
    assert SQUATS[1] in out
    assert SQUATS[0] not in out


def test_align_writes_a_video_and_the_mapping(vipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    a, b = (CLIPS / name for name in JACKS)
    code, out, err = vipe("align", a, b, "--out", "synced.mp4", "--json", "map.json")
    assert (code, err) == (0, "")
    assert out.startswith("Wrote synced.mp4\nMatch ")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["map.json", "synced.mp4"]
    with av.open(str(a)) as clip, av.open("synced.mp4") as video:
        stream = video.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        length = float(stream.duration * stream.time_base)
        assert length == pytest.approx(clip.duration / av.time_base, abs=0.05)
        assert sum(1 for _ in video.decode(video=0)) == stream.frames
    mapping = json.loads(Path("map.json").read_text())
    assert mapping["inputs"] == [str(a), str(b)]
    assert set(mapping) >= {"inputs", "model", "distance", "match_probability"}
    steps = len(mapping["times_a"])
    assert steps == len(mapping["times_b"]) == len(mapping["match_probability"])
    assert _median_error_frames(mapping) <= 2


def _median_error_frames(mapping):
    """Timing error against the truth of the rendered clips, frames at 30 fps."""
    truth = json.loads((CLIPS / "truth.json").read_text())
    shown_a, shown_b = (np.array(truth[name]["source_s"]) for name in JACKS)
    frames = np.arange(len(shown_b)) / 30
    expected = np.interp(
        np.interp(mapping["times_a"], np.arange(len(shown_a)) / 30, shown_a), shown_b, frames
    )
    return np.median(np.abs(expected - mapping["times_b"])) * 30


def test_align_without_a_video_prints_only_json(vipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = vipe("align", *(CLIPS / name for name in TOUCHES), "--json", "-")
    assert code == 0
    assert json.loads(out)["distance"] > 0
    assert "Match" in err
    assert list(tmp_path.iterdir()) == []
