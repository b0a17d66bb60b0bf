import pyarrow
import pytest
from pyarrow import parquet

from tests.bodies import seen, waving
from vipecli.embedding.clip_list import is_pattern, listed_slots, matches, read_list
from vipecli.errors import FormatError, VideoError
from vipecli.poses.formats import save_poses


@pytest.fixture
def folder(tmp_path):
    """Four keypoint files in two folders."""
    for name in ("a/1.json", "a/2.json", "b/1.json", "b/deep/3.json"):
        path = tmp_path / "clips" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        save_poses([seen(waving(12))], path, format="coco")
    return tmp_path / "clips"


def test_a_pattern_matches_files_in_order(folder):
    pattern = folder / "**" / "*.json"
    assert is_pattern(pattern) and not is_pattern(folder)
    names = [path.relative_to(folder).as_posix() for path in matches(pattern)]
    assert names == ["a/1.json", "a/2.json", "b/1.json", "b/deep/3.json"]
    with pytest.raises(VideoError, match="matches no file"):
        matches(folder / "*.mp4")


@pytest.mark.parametrize("kind", ["txt", "csv", "parquet"])
def test_lists_of_every_kind_name_the_same_clips(folder, kind):
    names = ["a/1.json", "b/deep/3.json"]
    path = folder / f"list.{kind}"
    if kind == "txt":
        path.write_text("# two clips\n" + "\r\n".join(names) + "\n\n")
    elif kind == "csv":
        path.write_text("label,path\n" + "".join(f"x,{name}\n" for name in names))
    else:
        parquet.write_table(pyarrow.table({"path": names, "n": [1, 2]}), path)
    assert read_list(path) == [folder / name for name in names]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.txt", b"", "names no clip"),
        ("a.txt", b"\xff\xfe\x00", "not UTF-8"),
        ("a.txt", b"http://example.com/a.mp4\n", "a.txt: http://example.com/a.mp4: only URLs"),
        ("a.csv", b"file\na.mp4\n", "column path"),
        ("a.parquet", b"PAR1", "cannot be read"),
        ("missing.txt", None, "cannot be read"),
    ],
)
def test_a_bad_list_is_refused(tmp_path, name, content, problem):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises((FormatError, VideoError), match=problem):
        read_list(path)


def test_files_are_named_below_the_folder_that_holds_all_clips(folder, tmp_path):
    clips = [folder / "a/1.json", folder / "b/deep/3.json", folder / "a/../a/1.json"]
    assert [slot.name for slot in listed_slots(clips, tmp_path)] == ["a/1.json", "b/deep/3.json"]
    assert listed_slots(clips)[0].target == folder / ".vipe/a/1.json.npz"


def test_embed_takes_patterns_and_lists_and_a_missing_clip_costs_no_other(folder, vipe, tmp_path):
    (folder / "list.txt").write_text("b/1.json\nb/gone.json\n")
    out = tmp_path / "out"
    args = ("embed", folder / "a" / "*.json", "--list", folder / "list.txt", "--out", out)
    code, printed, err = vipe(*args)
    assert (code, printed.split(",")[0]) == (1, "3 embedded")
    assert "gone.json" in err
    names = {path.relative_to(out).as_posix() for path in out.rglob("*.npz")}
    assert names == {"a/1.json.npz", "a/2.json.npz", "b/1.json.npz"}
    assert vipe("embed")[0] == 2
