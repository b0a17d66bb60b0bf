"""Every odd or broken input that we could think of, through the command line.

The detector is replaced by one that sees somebody in every picture: what is tested is what is
read, what is said, the exit code, and that nothing is left behind.
"""

from dataclasses import dataclass

import numpy as np
import pytest

from tests import odd
from tests.media import corner, number
from vipecli.cli.app import main
from vipecli.embedding.done_list import DONE
from vipecli.embedding.embed import Model
from vipecli.errors import WeightsError
from vipecli.poses.detection.blazepose import BlazePose
from vipecli.poses.tracking import SEEN, XY

RNG = np.random.default_rng(0)
BODY = np.zeros((33, 7), np.float32)
BODY[:, XY], BODY[:, SEEN] = RNG.uniform(0.2, 0.8, (33, 2)), 0.9


@dataclass(frozen=True)
class Read:
    """A file that is read.

    Attributes
    ----------
    frames, size, times
        what the file of `vipe embed` holds; times are the first few, in seconds.
    says
        part of what standard error tells; empty = it tells nothing.
    red
        (row, column) of the upright picture's red quarter, 0 or 1 each; None = pictures that
        tell their number from 0 on.
    """

    frames: int = 10
    size: tuple[int, int] = (96, 64)
    times: tuple[float, ...] = (0, 0.04, 0.08)
    says: str = ""
    red: tuple[int, int] | None = None
    numbered: bool = True


# --- what is read -------------------------------------------------------------------------------

