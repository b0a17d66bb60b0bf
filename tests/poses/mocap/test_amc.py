"""ASF/AMC files: positions worked out by hand, and damage of every kind."""

import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from vipecli.errors import FormatError
from vipecli.poses.mocap.amc import read_amc

ASF = """# a leg and a head, two inches per unit
:version 1.10
:name test
:units
  mass 1.0
  length 0.5
  angle deg
:documentation
  made by hand
:root
   order TX TY TZ RX RY RZ
   axis XYZ
   position 0 0 0
   orientation 0 0 0
:bonedata
  begin
     id 1
     name lfemur
     direction 0 -1 0
     length 4
     axis 0 0 90 XYZ
    dof rx ry rz
    limits (-160.0 20.0)
           (-70.0 70.0)
           (-60.0 70.0)
  end
  begin
     id 2
     name ltibia
     direction 0 -1 0
     length 3
     axis 0 0 0 XYZ
    dof rx
    limits (-10.0 170.0)
  end
:hierarchy
  begin
    root lfemur
    lfemur ltibia
  end
"""
AMC = """#!OML:ASF
:FULLY-SPECIFIED
:DEGREES
1
root 1 2 3 0 0 0
lfemur 0 0 0
ltibia 90
2
root 0 0 0 0 0 90
lfemur 90 0 0
ltibia 0
3
root 0 0 0 90 90 0
lfemur 0 90 90
ltibia 0
"""


def read(tmp_path, asf=ASF, amc=AMC):
    (tmp_path / "01.asf").write_text(asf)
    (tmp_path / "01_01.amc").write_text(amc)
    return read_amc(tmp_path / "01_01.amc", tmp_path / "01.asf")


def test_positions_by_hand(tmp_path):
    motion = read(tmp_path)
    assert motion.names == ("root", "lfemur", "ltibia")
    assert motion.parents == (-1, 0, 1)
    assert motion.fps == 120
    # 1: the knee bends by 90 degrees about x: down (-y) becomes backward (-z).
    first = [(1, 2, 3), (1, -2, 3), (1, -2, 0)]
    # 2: the femur's own x is the world's y (axis: z by 90), down stays down in the root's
    # frame; the root turns about z by 90 degrees: -y becomes x.
    second = [(0, 0, 0), (4, 0, 0), (7, 0, 0)]
    # 3: femur: C M C^-1 of -y, C = Rz(90): C^-1 -y = -x; M = Rz(90) Ry(90): -x -> z -> z;
    # C z = z. Root: Ry(90) Rx(90): z -> -y -> -y.
    third = [(0, 0, 0), (0, -4, 0), (0, -7, 0)]
    expected = np.array([first, second, third]) / 0.5
    np.testing.assert_allclose(motion.positions, expected, atol=1e-5)


@pytest.mark.parametrize("order", ["XYZ", "ZYX", "yzx"])
def test_any_angles_as_scipy_turns_them(tmp_path, order):
    asf = ASF.replace("axis 0 0 90 XYZ", f"axis 10 20 30 {order}")
    asf = asf.replace("dof rx ry rz", "dof rz rx ry")
    motion = read(tmp_path, asf, AMC.replace("lfemur 0 90 90", "lfemur 15 25 35"))
    in_order = [{"x": 10, "y": 20, "z": 30}[axis] for axis in order.lower()]
    # scipy: lower case is about fixed axes, the first letter first
    c = Rotation.from_euler(order.lower(), in_order, degrees=True)
    m = Rotation.from_euler("zxy", [15, 25, 35], degrees=True)
    root = Rotation.from_euler("xyz", [90, 90, 0], degrees=True)
    want = (root * c * m * c.inv()).apply([0, -4, 0]) / 0.5
    np.testing.assert_allclose(motion.positions[2, 1], want, atol=1e-5)


def test_radians_and_a_rate_of_its_own(tmp_path):
    asf = ASF.replace("angle deg", "angle rad").replace("0 0 90 XYZ", f"0 0 {np.pi / 2} XYZ")
    amc = AMC.replace(":DEGREES", ":SAMPLES-PER-SECOND 60").replace("90", str(np.pi / 2))
    motion = read(tmp_path, asf, amc)
    assert motion.fps == 60
    np.testing.assert_allclose(motion.positions, read(tmp_path).positions, atol=1e-5)


