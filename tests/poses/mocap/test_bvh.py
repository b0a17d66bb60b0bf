"""BVH files: positions worked out by hand, and damage of every kind."""

import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from vipecli.errors import FormatError
from vipecli.poses.mocap.bvh import read_bvh

# A root with two positions out of order, an arm of 2 + 1 along x.
ARM_BVH = """HIERARCHY
ROOT Hips
{
    OFFSET 0 10 0
    CHANNELS 5 Zposition Xposition Zrotation Xrotation Yrotation
    JOINT Upper
    {
        OFFSET 2 0 0
        CHANNELS 3 %s
        End Site
        {
            OFFSET 1 0 0
        }
    }
}
MOTION
Frames: %d
Frame Time: 0.008333333
%s
"""


def arm(tmp_path, order, *rows):
    path = tmp_path / "arm.bvh"
    rows = [" ".join(map(str, row)) for row in rows]
    path.write_text(ARM_BVH % (order, len(rows), "\n".join(rows)))
    return path


def test_position_channels_replace_the_offset_and_the_rest_of_it_stays(tmp_path):
    motion = read_bvh(arm(tmp_path, "Zrotation Xrotation Yrotation", [7, 5] + [0] * 6))
    assert motion.names == ("Hips", "Upper", "Upper end")
    assert motion.parents == (-1, 0, 1)
    np.testing.assert_allclose(motion.positions, [[[5, 10, 7], [7, 10, 7], [8, 10, 7]]])
    assert motion.fps == pytest.approx(120, abs=1e-4)


@pytest.mark.parametrize(
    ("root", "order", "turn", "elbow", "hand"),
    [
        # the root's own turn moves the joint below it: x to y by z, x to -z by y
        ((90, 0, 0), "Zrotation Xrotation Yrotation", (0, 0, 0), (0, 2, 0), (0, 3, 0)),
        ((0, 90, 0), "Zrotation Xrotation Yrotation", (0, 0, 0), (2, 0, 0), (3, 0, 0)),
        ((0, 0, 90), "Zrotation Xrotation Yrotation", (0, 0, 0), (0, 0, -2), (0, 0, -3)),
        # the joint's turn moves only what is below: Z X (of Y) x = Z X (-z) = Z y = -x
        ((0, 0, 0), "Zrotation Xrotation Yrotation", (90, 90, 90), (2, 0, 0), (1, 0, 0)),
        # Y X Z x = Y X y = Y z = x
        ((0, 0, 0), "Yrotation Xrotation Zrotation", (90, 90, 90), (2, 0, 0), (3, 0, 0)),
        # X Y (of Z) x = X Y y = X y = z
        ((0, 0, 0), "Xrotation Yrotation Zrotation", (90, 90, 90), (2, 0, 0), (2, 0, 1)),
        # Z Y X x = Z Y x = Z (-z) = -z
        ((0, 0, 0), "Zrotation Yrotation Xrotation", (90, 90, 90), (2, 0, 0), (2, 0, -1)),
        # the parent turns first: x to y by its z, then the joint's x-to-y becomes y-to-(-x)
        ((90, 0, 0), "Zrotation Xrotation Yrotation", (90, 0, 0), (0, 2, 0), (-1, 2, 0)),
    ],
)
def test_quarter_turns_in_the_order_of_the_channels(tmp_path, root, order, turn, elbow, hand):
    motion = read_bvh(arm(tmp_path, order, [0, 0, *root, *turn]))
    np.testing.assert_allclose(
        motion.positions[0] - [0, 10, 0], [(0, 0, 0), elbow, hand], atol=1e-6
    )


def test_any_angles_as_scipy_turns_them(tmp_path):
    rows = np.random.default_rng(0).uniform(-180, 180, (5000, 8))  # more than one block
    motion = read_bvh(arm(tmp_path, "Yrotation Zrotation Xrotation", *rows))
    root = Rotation.from_euler("ZXY", rows[:, 2:5], degrees=True)
    joint = Rotation.from_euler("YZX", rows[:, 5:8], degrees=True)
    hips = np.stack([rows[:, 1], np.full(5000, 10), rows[:, 0]], 1)
    elbow = hips + root.apply([2, 0, 0])
    expected = np.stack([hips, elbow, elbow + (root * joint).apply([1, 0, 0])], 1)
    np.testing.assert_allclose(motion.positions, expected, atol=1e-4)


def test_position_channels_of_an_inner_joint(tmp_path):
    order = "Yposition Zrotation Xrotation"
    motion = read_bvh(arm(tmp_path, order, [0, 0, 90, 0, 0, 6, 0, 0]))
    # local (2, 6, 0) turned about z by 90 degrees is (-6, 2, 0)
    np.testing.assert_allclose(motion.positions[0, 1], [-6, 12, 0], atol=1e-5)


