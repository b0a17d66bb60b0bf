"""`vipe align`: two clips of one movement on one time base."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vipecli.cli.options import Json, Person, PoseModel, Weights

if TYPE_CHECKING:
    from vipecli.align import Alignment
    from vipecli.clip import Recipe
    from vipecli.embed import Embeddings
    from vipecli.poses import Poses

DEFAULT_OUT = Path("synced.mp4")
TELL_S = 0.2  # shorter stretches without a counterpart are only in the JSON, seconds


class Onto(str, Enum):
    """Whose time the synchronised video keeps."""

    A = "a"
    B = "b"
    BOTH = "both"


class Ends(str, Enum):
    """Whether one clip may show more than the other at its ends."""

    AUTO = "auto"
    OPEN = "open"
    CLOSED = "closed"


class Mirror(str, Enum):
    """Whether b is taken as a mirror shows it."""

    AUTO = "auto"
    YES = "yes"
    NO = "no"


class Audio(str, Enum):
    """Whose sound the synchronised video keeps."""

    A = "a"
    B = "b"
    NONE = "none"


def align(
    a: Annotated[Path, typer.Argument(metavar="A", help="Video, or folder of frames.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="The other one.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Video with both side by side.  "
            f"[default: {DEFAULT_OUT}; none with --json or --report]",
        ),
    ] = None,
    onto: Annotated[
        Onto, typer.Option(help="Whose time to keep: b is warped onto a, a onto b, or each a bit.")
    ] = Onto.A,
    ends: Annotated[
        Ends,
        typer.Option(
            help="closed: the clips start and end together; open: they may not; auto: as it looks."
        ),
    ] = Ends.AUTO,
    mirror: Annotated[
        Mirror,
        typer.Option(
            help="Take b mirrored, left-handed for right-handed; auto: where that fits better."
        ),
    ] = Mirror.NO,
    smooth: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="Window of the time map: more is steadier, less follows faster.  [default: 0.45]",
        ),
    ] = None,
    offset: Annotated[
        bool, typer.Option("--offset", help="One event, several cameras: one constant shift.")
    ] = False,
    drift: Annotated[
        bool, typer.Option("--drift", help="As --offset, and clocks that run at two rates.")
    ] = False,
    every: Annotated[
        bool,
        typer.Option("--all", help="Find every repetition of A in B; --out shows the nearest one."),
    ] = False,
    skeleton: Annotated[bool, typer.Option(help="Draw the joints that were found.")] = True,
    audio: Annotated[Audio, typer.Option(help="Whose sound to keep.")] = Audio.A,
    height: Annotated[
        int | None,
        typer.Option(min=64, max=2160, help="Pixels.  [default: of the larger clip, up to 1080]"),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Page (.html) with both clips in step, distances, path and speed."
        ),
    ] = None,
    json: Json = None,
    person: Person = "largest",
    pose_model: PoseModel = None,
    weights: Weights = None,
) -> None:
    """Play two clips of one movement in step, side by side.

    The cameras may stand anywhere. Writes an H.264 video, with B warped onto the time of A, and
    tells where B runs faster or slower than A.
    """
    from vipecli.cli.console import check_json, progress_bars, write_json
    from vipecli.clip import Recipe, check_clip, read_clips
    from vipecli.errors import NoPoseError
    from vipecli.files import check_output
    from vipecli.outputs.synced import check_container, write_synced

    out = out or (None if json or every or report else DEFAULT_OUT)
    if every and (offset or drift):
        raise typer.BadParameter("--all and --offset or --drift exclude each other")
    infos = [check_clip(path) for path in (a, b)]
    if out:
        check_container(out)
        check_output(out, a, b)
    if report:
        from vipecli.outputs.report import check_page

        check_page(report, a, b, *([out] if out else []))
    check_json(json, a, b, *(path for path in (out, report) if path))
    recipe = Recipe(person=person, pose_model=pose_model, weights=weights)
    with progress_bars() as bars:
        tasks = [
            bars.add_task(f"poses of {info.path.name}", total=info.frames, unit="frames")
            for info in infos
        ]
        (poses_a, embeddings_a), (poses_b, embeddings_b) = read_clips(
            (a, b), recipe, lambda clip, steps: bars.advance(tasks[clip], steps)
        )
        found = _match(
            (poses_a, embeddings_a),
            (poses_b, embeddings_b),
            recipe,
            ends=ends.value,
            mirror=mirror,
            every=every,
            clock="drift" if drift else "offset" if offset else None,
        )
        if found.alignment is None:
            raise NoPoseError(f"{b}: shows nothing like {a}; `vipe align` without --all tells more")
        alignment = found.alignment
        if smooth is not None:
            alignment = replace(alignment, smooth_s=smooth)
        if out:
            writing = bars.add_task(f"writing {out.name}", total=None, unit="frames")
            write_synced(
                alignment,
                a,
                b,
                poses_a,
                poses_b,
                out,
                onto=onto.value,
                skeleton=skeleton,
                audio=audio.value,
                height=height,
                progress=lambda done, total: bars.update(writing, completed=done, total=total),
            )
        if report:
            writing = bars.add_task(f"writing {report.name}", total=None, unit="frames")
            _write_page(
                replace(found, alignment=alignment),
                (a, poses_a, embeddings_a),
                (b, poses_b, embeddings_b),
                report,
                recipe,
                onto=onto.value,
                progress=lambda done, total: bars.update(writing, completed=done, total=total),
            )
    if json:
        write_json(mapping(alignment, a, b) | found.more, json)
    written = [path for path in (out, report) if path]
    _report(alignment, found, {"a": poses_a, "b": poses_b}, written, to_stderr=json == Path("-"))


@dataclass
class _Found:
    """What is shown (None = nothing), and what goes into the JSON beside the mapping."""

    alignment: "Alignment | None"
    more: dict[str, Any]
    lines: list[str]


def _match(
    a: "tuple[Poses, Embeddings]",
    b: "tuple[Poses, Embeddings]",
    recipe: "Recipe",
    *,
    ends: str,
    mirror: Mirror,
    every: bool,
    clock: str | None,
) -> _Found:
    """Match two clips in the way that was asked for."""
    from vipecli.align import align as align_embeddings
    from vipecli.embed import embed
    from vipecli.matching import DIFFERENT, align_either_side, mirrored, same_action

    if clock:
        return _match_clocks(a[1], b[1], drift=clock == "drift")
    side = b[1]
    if mirror is not Mirror.NO:
        side = embed(mirrored(b[0]), recipe.load_model())
    if mirror is Mirror.AUTO:
        alignment, flipped = align_either_side(a[1], b[1], side, ends=ends)
        side = side if flipped else b[1]
    else:
        alignment = align_embeddings(a[1], side, ends=ends)
    is_mirrored = side is not b[1]
    lines = ["  b is taken mirrored, its left for its right (--mirror no: as it is)"]
    lines = lines if is_mirrored else []
    if every:
        return _match_all(a[1], side, {"mirrored": is_mirrored}, lines)
    score = round(same_action(a[1], side), 4)
    if score < DIFFERENT:
        lines.append(f"  these look like two different actions (same action: {score:.0%})")
    lines += _speeds(alignment)
    return _Found(alignment, {"mirrored": is_mirrored, "same_action": score}, lines)


def _match_clocks(a: "Embeddings", b: "Embeddings", *, drift: bool) -> _Found:
    """Find a constant shift, or a shift and a rate."""
    from vipecli.offset import alignment_at, find_offset

    shift = find_offset(a, b, drift=drift)
    rate = "" if shift.rate == 1 else f"{shift.rate:.4f} x "
    more = {
        "offset_s": round(shift.shift_s, 6),
        "rate": round(shift.rate, 6),
        "overlap_s": round(shift.overlap_s, 6),
    }
    line = f"  time in b = {rate}time in a {shift.shift_s:+.3f} s"
    return _Found(alignment_at(a, b, shift), more, [line])


def _match_all(a: "Embeddings", b: "Embeddings", more: dict[str, Any], lines: list[str]) -> _Found:
    """Find every repetition of a in b; the nearest is shown."""
    from vipecli.repeats import find_all

    parts = find_all(a, b)
    lines = [f"  a {len(parts)}x in b", *lines]
    lines += [
        f"  b {part.times_b[0]:6.2f} - {part.times_b[-1]:.2f} s   distance {part.cost:.2f}"
        for part in parts
    ]
    repetitions = [
        {
            "start_s": round(float(part.times_b[0]), 6),
            "end_s": round(float(part.times_b[-1]), 6),
            "distance": round(part.cost, 6),
            **_steps(part),
        }
        for part in parts
    ]
    best = min(parts, key=lambda part: part.cost, default=None)
    return _Found(best, more | {"repetitions": repetitions}, lines)


def _write_page(
    found: _Found,
    a: "tuple[Path, Poses, Embeddings]",
    b: "tuple[Path, Poses, Embeddings]",
    out: Path,
    recipe: "Recipe",
    *,
    onto: str,
    progress: Callable[[int, int], object],
) -> None:
    """Write the page of an alignment, with the warnings and figures that go with it."""
    from vipecli.embed import embed
    from vipecli.matching import DIFFERENT, mirrored
    from vipecli.outputs.report import Side, Words, write_report

    alignment, more = found.alignment, found.more
    is_mirrored, score = more.get("mirrored", False), more.get("same_action")
    if is_mirrored:
        b = (b[0], b[1], embed(mirrored(b[1]), recipe.load_model()))
    units = {"offset_s": " s", "rate": "", "overlap_s": " s"}
    facts = [(key.split("_")[0], f"{more[key]:.6g}{units[key]}") for key in units if key in more]
    if "repetitions" in more:
        facts.append(("repetitions of A in B", str(len(more["repetitions"]))))
    facts += [] if score is None else [("same action", f"{score:.0%}")]
    warnings = ["These look like two different actions."] * (
        score is not None and score < DIFFERENT
    )
    summary = f"Match {alignment.similarity.mean():.0%} on average"
    words = Words(
        summary=summary + (", B is taken mirrored" if is_mirrored else ""),
        warnings=tuple(warnings),
        facts=tuple(facts),
    )
    sides = Side(*a), Side(*b)
    write_report(
        alignment, *sides, out, onto=onto, mirrored=is_mirrored, words=words, progress=progress
    )


def _speeds(alignment: "Alignment") -> list[str]:
    """Tell where b runs faster or slower than a."""
    from vipecli.align import speed

    return [
        f"  a {part.start_s:6.2f} - {part.end_s:.2f} s   b {_in_words(part.ratio)}"
        for part in speed(alignment)
    ]


def mapping(alignment: "Alignment", a: Path, b: Path) -> dict[str, Any]:
    """Return the time mapping as plain lists and numbers; times in seconds."""
    return {
        "inputs": [str(a), str(b)],
        "model": alignment.model,
        "distance": round(alignment.cost, 6),
        "unmatched": [
            {"clip": span.clip, "start_s": round(span.start_s, 6), "end_s": round(span.end_s, 6)}
            for span in alignment.unmatched
        ],
        **_steps(alignment),
    }


def _steps(alignment: "Alignment") -> dict[str, list[float]]:
    """Return the steps of the path."""
    return {
        "times_a": alignment.times_a.round(6).tolist(),
        "times_b": alignment.times_b.round(6).tolist(),
        "match_probability": alignment.match_probability.round(4).astype(float).tolist(),
    }


def _report(
    alignment: "Alignment",
    found: _Found,
    poses: dict[str, "Poses"],
    written: list[Path],
    *,
    to_stderr: bool,
) -> None:
    """Print what came out: match, speeds, and what could not be seen."""
    from vipecli.poses import missing_spans

    lines = [f"Wrote {path}" for path in written]
    mean = alignment.similarity.mean()
    lines.append(f"Match {mean:.0%} on average, distance {alignment.cost:.2f}")
    lines += found.lines
    lines += [
        f"  {span.clip} {span.start_s:6.2f} - {span.end_s:.2f} s   not in {'ba'[span.clip == 'b']}"
        for span in alignment.unmatched
        if span.end_s - span.start_s >= TELL_S
    ]
    lines += [
        f"  nobody seen in {name} from {start:.2f} to {end:.2f} s"
        for name, clip in poses.items()
        for start, end in missing_spans(clip)
    ]
    for line in lines:
        typer.echo(line, err=to_stderr)


def _in_words(ratio: float) -> str:
    """Say how the speed of b compares with that of a; `speed` gives 16 at most."""
    if ratio >= 16:
        return "stays at one moment"
    if 1 / 1.07 < ratio < 1.07:
        return "as fast as a"
    return f"{ratio:.1f}x faster" if ratio > 1 else f"{1 / ratio:.1f}x slower"