def test_the_roots_own_orientation(tmp_path):
    asf = ASF.replace("orientation 0 0 0", "orientation 0 0 90").replace(
        "position 0 0 0", "position 5 0 0"
    )
    motion = read(tmp_path, asf, AMC.replace("root 0 0 0 0 0 90", "root 0 0 0 90 0 0"))
    # Its x is the world's y: down stays down.
    np.testing.assert_allclose(motion.positions[1, :2], [(10, 0, 0), (10, -8, 0)], atol=1e-5)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (":root", ":rot", ":root"),
        (":bonedata", ":bones", ":bonedata"),
        (":hierarchy", ":tree", ":hierarchy"),
        ("angle deg", "angle gon", "gon"),
        ("length 0.5", "length 0", "length"),
        ("length 0.5", "length 1e-300", "length"),
        ("length 0.5", "length", "length"),
        ("length 4", "length x", "length of lfemur"),
        ("length 4", "", "lfemur"),
        ("direction 0 -1 0", "direction 0 -1", "direction of lfemur"),
        ("direction 0 -1 0", "direction 0 nan 0", "not finite"),
        ("axis 0 0 90 XYZ", "axis 0 0 90 XYX", "'xyx'"),
        ("axis 0 0 90 XYZ", "axis 0 90 XYZ", "axis of lfemur"),
        ("dof rx ry rz", "dof rx ry rw", "rw"),
        ("dof rx ry rz", "dof rx ry tx", "only rotations"),
        ("dof rx ry rz", "dof rx rx", "dof"),
        ("name ltibia", "name lfemur", "twice"),
        ("name ltibia", "name", "no name"),
        ("name ltibia", "name tibia", "ltibia"),
        ("lfemur ltibia", "", "not in the hierarchy: ltibia"),
        ("root lfemur", "root", "not in the hierarchy: lfemur"),
        ("root lfemur", "ltibia lfemur", "not in the hierarchy"),
        ("lfemur ltibia", "lfemur ltibia lfemur", "placed twice"),
        ("order TX TY TZ RX RY RZ", "order TX TY TZ RX RY RW", "order"),
        ("  end\n:hier", ":hier", "no 'end'"),
        ("begin\n     id 2", "id 2", "outside"),
        ("  end\n  begin\n     id 2", "  begin\n     id 2", "misplaced 'begin'"),
    ],
)
def test_damage_of_the_skeleton_is_named(tmp_path, old, new, told):
    assert old in ASF
    with pytest.raises(FormatError, match=re.escape(told)) as error:
        read(tmp_path, ASF.replace(old, new, 1))
    assert "01.asf" in str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("1\nroot", "root", "before the first frame"),
        (AMC, "", "no frames"),
        ("ltibia 90\n", "", "ltibia"),
        ("ltibia 90\n", "ltibia 90\nltibia 90\n", "given twice"),
        ("ltibia 90", "ltibia 90 90", "2 values instead of 1"),
        ("ltibia 90", "ltibia x", "ltibia in frame 1: malformed"),
        ("ltibia 90", "ltibia inf", "not finite"),
        ("ltibia 90\n", "ltibia 90\nrtibia 90\n", "rtibia does not move in"),
        ("\n2\n", "\n7\n", "frame 7 follows frame 1"),
        ("\n2\n", "\n", "root in frame 1: given twice"),
        ("ltibia 0\n3", "3", "missing in the frame before"),
        ("lfemur 0 90 90\nltibia 0\n", "lfemur 0 90 90\n", "ltibia is missing in the last"),
        (":DEGREES", ":SAMPLES-PER-SECOND 0", "frame rate"),
        (":DEGREES", ":SAMPLES-PER-SECOND", "frame rate"),
        (":DEGREES", ":SAMPLES-PER-SECOND many", "SAMPLES-PER-SECOND"),
    ],
)
def test_damage_of_the_motion_is_named(tmp_path, old, new, told):
    assert old in AMC
    with pytest.raises(FormatError, match=re.escape(told)) as error:
        read(tmp_path, amc=AMC.replace(old, new, 1))
    assert "01_01.amc" in str(error.value)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_cut_or_scribble_is_read_or_refused(tmp_path, data):
    texts = [ASF, AMC]
    which = data.draw(st.integers(0, 1))
    a, b = sorted(data.draw(st.tuples(*[st.integers(0, len(texts[which]))] * 2)))
    scribble = data.draw(st.text(max_size=6) | st.sampled_from(["begin", "end", "\n1\n", ":"]))
    texts[which] = texts[which][:a] + scribble + texts[which][b:]
    paths = tmp_path / "fuzz.asf", tmp_path / "fuzz.amc"
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text, encoding="utf-8", errors="replace")
    try:
        assert np.isfinite(read_amc(paths[1], paths[0]).positions).all()
    except FormatError as error:
        assert "fuzz.a" in str(error)
