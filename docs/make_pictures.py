"""Make the pictures of README and docs: python -m docs.make_pictures.

Every picture is what a command wrote, or a frame of it, made smaller.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import av
from PIL import Image

from benchmarks.repetitions import make_clip
from vipecli.poses.formats import save_poses

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "pictures"
CLIPS = ROOT / "examples" / "clips"
WIDTH_PX, QUALITY = 1000, 82

ADA, BEN = CLIPS / "squat" / "squat_000_ada.mp4", CLIPS / "squat" / "squat_120_ben.mp4"
CLEO, DAN = (
    CLIPS / "toe_touch" / "toetouch_000_cleo.mp4",
    CLIPS / "toe_touch" / "toetouch_120_dan.mp4",
)
GINA, HUGO = (CLIPS / "golf_swing" / f"golfswing_{name}.mp4" for name in ("060_gina", "300_hugo"))
EVA, FINN = (
    CLIPS / "jumping_jack" / "jumpingjack_000_eva.mp4",
    CLIPS / "jumping_jack" / "jumpingjack_120_finn.mp4",
)

SET, SET_SEED = "squats.npz", 1016  # squats made by rule

COMMANDS = {
    # picture: the file that the command writes, the command, and the moment of a video
    "align": ("out.mp4", ["align", ADA, BEN, "--out"], 0.5),
    "overlay": ("out.mp4", ["align", ADA, BEN, "--style", "overlay", "--out"], 0.45),
    "strobe": ("out.mp4", ["align", GINA, HUGO, "--style", "strobe", "--out"], 0.95),
    "wall": ("out.mp4", ["align", ADA, BEN, CLEO, DAN, "--height", "360", "--out"], 0.5),
    "path": ("out.png", ["align", ADA, BEN, "--plot"], None),
    "compare": ("out.png", ["compare", ADA, BEN, "--plot"], None),
    "reps": ("out.png", ["reps", "SET", "--plot"], None),
    "live": (
        "out.mp4",
        ["live", "--reference", EVA, "--source", FINN, "--no-window", "--record"],
        0.6,
    ),
    "explain": (
        "out.mp4",
        ["classify", BEN, "--index", "CLIPS", "--exclude", "*_120_*", "--explain"],
        0.5,
    ),
    "search": (
        "out.png",
        ["search", f"{CLEO}@1.6", "--index", "CLIPS", "--top", "8", "--sheet"],
        None,
    ),
    "lift": ("out.mp4", ["lift", BEN, "--out", "out.npz", "--preview"], 0.6),
    "predict": ("out.mp4", ["predict", BEN, "--at", "1.6", "--samples", "3", "--preview"], 0.78),
    "generate": ("out.png", ["generate", f"{ADA}@2.3", "-n", "8", "--seed", "1", "--out"], None),
    "people": ("out.png", ["poses", ADA, "--list", "--out"], None),
}


def main() -> None:
    """Make all pictures, or those that are named."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        clips = Path(folder) / "clips"
        shutil.copytree(CLIPS, clips)
        save_poses(make_clip(SET_SEED).poses, Path(folder) / SET)
        for name in sys.argv[1:] or COMMANDS:
            _make(name, Path(folder), clips)


def _make(name: str, folder: Path, clips: Path) -> None:
    written, command, moment = COMMANDS[name]
    places = {"CLIPS": clips, "SET": folder / SET}
    words = [str(places.get(word, word)) for word in command]
    run = [sys.executable, "-m", "vipecli", *words, str(folder / written)]
    subprocess.run(run, check=True, cwd=folder, stdout=subprocess.DEVNULL)
    image = _frame(folder / written, moment) if moment else Image.open(folder / written)
    image = image.convert("RGB")
    image.thumbnail((WIDTH_PX, 4 * WIDTH_PX))
    image.save(PICTURES / f"{name}.jpg", quality=QUALITY, optimize=True)


def _frame(path: Path, moment: float) -> Image.Image:
    """Frame at a share of a video's length."""
    with av.open(str(path)) as container:
        frames = [frame.to_image() for frame in container.decode(video=0)]
    return frames[int(moment * len(frames))]


if __name__ == "__main__":
    main()
