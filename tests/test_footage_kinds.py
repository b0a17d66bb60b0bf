"""Kinds of footage that went wrong before, each with what is right and what was given then."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from av.stream import Disposition

from tests.footage import (
    CLOSED,
    COUNT,
    FPS,
    GOP,
    HEVC,
    MPEG2,
    OPEN,
    SIZE,
    TILES,
    X264,
    Maker,
    animated,
    beside_a_preview,
    beside_no_picture,
    beside_others,
    counted,
    cut_short,
    discs,
    displayed,
    frames,
    from_the_middle,
    gif,
    in_hdr,
    joined,
    naming_another,
    number,
    numbered,
    of_constant_luminance,
    picture,
    pictures,
    png,
    seen,
    standard,
    tagged,
    trimmed,
    video,
    with_another_length,
    with_tracks,
    written,
)
from tests.footage_headers import (
    begun_later,
    bordered,
    counted_from_its_second,
    edited,
    in_avi_of_slots,
    jpeg_in_tiff,
    of_three_fields,
    photo,
    retimed,
    turned_by,
    with_aperture,
    with_pixel_crop,
    with_ticks,
)
from vipecli.errors import VideoError
from vipecli.video import container
from vipecli.video.container import FORMATS
from vipecli.video.copying import copy_part
from vipecli.video.read import probe, read_frames, read_planes, start_timecode
from vipecli.video.source import ClipSource
from vipecli.video.write import VideoWriter


@dataclass(frozen=True)
class Kind:
    """One kind of input.

    Attributes
    ----------
    make
        makes an input.
    look
        what is looked at.
    right
        what is right.
    before
        what was given before, as far as it was not the same.
    """

    make: Maker
    look: Callable[[Path], object]
    right: object
    before: object = None


# --- what is looked at ---------------------------------------------------------------------------


def first_corners(clip: Path) -> str:
    """Colours of the corners of the first picture, from both readers."""
    source = ClipSource(clip)
    shown = seen(next(iter(read_frames(source)))[1])
    assert seen(next(iter(read_planes(source)))[1].bgr()) == shown
    assert not source.remarks
    return shown


def cuts(clip: Path) -> str:
    """Whether every cut holds the frames of the whole that are not before it, to the frame."""
    whole = [(time_s, number(image)) for time_s, image in read_frames(clip)]
    assert [n for _, n in whole][: len(whole)] == [i % COUNT for i in range(len(whole))]
    for start in (0.02, 0.5, 0.51, 0.97, 1.2, 1.5, 1.93, whole[-1][0]):
        part = [(time_s, number(image)) for time_s, image in read_frames(clip, start_s=start)]
        if part != pytest.approx(np.array([w for w in whole if w[0] >= start - 1e-6])):
            return f"from {start} s: {len(part)} frames from {part[:1]}"
    return f"{len(whole)} frames, {np.diff([t for t, _ in whole]).mean():.4f} s each"


def last_third(clip: Path) -> tuple[str, bool]:
    """Step between frames, and whether a cut of the last third holds its frames."""
    whole = [(time_s, number(image)) for time_s, image in read_frames(clip)]
    part = [(time_s, number(image)) for time_s, image in read_frames(clip, start_s=whole[40][0])]
    return f"{np.diff([t for t, _ in whole]).mean():.4f} s each", part == whole[40:]


def copied(clip: Path) -> list[int]:
    """Numbers of the first pictures of a part that is copied."""
    part = clip.with_name("part.mp4")
    assert copy_part(clip, part, 0.5, 1.0)
    return [number(image) for _, image in read_frames(part)][:5]


def steps(clip: Path) -> tuple[float, float]:
    """Least and largest step between frames, seconds; pictures are in order."""
    times, numbers = zip(*((t, number(image)) for t, image in read_frames(clip)), strict=True)
    assert list(numbers) == sorted(numbers)
    return round(float(np.diff(times).min()), 4), round(float(np.diff(times).max()), 4)


def size_and_count(clip: Path) -> tuple[int, int, int]:
    """Width, height and number of the pictures."""
    info = probe(clip)
    return info.width, info.height, sum(1 for _ in read_frames(clip))


def like_standard(clip: Path) -> bool:
    """Whether pictures look as in a standard video: level within 10 %, saturation within 15 %."""
    want = standard().astype(float)
    shown = [next(iter(read_frames(clip, rgb=True)))[1].astype(float)]
    shown.append(next(iter(read_planes(clip)))[1].bgr()[..., ::-1].astype(float))

    def saturation(image: np.ndarray) -> float:
        return float((image.max(axis=-1) - image.min(axis=-1)).mean())

    return all(
        abs(image.mean() / want.mean() - 1) < 0.1
        and abs(saturation(image) / saturation(want) - 1) < 0.15
        and np.abs(image - want).mean() < 12
        for image in shown
    )


def last_disc(clip: Path) -> tuple[tuple[int, int], bool, bool]:
    """Size of the last picture, whether a disc in it is round, and whether a change is said."""
    source = ClipSource(clip)
    *_, (_, image) = read_frames(source)
    *_, (_, planes) = read_planes(source)
    sizes = []
    for shown in (image, planes.bgr()):
        y, x = np.nonzero(shown[..., 1] > 120)
        sizes.append((np.ptp(x) + 1) / (np.ptp(y) + 1))
    return (
        image.shape[1::-1],
        max(abs(s - 1) for s in sizes) < 0.08,
        any("change from" in remark for remark in source.remarks),
    )


def said(clip: Path) -> tuple[int, int | None, str]:
    """Pictures that are there, those stated, and the first words of what is said."""
    source = ClipSource(clip)
    count = sum(1 for _ in read_frames(source))
    return count, probe(clip).frames, " ".join(source.remarks)[:7]


def remarks(clip: Path) -> list[str]:
    """What is said of a clip."""
    source = ClipSource(clip)
    for _ in read_frames(source):
        pass
    return source.remarks


def places(clip: Path) -> tuple[list[int], list[int]]:
    """Numbers of the pictures of a folder, and their places on its time line."""
    shown = [(round(time_s * FPS), number(image)) for time_s, image in read_frames(clip)]
    return [n for _, n in shown], [place for place, _ in shown]


def clock(clip: Path) -> tuple[float, float, float]:
    """Rate, end that is stated, and end of the last frame."""
    info, times = probe(clip), [time_s for time_s, _ in read_frames(clip)]
    end_s = times[-1] + times[-1] - times[-2]
    return round(info.fps, 2), round(info.duration_s or 0, 2), round(end_s, 2)


def sound(clip: Path) -> int:
    """Index of the stream that is the sound."""
    with container.open_media(clip) as media:
        return media.audio.index


def refused(clip: Path) -> set[str]:
    """What the readers of pictures and sound say of a clip, without its name."""
    answers = set()
    for read in (
        probe,
        lambda path: list(read_frames(path)),
        lambda path: list(read_planes(path, start_s=0.1)),
        lambda path: with_its_sound(path),
    ):
        try:
            read(clip)
            answers.add("read")
        except VideoError as exc:
            answers.add(str(exc).removeprefix(f"{clip}: ").split(";")[0])
    assert start_timecode(clip) is None
    return answers


def with_its_sound(clip: Path) -> None:
    """Write a video with the sound of a clip."""
    out = clip.with_name("out.mp4")
    with VideoWriter(out, size=(64, 64), fps=30, audio_from=clip) as writer:
        writer.write(np.zeros((64, 64, 3), np.uint8))


# --- the kinds -----------------------------------------------------------------------------------

# Corners as a player shows them, by the matrix: counter-clockwise, then left and right exchanged.
TURNED = {0: "rgbk", 90: "gkrb", 180: "kbgr", 270: "brkg"}
FLIPPED = {0: "grkb", 90: "kgbr", 180: "bkrg", 270: "rbgk"}
# By the EXIF orientation, as Pillow's `exif_transpose`.
OLD = ["rgbk", "kbgr", "kbgr", "rgbk", "brkg", "brkg", "gkrb", "gkrb"]
SHOWN = ["rgbk", "grkb", "kbgr", "bkrg", "rbgk", "brkg", "kgbr", "gkrb"]
NOISE = list(np.random.default_rng(0).integers(0, 255, (COUNT, 96, 128, 3), np.uint8))
M2TS = {"form": "mpegts", "muxer": {"mpegts_m2ts_mode": "1"}}
LIVE = {"form": "matroska", "muxer": {"live": "1"}, "streamed": True}
ALL = f"{COUNT} frames, {1 / FPS:.4f} s each"
JOINED = f"{2 * COUNT} frames, {1 / FPS:.4f} s each"


HLS = "#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n"
DASH = (
    "xmlns='urn:mpeg:dash:schema:mpd:2011' type='static'><Period><AdaptationSet><Representation>"
    "<BaseURL>{1}</BaseURL></Representation></AdaptationSet></Period>"
)
OTHER = "refused in other words"
OPENED = {"read", "no picture in it can be decoded"}
LIST = {"a list of other files, which are not opened"}
NO_VIDEO = {"not a video that can be read (Invalid argument)"}


KINDS = {
    **{
        f"1 display matrix: {turn}{', mirrored' if flip else ''}": Kind(
            displayed(turn, flipped=flip), first_corners, (FLIPPED if flip else TURNED)[turn],
            {0: "kbgr", 90: "gkrb", 180: "rgbk", 270: "brkg"}[turn] if flip else None,
        )
        for turn in (0, 90, 180, 270) for flip in (False, True)
    },
    "1 display matrix in Matroska": Kind(
        displayed(90, flipped=True, name="phone.mkv"), first_corners, FLIPPED[90], "gkrb"
    ),
    **{
        f"1 EXIF {n} in {suffix}": Kind(
            pictures(suffix, n), first_corners, SHOWN[n - 1], OLD[n - 1]
        )
        for suffix in (".jpg", ".png", ".webp", ".tif") for n in range(1, 9)
    },
    **{
        f"1 one picture, EXIF {n} in {suffix}": Kind(
            picture(f"photo{suffix}", n), first_corners, SHOWN[n - 1], OLD[n - 1]
        )
        for suffix in (".jpg", ".png", ".webp", ".tif") for n in (2, 4, 5, 7)
    },
    "1 one picture in tiles": Kind(
        written("photo.avif", TILES), lambda clip: refused(clip) - {"read"},
        {"a picture stored in tiles, as phones write HEIC"}, "its first tile",
    ),
    "1 animated WebP": Kind(
        animated("a.webp"), lambda clip: refused(clip) - {"read"},
        {"an animated WebP, which cannot be read"}, "no picture in it can be decoded",
    ),
    "1 animated PNG": Kind(animated("a.png"), lambda clip: said(clip)[:2], (9, 9)),
    "1 turned by an odd angle": Kind(
        turned_by(30), lambda clip: said(clip)[2], "is to b", "nothing said"
    ),
    **{
        f"1 a photo, {name}": Kind(photo(name), first_corners, "rgbk", "refused")
        for name in ("a.jpg", "a.jpeg", "a.png", "a.webp", "a.tif", "a.bmp", "A.JPG")
    },
    "1 JPEG in TIFF": Kind(
        jpeg_in_tiff, lambda clip: refused(clip) - {"read"},
        {"a TIFF compressed as JPEG, which cannot be read"}, "a black picture",
    ),
    "1 clean aperture": Kind(
        with_aperture(video("a.mp4", images=bordered(), options=CLOSED)), cuts, ALL,
        "with its border",
    ),
    "1 clean aperture, its size": Kind(
        with_aperture(video("a.mp4", images=bordered(), options=CLOSED)), size_and_count,
        (*SIZE, COUNT), (160, 112, COUNT),
    ),
    "1 cropped in Matroska": Kind(
        with_pixel_crop(video("a.mkv", images=bordered(), **LIVE)), cuts, ALL, "with its border"
    ),
    "2 a gap between edits": Kind(
        edited(video("a.mp4", options=CLOSED), (0.5, 2 / 30, 1), (0.5, -1, 1), (0.5, 17 / 30, 1)),
        lambda clip: said(clip)[2], "its edi", "nothing said",
    ),
    "2 an edit that holds a frame": Kind(
        edited(video("a.mp4", options=CLOSED), (1, 2 / 30, 0), (2, 2 / 30, 1)),
        lambda clip: said(clip)[2], "its edi", "nothing said",
    ),
    "2 an edit that trims": Kind(
        edited(video("a.mp4", options=CLOSED), (1, 17 / 30, 1)), said, (30, 30, "")
    ),
    "2 bare MPEG-2 of three fields": Kind(
        of_three_fields(video("a.m2v", "mpeg2video", MPEG2)), clock, (23.92, 2.51, 2.48),
        (30, 2.5, 2),
    ),
    "2 a clock that leaps, transport stream": Kind(
        retimed("b.ts", lambda i: i if i < 30 else i + 30_000), lambda clip: said(clip)[2],
        "its tim", "nothing said",
    ),
    "2 no clock, Matroska": Kind(
        retimed("b.mkv", lambda i: 0), lambda clip: said(clip)[2], "59 of 6", "nothing said"
    ),
    "2 bare Motion JPEG": Kind(
        video("a.mjpeg", "mjpeg", form="mjpeg", pix_fmt="yuvj420p"), said,
        (COUNT, COUNT, "states "), (COUNT, COUNT, ""),
    ),
    "2 bare Motion JPEG of large pictures": Kind(
        joined("a.mjpeg", *[photo("a.jpg")] * 9), said, (9, 9, "states "), (9, 9, "")
    ),
    "2 MP4, open GOP": Kind(video("a.mp4", options=OPEN), cuts, ALL),
    "2 MP4, open GOP, HEVC": Kind(video("a.mp4", "libx265", HEVC), cuts, ALL),
    "2 transport stream": Kind(video("a.ts", options=CLOSED), cuts, ALL, "a GOP lost"),
    "2 transport stream, open GOP": Kind(video("a.ts", options=OPEN), cuts, ALL, "a GOP lost"),
    "2 transport stream, HEVC": Kind(video("a.ts", "libx265", HEVC), cuts, ALL, "a GOP lost"),
    "2 transport stream, one GOP": Kind(video("a.ts"), cuts, ALL, "all lost"),
    "2 transport stream, intra refresh": Kind(
        video("a.ts", options={"x264-params": f"intra-refresh=1:keyint={GOP}:bframes=0"}),
        cuts, ALL,
        "a GOP lost",
    ),
    "2 transport streams, joined": Kind(
        joined("a.ts", *[video("a.ts", "mpeg2video", MPEG2)] * 2), cuts, JOINED, "one part lost"
    ),
    "2 transport streams of half a second, joined": Kind(
        joined("a.ts", *[video("a.ts", images=[numbered(i) for i in range(15)])] * 2),
        lambda clip: clock(clip)[2], 1.0, 0.52,
    ),
    "2 M2TS": Kind(
        video("a.m2ts", options=CLOSED, form="mpegts", muxer={"mpegts_m2ts_mode": "1"}),
        cuts, ALL, "a GOP lost",
    ),
    "2 program stream": Kind(video("a.mpg", "mpeg2video", MPEG2), cuts, ALL, "a GOP lost"),
    "2 program stream, interlaced": Kind(
        video("a.mpg", "mpeg2video", {**MPEG2, "flags": "+ilme+ildct"}), cuts, ALL,
        "other times after a cut",
    ),
    "2 2,000 frames per second": Kind(
        video("a.mp4", options=CLOSED, fps=2000), last_third, ("0.0005 s each", True),
        ("0.0010 s each", False),
    ),
    "2 DV": Kind(
        video("a.dv", "dvvideo", images=[numbered(i, (720, 576)) for i in range(9)], fps=25),
        clock, (25, 0.36, 0.36), (60000, 0.36, 0.36),
    ),
    "2 transport stream, uneven times": Kind(
        video(
            "a.ts", options={"bf": "0"}, fps=90_000,
            times=[3000 * i + 977 * (i * i % 7) for i in range(COUNT)],
        ),
        lambda clip: 28 < clock(clip)[0] < 31, True, False,
    ),
    "2 VOB": Kind(video("a.vob", "mpeg2video", MPEG2), cuts, ALL, "a GOP lost"),
    "2 bare H.264": Kind(video("a.h264", options=OPEN), cuts, ALL, "25 frames/s, all lost"),
    "2 bare H.264, interlaced": Kind(
        video("a.h264", options={"x264-params": f"tff=1:{X264}"}), cuts, ALL, "25 frames/s"
    ),
    "2 bare HEVC": Kind(video("a.hevc", "libx265", HEVC), cuts, ALL, "25 frames/s, all lost"),
    "2 bare MPEG-2": Kind(video("a.m2v", "mpeg2video", MPEG2), cuts, ALL, "one frame late"),
    "2 AVI, open GOP": Kind(video("a.avi", options=OPEN), cuts, ALL, "other times"),
    "2 FLV": Kind(video("a.flv", options=CLOSED), cuts, ALL, "a frame lost"),
    "2 FLV from a pipe": Kind(
        video("a.flv", options=CLOSED, form="flv", streamed=True), cuts, ALL, "a frame lost"
    ),
    "2 Matroska from a pipe": Kind(
        video("a.mkv", options=CLOSED, form="matroska", streamed=True), cuts, ALL
    ),
    **{
        f"2 part of {name}": Kind(
            video(name, codec, options), copied, [15, 16, 17, 18, 19], before
        )
        for name, codec, options, before in (
            ("a.mp4", "libx264", OPEN, None),
            ("a.mkv", "libx264", OPEN, "no picture"),
            ("b.mkv", "libx265", HEVC, "no picture"),
        )
    },
    "2 MP4 in fragments": Kind(
        video("a.mp4", options=CLOSED, muxer={"movflags": "frag_keyframe+empty_moov"}), cuts, ALL
    ),
    "3 thumbnails first": Kind(
        beside_a_preview("a.mp4", size=(160, 120), every=30, default=False),
        size_and_count, (256, 192, COUNT), (160, 120, 2),
    ),
    "3 thumbnails first, marked as default": Kind(
        beside_a_preview("a.mkv", size=(256, 192), every=20, default=True),
        size_and_count, (256, 192, COUNT), (256, 192, 3),
    ),
    "3 a preview of a third of the frames first": Kind(
        beside_a_preview("a.mp4", size=(320, 240), every=3, default=True),
        size_and_count, (256, 192, COUNT), (320, 240, 20),
    ),
    "3 a small preview first": Kind(
        beside_a_preview("a.mp4", size=(48, 36), every=1, default=False),
        size_and_count, (256, 192, COUNT), (48, 36, COUNT),
    ),
    "3 a preview first, transport stream": Kind(
        beside_a_preview("a.ts", size=(128, 96), every=1, default=False),
        size_and_count, (256, 192, COUNT), (128, 96, COUNT),
    ),
    "3 a commentary first": Kind(
        with_tracks("a.mkv", (2, Disposition.comment), (2, Disposition.default)), sound, 2, 1
    ),
    "3 a short sound track first": Kind(
        with_tracks("a.mp4", (0.1, Disposition.default), (2, Disposition(0))), sound, 2, 1
    ),
    "3 sound in long packets marked as default": Kind(
        with_tracks(
            "a.mkv", (2, Disposition.default), (2, Disposition(0)), codecs=("flac", "aac")
        ),
        sound, 1, 2,
    ),
    "3 short sound of many samples first": Kind(
        with_tracks(
            "a.mov", (0.1, Disposition.default), (2, Disposition(0)), codecs=("pcm_s16le", "aac")
        ),
        sound, 2, 1,
    ),
    "4 AVI with pictures left out": Kind(
        video("a.avi", "mpeg4", images=[numbered(i) for i in range(5)], times=[0, 1, 2, 6, 7]),
        said, (5, 5, ""), (5, 8, ""),
    ),
    "4 AVI, H.264 with B-frames": Kind(
        video("a.avi", options=OPEN), steps, (0.0333, 0.0333), (0.001, 0.1)
    ),
    **{
        f"4 bare {codec} copied into {name}": Kind(
            counted(name, video(bare, codec, options)), cuts, ALL, "other times"
        )
        for name, bare, codec, options in (
            ("a.mp4", "a.h264", "libx264", OPEN), ("a.mov", "a.hevc", "libx265", HEVC),
        )
    },
    "4 MXF, H.264 with B-frames": Kind(
        video("a.mxf", options=OPEN), steps, (0.0333, 0.0333), (0.0001, 0.1)
    ),
    "4 AVI, MPEG-4 with B-frames": Kind(
        video("a.avi", "mpeg4", MPEG2), steps, (0.0333, 0.0333)
    ),
    "4 MPEG-2 copied into MOV, its first packet apart": Kind(
        counted_from_its_second("a.mov", "mpeg2video", MPEG2), cuts, ALL, "steps of 0.0001 s"
    ),
    "4 AVI of two places for each frame": Kind(in_avi_of_slots, clock, (30, 2, 2), (60, 1.98, 2)),
    "5 HLG": Kind(in_hdr("arib-std-b67"), like_standard, True, False),
    "5 PQ": Kind(in_hdr("smpte2084"), like_standard, True, False),
    **{
        f"5 {name}, only its curve stated": Kind(
            in_hdr(transfer, stated="curve"), like_standard, True, False
        )
        for name, transfer in (("HLG", "arib-std-b67"), ("PQ", "smpte2084"))
    },
    "5 PQ, stated by the container alone": Kind(
        in_hdr("smpte2084", stated="container"), like_standard, True, False
    ),
    "5 BT.2020 of constant luminance": Kind(
        of_constant_luminance(), like_standard, True, "an unexpected error"
    ),
    "5 a colour matrix that is not converted": Kind(
        video("a.mp4", options={"x264-params": "colormatrix=YCgCo"}), said,
        (COUNT, COUNT, "its col"), "an unexpected error",
    ),
    "6 upright after wide": Kind(
        discs("a.h264", (160, 90, 1), (90, 160, 1)), last_disc, ((160, 90), True, True),
        ((160, 90), False, False),
    ),
    "6 wide after upright": Kind(
        discs("a.ts", (90, 160, 1), (160, 90, 1)), last_disc, ((90, 160), True, True),
        ((90, 160), False, False),
    ),
    "6 wider pixels": Kind(
        discs("a.h264", (160, 90, 1), (160, 90, 2)), last_disc, ((160, 90), True, True),
        ((160, 90), False, False),
    ),
    "6 larger pictures": Kind(
        discs("a.h264", (160, 90, 1), (320, 180, 1)), last_disc, ((160, 90), True, True),
        ((160, 90), True, False),
    ),
    "7 sound longer than the picture": Kind(
        video("a.mkv", sound_s=6), said, (COUNT, COUNT, ""), (COUNT, 180, "cut off")
    ),
    "7 sound longer, MP4": Kind(video("a.mp4", sound_s=6), said, (COUNT, COUNT, "")),
    "7 last frame held": Kind(
        video("a.mp4", options={"bf": "0"}, held_s=5), said, (COUNT, COUNT, ""),
        (COUNT, COUNT, "cut off"),
    ),
    "7 another length stated": Kind(
        with_another_length(video("a.mkv"), 5), said, (COUNT, COUNT, ""),
        (COUNT, 5 * COUNT, "cut off"),
    ),
    "7 late start, Matroska": Kind(
        video("a.mkv", times=list(range(9000, 9060))), clock, (30, 2, 2), (30, 302, 2)
    ),
    "7 picture later than sound": Kind(
        video("a.mp4", options={"bf": "0"}, times=list(range(30, 90)), sound_s=3),
        clock, (30, 3, 3), (30, 2, 3),
    ),
    "7 trimmed by an edit list": Kind(
        trimmed(video("a.mp4", options=CLOSED), 20), said, (COUNT - 20,) * 2 + ("",),
        (COUNT - 20, COUNT, ""),
    ),
    **{
        f"7 starts within a group of pictures, {codec}": Kind(
            from_the_middle(video("a.ts", codec, options)),
            lambda clip: said(clip)[0] == said(clip)[1], True, False,
        )
        for codec, options in (("libx264", OPEN), ("libx265", HEVC), ("mpeg2video", MPEG2))
    },
    "7 AVI from a pipe": Kind(
        video("a.avi", options=CLOSED, form="avi", streamed=True), said, (COUNT, COUNT, ""),
        (COUNT, COUNT, "cut off"),
    ),
    "7 AVI from a pipe, its length": Kind(
        video("a.avi", options=CLOSED, form="avi", streamed=True), clock, (30, 2, 2),
        (30, 1314.87, 2),
    ),
    "7 the last pictures cut off, Matroska": Kind(
        cut_short(video("a.mkv", images=NOISE), 0.96), lambda clip: said(clip)[2], "cut off", ""
    ),
    "7 really cut off, MP4": Kind(
        cut_short(video("a.mp4", images=NOISE, muxer={"movflags": "faststart"}), 0.5),
        lambda clip: said(clip)[2], "cut off",
    ),
    "7 really cut off, Matroska": Kind(
        cut_short(video("a.mkv", images=NOISE), 0.5), lambda clip: said(clip)[2], "cut off"
    ),
    "7 really cut off, AVI": Kind(
        cut_short(video("a.avi", images=NOISE), 0.5), lambda clip: said(clip)[2], "cut off",
        "damaged",
    ),
    "7 cut before an open GOP, Matroska": Kind(
        begun_later("a.mkv", video("b.mp4", "libx265", HEVC), 20), said, (COUNT - 15,) * 2 + ("",),
        (COUNT - 15, COUNT - 11, ""),
    ),
    **{
        f"7 {name}, {share}": Kind(
            cut_short(video(name, codec, images=NOISE, pix_fmt=pix_fmt, **more), share),
            lambda clip: said(clip)[2], "" if share == 1 else "cut off", "",
        )
        for name, codec, pix_fmt, more in (
            ("a.gif", "gif", "rgb8", {}),
            ("a.y4m", "rawvideo", "yuv420p", {"form": "yuv4mpegpipe"}),
            ("a.ivf", "libvpx-vp9", "yuv420p", {}), ("a.ts", "libx264", "yuv420p", {}),
            ("a.m2ts", "libx264", "yuv420p", M2TS),
        )
        for share in (0.93, 1)
    },
    "7 Motion JPEG, cut": Kind(
        cut_short(video("a.mjpeg", "mjpeg", images=NOISE, form="mjpeg", pix_fmt="yuvj420p"), 0.93),
        lambda clip: "cut off" in " ".join(remarks(clip)), True, False,
    ),
    "7 a photo with a film behind it": Kind(
        joined("a.jpg", photo("a.jpg"), video("a.mp4")), remarks, [], ["cut off"]
    ),
    "7 IVF that counts ticks": Kind(
        with_ticks(video("a.ivf", "libvpx-vp9")), said, (COUNT, COUNT, ""), (COUNT, 6000, "cut off")
    ),
    "8 timecode": Kind(
        video("a.mov", setup=lambda stream: stream.metadata.update(timecode="10:20:30:15")),
        start_timecode, ("10:20:30:15", 30), "not read",
    ),
    "8 timecode in Matroska": Kind(
        tagged("a.mkv", TIMECODE="23:59:59:29"), start_timecode, ("23:59:59:29", 30), "not read"
    ),
    "8 timecode in MXF": Kind(
        tagged("a.mxf", "mpeg2video", timecode="10:20:30:15"), start_timecode,
        ("10:20:30:15", 30),
    ),
    "9 a cover among numbered frames": Kind(
        frames("cover.jpg", *(f"f_{i:02d}.png" for i in (1, 2, 3, 6, 7))), places,
        ([1, 2, 3, 4, 5], [0, 1, 2, 5, 6]), ([0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5]),
    ),
    "9 copies, and a thumbnail of another size": Kind(
        frames("1.png", "2.png", "3.png", "2 (1).png", "thumb_2.png", "4.png"), places,
        ([0, 1, 2, 5], [0, 1, 2, 3]), ([0, 3, 1, 2, 5, 4], [0, 1, 2, 3, 4, 5]),
    ),
    "9 a cover of another size, a pipe and a folder": Kind(
        beside_no_picture(frames("1.png", "2.png", "3.png", "7.png")), places,
        ([0, 1, 2, 3], [0, 1, 2, 6]), "refused, or waiting for the pipe",
    ),
    "9 two cameras": Kind(
        frames(*(f"cam{c}_{i:03d}.png" for c in (1, 2) for i in (1, 2, 4))), places,
        ([0, 1, 2], [0, 1, 3]), ([0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5]),
    ),
    "9 accents in two spellings": Kind(
        frames("é_1.png", "é_2.png", "e\u0301_3.png"), places, ([0, 1, 2],) * 2, ([0, 1],) * 2
    ),
    "9 three sequences": Kind(
        frames(*(f"{c}{i}.png" for c in "abc" for i in (1, 2, 3))), places,
        ([0, 1, 2], [0, 1, 2]), (list(range(9)), list(range(9))),
    ),
    "9 moments of a clock": Kind(
        frames(*(f"t{s}_{ms}.png" for s in (1, 2, 3) for ms in (s, 500 + s))), places,
        (list(range(6)), list(range(6))),
    ),
    "9 a gap among three frames": Kind(
        frames("f_001.png", "f_002.png", "f_004.png"), places, ([0, 1, 2], [0, 1, 3]),
        ([0, 1, 2], [0, 1, 2]),
    ),
    "9 capitals and small letters, other digits and formats": Kind(
        frames("IMG_8.PNG", "img_009.jpg", "Img_10.png", "IMG_12.JPEG"), places,
        ([0, 1, 2, 3], [0, 1, 2, 4]), ([0, 1, 2, 3], [0, 1, 2, 3]),
    ),
    "9 names without numbers": Kind(frames("a.png", "b.png", "c.png"), places, ([0, 1, 2],) * 2),
    **{
        f"22 {kind}": Kind(naming_another(name, text), refused, right, before)
        for kind, name, text, right, before in (
            ("ffconcat", "a.mp4", "ffconcat version 1.0\nfile {0}\n", LIST, OTHER),
            ("ffconcat, relative", "a.txt", "ffconcat version 1.0\nfile {1}\n", LIST, {"read"}),
            ("HLS", "a.mp4", f"#EXTM3U\n{HLS}{{0}}\n#EXT-X-ENDLIST\n", LIST, OTHER),
            ("HLS, relative", "a.m3u8", f"#EXTM3U\n{HLS}{{1}}\n#EXT-X-ENDLIST\n", LIST, {"read"}),
            ("DASH", "a.mpd", f"<?xml version='1.0'?><MPD {DASH}</MPD>", LIST, OTHER),
            ("SDP", "a.sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n", LIST, OTHER),
            ("playlist", "a.pls", "[playlist]\nFile1={1}\n", LIST, "read as text"),
            ("VobSub", "a.idx", "# VobSub index file, v7\nid: en, index: 0\n", NO_VIDEO, OTHER),
        )
    },
    "22 pattern of a sequence": Kind(beside_others("%03d.png"), refused, NO_VIDEO, OPENED),
    "22 wildcard of a sequence": Kind(beside_others("*.png"), refused, NO_VIDEO, OPENED),
    "23 PNG of 3,600 million pixels": Kind(
        png(60000, 60000), lambda clip: refused(clip) - {"read"},
        {"its picture is too large (limit: 52 million pixels)"},
        {"no picture in it can be decoded"},
    ),
    "23 GIF of 44 bytes a picture": Kind(
        gif(8000, 8000), lambda clip: refused(clip) - {"read"},
        {"pictures of 8000 x 8000 pixels are too large (limit: 17 million)"}, set(),
    ),
}  # fmt: skip


def test_no_demuxer_that_opens_other_files_is_allowed():
    others = "concat hls dash sdp rtp rtsp sap image2 image2pipe imf lavfi vobsub mpsub tty alsa"
    others += " webm_dash_manifest x11grab fbdev kmsgrab v4l2 ffmetadata concatf"
    assert not {*FORMATS, *container.PICTURES.values()} & set(others.split())
    assert all(name.endswith("_pipe") for name in container.PICTURES.values())


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
@pytest.mark.filterwarnings("ignore::vipecli.errors.VideoWarning")
def test_kind(kind, tmp_path):
    assert kind.look(kind.make(tmp_path)) == kind.right