FRAGMENTS = {"movflags": "frag_keyframe+empty_moov"}
READ = {
    "upright": (odd.video(), Read()),
    "rotated by 90": (odd.turned(90), Read(size=(64, 96), red=(1, 0))),
    "rotated by 180": (odd.turned(180), Read(red=(1, 1))),
    "rotated by 270": (odd.turned(270), Read(size=(64, 96), red=(0, 1))),
    "variable frame rate": (
        odd.video(times_ms=[0, 33, 90, 500]),
        Read(4, times=(0, 0.033, 0.09, 0.5)),
    ),
    "a pause of a minute": (odd.video(times_ms=[0, 40, 60000]), Read(3, times=(0, 0.04, 60))),
    "picture after sound": (
        odd.video("late.mkv", range(500, 900, 40), audio="aac", audio_s=1.0),
        Read(times=(0.5, 0.54)),
    ),
    "stream that starts late": (odd.video("clip.ts"), Read()),
    "240 frames per second": (
        odd.video(times_ms=[round(i * 1000 / 240) for i in range(24)], images=[corner()] * 24),
        Read(24, times=(0, 0.004, 0.008, 0.013), red=(0, 0)),
    ),
    "one frame per second": (odd.video(times_ms=range(0, 5000, 1000)), Read(5, times=(0, 1, 2))),
    "HEVC": (odd.video(codec="libx265"), Read()),
    "HEVC, 10 bit": (odd.video(codec="libx265", pix_fmt="yuv420p10le"), Read()),
    "VP9": (odd.video("clip.webm", codec="libvpx-vp9"), Read()),
    "VP9 with alpha": (odd.video("clip.webm", codec="libvpx-vp9", pix_fmt="yuva420p"), Read()),
    "AV1": (odd.video(codec="libsvtav1"), Read()),
    "H.264, 10 bit": (odd.video(pix_fmt="yuv420p10le"), Read()),
    "H.264, 4:4:4": (odd.video(pix_fmt="yuv444p"), Read()),
    "ProRes with alpha": (odd.video("c.mov", codec="prores_ks", pix_fmt="yuva444p10le"), Read()),
    "PNG with alpha": (odd.video("c.mov", codec="png", pix_fmt="rgba"), Read()),
    "Motion JPEG": (odd.video("c.avi", codec="mjpeg", pix_fmt="yuvj420p"), Read()),
    "Windows Media": (odd.video("c.wmv", codec="wmv2"), Read()),
    "Flash": (odd.video("c.flv", codec="flv1"), Read()),
    "grey": (odd.video("c.mkv", codec="ffv1", pix_fmt="gray"), Read()),
    "GIF": (odd.video("c.gif", codec="gif", pix_fmt="rgb8"), Read()),
    "animated PNG": (odd.video("c.apng", codec="apng", pix_fmt="rgb24"), Read()),
    "bare H.264": (odd.video("c.h264"), Read()),
    "interlaced": (odd.interlaced, Read(numbered=False)),
    "odd size": (
        odd.video("c.mkv", size=(45, 37), codec="ffv1", pix_fmt="bgr0"),
        Read(size=(45, 37)),
    ),
    "16 x 16": (odd.video(size=(16, 16)), Read(size=(16, 16))),
    "4K": (
        odd.video("c.avi", [0, 40], size=(3840, 2160), codec="mjpeg", pix_fmt="yuvj420p"),
        Read(2, (3840, 2160), (0, 0.04)),
    ),
    "pixels that are not square": (odd.wide_pixels, Read(size=(128, 64))),
    "fragments": (odd.video(options=FRAGMENTS), Read()),
    "no index, cut in the middle": (
        odd.noise_cut_short("cut.mkv", 0.6),
        Read(0, times=(0,), says="cut.mkv: cut off; read 2.", numbered=False),
    ),
    "index first, cut in the middle": (
        odd.noise_cut_short("cut.mp4", 0.6),
        Read(0, times=(0,), says="cut.mp4: cut off; read 2.", numbered=False),
    ),
    "a hole in the middle": (
        odd.hole,
        Read(0, times=(0, 0.04), says="clip.ts: damaged in ", red=(0, 0)),
    ),
    "a cover beside the video": (lambda folder: odd.with_a_cover(folder, moving=True), Read()),
    "wrong extension": (odd.renamed(odd.video(), "clip.avi"), Read()),
    "extension of a text": (odd.renamed(odd.video(), "clip.txt"), Read()),
    "capital extension": (odd.renamed(odd.video(), "CLIP.MP4"), Read()),
    "no extension": (odd.renamed(odd.video(), "clip"), Read()),
    "spaces and unicode": (odd.renamed(odd.video(), "Ünï — 跳ぶ 🤸 (1).mp4"), Read()),
    "percent and brackets": (odd.renamed(odd.video(), "a%03d[1]*?.mp4"), Read()),
    "a name like an address": (odd.renamed(odd.video(), "http:x.mp4"), Read()),
    "a name like an option": (odd.renamed(odd.video(), "-x.mp4"), Read()),
    "quotes and a line break": (odd.renamed(odd.video(), "a'\"\n$(b).mp4"), Read()),
    "a link": (odd.linked, Read()),
    "frames": (odd.frames("1.png", "2.png", "10.png"), Read(3, times=(0, 1 / 30, 2 / 30))),
    "frames with gaps": (
        odd.frames("f_01.png", "f_02.png", "f_03.png", "f_07.png", "f_08.png"),
        Read(5, times=(0, 1 / 30, 2 / 30, 6 / 30, 7 / 30), says="frames: 3 frames are missing"),
    ),
    "every fifth frame": (
        odd.frames("0.png", "5.png", "10.png", "15.png"), Read(4, times=(0, 1 / 30, 2 / 30))
    ),
    "a damaged frame": (
        odd.damaged_frame, Read(3, times=(0, 2 / 30, 3 / 30), says="1 of 4 frames", numbered=False)
    ),
    "grey frames": (odd.frames("1.png", "2.png", mode="L"), Read(2, times=(0, 1 / 30))),
    "frames with alpha": (odd.frames("1.png", "2.png", mode="RGBA"), Read(2, times=(0, 1 / 30))),
    "frames with a palette": (odd.frames("1.bmp", "2.bmp", mode="P"), Read(2, times=(0, 1 / 30))),
    "frames of 16 bit": (odd.deep_frames, Read(3, times=(0, 1 / 30))),
    "frames turned by EXIF": (
        odd.frames_from_a_phone, Read(3, (64, 96), (0, 1 / 30), red=(0, 1))
    ),
}  # fmt: skip


# --- what is refused ----------------------------------------------------------------------------

