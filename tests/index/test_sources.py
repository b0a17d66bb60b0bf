"""Labelled clips as people keep them: folders, tables, Penn Action."""

import numpy as np
import pytest

from vipecli.errors import FormatError, VideoError
from vipecli.index import sources


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def test_a_folder_per_label(tmp_path):
    for name in ("walk/a.mp4", "walk/b/c.MOV", "run/1/1.jpg", "jump/k.npz", "jump/.h.mp4", "x.mp4"):
        touch(tmp_path / name)
    touch(tmp_path / "walk/a.npz")  # beside a video: its poses, not a clip
    got = [(i.name, i.label) for i in sources.find(tmp_path)]
    assert got == [
        ("jump/k.npz", "jump"),
        ("run/1", "run"),
        ("walk/a.mp4", "walk"),
        ("walk/b/c.MOV", "walk"),
    ]
    assert [i.name for i in sources.find(tmp_path, exclude=["walk/*", "run*"])] == ["jump/k.npz"]
    with pytest.raises(VideoError, match="every clip is excluded"):
        sources.find(tmp_path, exclude=["*"])


TABLE = """path;label;start;end;viewpoint
a.mp4;squat;0;1:02.5;left
a.mp4;stand;62,5;;
sub/b.mp4;stand;;;
"""


def test_a_table(tmp_path):
    for name in ("a.mp4", "sub/b.mp4"):
        touch(tmp_path / name)
    (tmp_path / "labels.csv").write_text(TABLE.replace("62,5", "62.5"), encoding="utf-8-sig")
    for source in (tmp_path, tmp_path / "labels.csv"):
        got = sources.find(source)
        assert [i.name for i in got] == ["a.mp4@0-62.5", "a.mp4@62.5-", "sub/b.mp4"]
        assert [i.label for i in got] == ["squat", "stand", "stand"]
        assert (got[0].start_s, got[0].end_s, got[0].viewpoint) == (0, 62.5, "left")
        assert got[2].path == tmp_path / "sub/b.mp4"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("file,label\na.mp4,x\n", "has to name the columns path and label"),
        ("path,label\na.mp4,\n", "line 2: a clip needs a path and a label"),
        ("path,label\nb.mp4,x\n", "line 2: .*b.mp4: no such file"),
        ("path,label,start\na.mp4,x,soon\n", "line 2: 'soon' is no time"),
        ("path,label,start,end\na.mp4,x,3,2\n", "ends at 2.0 s, before it starts"),
        ("path,label\na.mp4,x\na.mp4,y\n", "line 3: a.mp4 is there twice"),
        ("", "has to name the columns"),
        ("path,label\n", "lists no clip"),
    ],
)
def test_bad_tables(tmp_path, text, problem):
    touch(tmp_path / "a.mp4")
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(FormatError, match=problem):
        sources.find(tmp_path)


def test_penn_action_with_and_without_frames(tmp_path):
    from scipy.io import savemat

    (tmp_path / "labels").mkdir()
    for i, train in ((1, 1), (2, -1)):
        joints = np.random.default_rng(i).uniform(10, 200, (5, 13))
        fields = {"x": joints, "y": joints, "visibility": joints > 0, "dimensions": [240, 320, 5]}
        fields |= {"action": "squat", "pose": "left", "train": train}
        savemat(tmp_path / f"labels/000{i}.mat", fields)
    touch(tmp_path / "frames/0001/000001.jpg")
    one, two = sources.find(tmp_path)
    assert (one.poses, one.path) == (None, tmp_path / "frames/0001")
    assert (two.poses is None, two.path) == (False, None)
    assert [i.name for i in sources.find(tmp_path, split="train")] == ["0001"]
    assert sources.find(tmp_path, poses="given")[0].poses is not None
    with pytest.raises(VideoError, match="0002: no such folder"):
        sources.find(tmp_path, poses="detect")


def test_other_files_among_the_clips(tmp_path):
    """Settings and archives of other tools are no clips, nor is a damaged archive."""
    touch(tmp_path / "walk/a.mp4")
    for name in ("settings.json", "run/info.json", "run/times.csv"):
        path = touch(tmp_path / name)
        path.write_text('{"fps": 30}')
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 and no more")
    assert sources.kind_of(tmp_path) == "folders"
    assert [i.name for i in sources.find(tmp_path)] == ["walk/a.mp4"]
    assert sources.find_clips(tmp_path / "run") == []
    with pytest.raises(FormatError, match="neither a table"):
        sources.find(tmp_path / "broken.npz")


def penn_archive(path, clips):
    """Labels of Penn Action as one archive: the number of each clip tells its joints."""
    numbers, t = list(clips), 8
    joints = [np.random.default_rng(n).uniform(10, 200, (t, 13, 2)) for n in numbers]
    np.savez(
        path,
        clip_id=np.array([f"{n:04d}" for n in numbers]),
        action=np.array(["squat" if n % 2 else "bowl" for n in numbers]),
        viewpoint=np.array(["left"] * len(numbers)),
        frame_size_hw=np.full((len(numbers), 2), 240),
        offsets=np.arange(len(numbers) + 1) * t,
        keypoints=np.concatenate(joints),
        visibility=np.ones((len(numbers) * t, 13)),
    )
    return path