def test_layout_does_not_matter(tmp_path):
    path = arm(tmp_path, "Zrotation Xrotation Yrotation", range(8), range(8, 16))
    want = read_bvh(path).positions
    text = path.read_text()
    text = re.sub(r"\n\s*{", " {", text).replace("Xrotation", "XROTATION")
    text = text.replace("End Site", "End site").replace("\n", "\r\n").replace("    ", "\t")
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    np.testing.assert_array_equal(read_bvh(path).positions, want)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("HIERARCHY", "HIERACHY", "HIERARCHY"),
        ("MOTION", "MOTOIN", "MOTION"),
        ("Frames: 2", "Frames: 3", "16 values, but 3 frames of 8"),
        ("Frames: 2", "Frames: 1", "16 values"),
        ("Frames: 2", "Frames: 999999999999", "16 values"),
        ("Frames: 2", "Frames: 99999999999999999999999", "Frames"),
        ("Frames: 2", "Frames: -2", "Frames"),
        ("Frames: 2", "Frames: 0", "0 frames"),
        ("Frames: 2", "", "Frames"),
        ("Frame Time: 0.008333333", "", "Frame Time"),
        ("0.008333333", "0", "Frame Time of 0"),
        ("0.008333333", "-1", "Frame Time"),
        ("0.008333333", "1e-320", "frame rate"),
        ("0.008333333", "soon", "Frame Time"),
        ("15.0", "x", "malformed numbers in MOTION"),
        ("15.0", "nan", "not finite"),
        ("15.0", "inf", "not finite"),
        ("15.0", "1e300", "out of range"),
        ("15.0", "", "15 values"),
        ("OFFSET 2 0 0", "OFFSET 2 0", "OFFSET of Upper has 2"),
        ("OFFSET 2 0 0", "OFFSET 2 0 o", "OFFSET of Upper"),
        ("OFFSET 2 0 0", "", "Upper has no OFFSET"),
        ("CHANNELS 3", "CHANNELS 4", "CHANNELS"),
        ("CHANNELS 3", "CHANNELS", "CHANNELS"),
        ("CHANNELS 3 Z", "CHANNELS 3 W", "CHANNELS"),
        ("JOINT Upper\n    {", "JOINT Upper\n", "'{'"),
        ("}\nMOTION", "MOTION", "'}' is missing"),
        ("}\nMOTION", "}}\nMOTION", "out of place"),
        ("JOINT", "ROOT", "out of place"),
        ("ROOT", "JOINT", "out of place"),
        ("OFFSET 2 0 0", "OFFSET 2 0 0\nCOLOUR red", "COLOUR red"),
    ],
)
def test_damage_is_named(tmp_path, old, new, told):
    rows = [[float(v) for v in range(i, i + 8)] for i in (0, 8)]
    path = arm(tmp_path, "Zrotation Xrotation Yrotation", *rows)
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(FormatError, match=re.escape(told)) as error:
        read_bvh(path)
    assert str(path) in str(error.value)


def test_no_channels_and_a_billion_frames(tmp_path):
    path = tmp_path / "a.bvh"
    path.write_text(
        "HIERARCHY\nROOT a\n{\nOFFSET 0 0 0\n}\nMOTION\nFrames: 1000000000\nFrame Time: 0.1\n"
    )
    with pytest.raises(FormatError, match="0 channels"):
        read_bvh(path)


def test_too_many_joints_and_too_deep(tmp_path):
    path = tmp_path / "a.bvh"
    path.write_text(
        "HIERARCHY\nROOT a\n{\nOFFSET 0 0 0\nCHANNELS 1 Xposition\n"
        + "JOINT b\n{\nOFFSET 0 0 0\n" * 5000
        + "}\n" * 5001
        + "MOTION\nFrames: 1\nFrame Time: 0.1\n0\n"
    )
    with pytest.raises(FormatError, match="joints, at most"):
        read_bvh(path)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_cut_or_scribble_is_read_or_refused(tmp_path, data):
    rows = [list(range(i, i + 8)) for i in (0, 8)]
    text = arm(tmp_path, "Zrotation Xrotation Yrotation", *rows).read_text()
    a, b = sorted(data.draw(st.tuples(*[st.integers(0, len(text))] * 2)))
    path = tmp_path / "fuzz.bvh"
    scribble = data.draw(st.text(max_size=6) | st.sampled_from(["{", "}", "CHANNELS 2", "9e9"]))
    path.write_text(text[:a] + scribble + text[b:], encoding="utf-8", errors="replace")
    try:
        assert np.isfinite(read_bvh(path).positions).all()
    except FormatError as error:
        assert "fuzz.bvh" in str(error)