PLAYLIST = b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n"
SDP = b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n"
CONCAT = b"ffconcat version 1.0\nfile /etc/passwd\n"
ARGUMENTS = {  # command lines; {} stands for what the maker made, if there is one
    "no bytes": ("embed {}", odd.bytes_named("empty.mp4", b""), 1, "empty.mp4: the file is empty"),
    "a text": ("embed {}", odd.bytes_named("text.mp4", b"no video\n" * 99), 1, "not a video"),
    "a document": ("embed {}", odd.bytes_named("a.mp4", b"%PDF-1.7\n" * 99), 1, "not a video"),
    "zeros": ("embed {}", odd.bytes_named("a.mp4", bytes(5000)), 1, "a.mp4: "),
    "a playlist": ("embed {}", odd.bytes_named("a.mp4", PLAYLIST), 1, "a.mp4: "),
    "an invitation to listen": ("embed {}", odd.bytes_named("a.sdp", SDP), 1, "a.sdp: "),
    "a list of other files": ("embed {}", odd.bytes_named("a.mp4", CONCAT), 1, "a.mp4: "),
    "no index at all": ("embed {}", odd.no_index, 1, "index is missing, so nothing can be read"),
    "unknown codec": ("embed {}", odd.unknown_codec, 1, "codec.mp4: "),
    "a header that asks for gigabytes": ("embed {}", odd.huge_gif, 1, "too large"),
    "one frame": ("embed {}", odd.video(times_ms=[0]), 1, "holds a single frame"),
    "a picture": ("embed {}/1.png", odd.frames("1.png"), 1, "holds a single frame"),
    "only sound": (
        "embed {}", lambda folder: odd.with_a_cover(folder, moving=False), 1, "only sound or text"
    ),
    "an empty folder": ("embed {}", odd.empty_folder, 1, "nothing: holds no video"),
    "an empty folder as a clip": ("align {} {}", odd.empty_folder, 1, "nothing: holds no frames"),
    "frames of two sizes": ("align {} {}", odd.unequal_frames, 1, "3.png: 50 x 50 pixels"),
    "a pipe": ("embed {}", odd.pipe, 1, "pipe.mp4: neither a file nor a folder"),
    "a device": ("embed /dev/zero", None, 1, "/dev/zero: neither a file nor a folder"),
    "a loop of links": ("embed {}", odd.loop, 1, "a.mp4: a link that leads to no file"),
    "a link to nothing": ("embed {}", odd.dangling, 1, "link.mp4: a link that leads to no file"),
    "no permission": ("embed {}", odd.forbidden, 1, "secret.mp4: cannot be read (Permission"),
    "a name that is too long": ("embed " + 300 * "x", None, 1, "File name too long"),
    "a missing file": ("align {} gone.mp4", odd.video(), 1, "gone.mp4: no such file or folder"),
    "a missing folder": ("embed gone", None, 1, "gone: no such file or folder"),
    "an address": ("align {} https://example.org/a.mp4", odd.video(), 1, "download the video"),
    "a camera's address": ("embed rtsp://example.org/a", None, 1, "download the video first"),
    "a file's address": ("embed file:///tmp/a.mp4", None, 1, "without file://"),
    "an address as index": ("classify {} --index http://a.b/c", odd.video(), 1, "http://a.b/c: "),
    "standard input": ("align - {}", odd.video(), 1, "-: videos are not read from standard input"),
    "standard input, embedded": ("embed -", None, 1, "not read from standard input"),
    "output is the input": ("align {} {} --out clip.mp4", odd.video(), 1, "would replace an input"),
    "output leads to the input": ("align {} {} --out real.mp4", odd.linked, 1, "replace an input"),
    "output in no folder": ("align {} {} --out x/y.mp4", odd.video(), 1, "there is no folder x"),
    "output is a folder": ("align {} {} --json .", odd.video(), 1, ".: this is a folder"),
    "output of unknown kind": ("align {} {} --out y.xyz", odd.video(), 1, "y.xyz"),
    "output where none may be": ("align {} {} --out /proc/y.mp4", odd.video(), 1, "/proc: cannot"),
    "files into a file": ("embed {} --out clip.mp4", odd.video(), 1, "clip.mp4: "),
    "no number of processes": ("embed {} --jobs 0", odd.video(), 2, "--jobs"),
    "nobody of that name": ("embed {} --person tallest", odd.video(), 2, "tallest"),
    "more people than there are": ("embed {} --person 2", odd.video(), 1, "only 1 was found"),
    "no archive": ("classify {0} --index {0}", odd.not_archive, 1, "poses.npz"),
}  # fmt: skip


# --- the table -----------------------------------------------------------------------------------


@pytest.fixture
def vipe(capfd, monkeypatch, tmp_path):
    """Run the command line in a folder of its own; also collects the pictures it looked at."""
    monkeypatch.chdir(tmp_path)
    for name in ("VIPE_DEBUG", "VIPE_MODEL", "VIPE_POSE_MODEL"):
        monkeypatch.delenv(name, raising=False)
    pictures = []

    def somebody(self, rgb, time_s, size):
        pictures.append(rgb)
        person = BODY.copy()
        person[:, XY] *= size
        return [person]

    monkeypatch.setattr(BlazePose, "people", somebody)

    def run(*args):
        with pytest.raises(SystemExit) as left:
            main([str(arg) for arg in args])
        return left.value.code, *capfd.readouterr(), pictures

    return run


def left_behind(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir())


@pytest.mark.parametrize("case", READ)
def test_odd_input_is_read(case, vipe, tmp_path, capfd):
    make, expected = READ[case]
    path = make(tmp_path)
    capfd.readouterr()  # what the encoders told
    before = left_behind(tmp_path)
    folder_of_frames = path.is_dir()
    code, _, err, pictures = vipe("embed", "--out", "out", "--", path.name)
    assert (code, err.count("\n")) == (0, bool(expected.says)), err
    assert expected.says in err
    files = [name for name in left_behind(tmp_path) if name not in [*before, f"out/{DONE}"]]
    assert len(files) == 1
    clip = np.load(tmp_path / files[0])
    seen = len(clip["times"])
    assert seen == expected.frames if expected.frames else 10 < seen < 90
    assert clip["times"][: len(expected.times)] == pytest.approx(expected.times, abs=2e-3)
    assert (np.diff(clip["times"]) > 0).all()
    assert tuple(clip["size"]) == expected.size
    assert folder_of_frames or str(clip["source"]) == path.name
    if expected.red:
        quarters = [[pictures[0][y, x, 0] for x in (8, -8)] for y in (8, -8)]
        assert np.unravel_index(np.argmax(quarters), (2, 2)) == expected.red
    elif expected.numbered:
        numbers = np.array([number(picture) for picture in pictures])
        assert np.abs(numbers - np.arange(seen)).max() <= 1


@pytest.mark.parametrize("case", ARGUMENTS)
def test_bad_input_gets_one_line_and_leaves_nothing_behind(case, vipe, tmp_path, capfd):
    command, make, expected, message = ARGUMENTS[case]
    name = make(tmp_path).name if make else ""
    capfd.readouterr()
    before = left_behind(tmp_path)
    code, _, err, _ = vipe(*command.format(name, name).split(" "))
    assert code == expected, err
    assert message in err
    assert "Traceback" not in err
    lines = err.splitlines()
    assert all(line.startswith("vipe: ") for line in lines), err
    assert len(lines) == (2 if lines[0].endswith("failed:") else 1), err
    assert left_behind(tmp_path) == before


def test_interlaced_pictures_have_no_combs(vipe, tmp_path):
    odd.interlaced(tmp_path)
    pictures = vipe("embed", "tape.mp4")[-1]
    for i, picture in enumerate(pictures[1:], 1):
        lines = picture[8:56, :, 0].astype(int)
        assert np.abs(lines[1:-1] - (lines[:-2] + lines[2:]) / 2).mean() < 8, i


def test_a_file_that_is_no_model_is_refused(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"\x00" * 100)
    for path in (tmp_path / "m.onnx", tmp_path / "missing.onnx"):
        with pytest.raises(WeightsError, match=path.name):
            Model.load(path)
