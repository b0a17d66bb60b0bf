"""Motion files: positions worked out by hand, names of many programs, and damage of every kind."""

import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from vipecli.errors import FormatError
from vipecli.skeleton import JOINTS
from vipecli.train.amc import read_amc
from vipecli.train.bvh import read_bvh
from vipecli.train.data import load_mocap
from vipecli.train.mocap_files import clips

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
CMU = "Hips LeftUpLeg LeftLeg LeftFoot LeftShoulder LeftArm LeftForeArm LeftHand Neck Head"
# The left side as each program names it, in the order of PARTS; the right side follows from it.
NAMES = {
    "cmu": CMU + " LHipJoint LeftToeBase",
    "mixamo": " ".join(f"mixamorig:{name}" for name in CMU.split()),
    "mixamo in blender": " ".join(f"mixamorig9_{name}" for name in CMU.split()),
    "perception neuron": " ".join(f"Robot_{name}" for name in CMU.split()),
    "one person of two": " ".join(f"Actor1:{name}" for name in CMU.split()),
    "rokoko": "Hips LeftThigh LeftShin LeftFoot LeftShoulder LeftArm LeftForeArm LeftHand Head",
    "xsens": "Hips LeftUpperLeg LeftLowerLeg LeftFoot LeftToe LeftShoulder LeftUpperArm "
    "LeftLowerArm LeftHand Head",
    "optitrack": "Hip LThigh LShin LFoot LShoulder LUArm LFArm LHand Head",
    "smpl": "Pelvis L_Hip L_Knee L_Ankle L_Foot L_Collar L_Shoulder L_Elbow L_Wrist L_Hand Head",
    "old cmu": "Hips LeftHip LeftKnee LeftAnkle LeftCollar LeftShoulder LeftElbow LeftWrist Head",
    "poser": "hip lThigh lShin lFoot lCollar lShldr lForeArm lHand head",
    "bandai": "Hips UpperLeg_L LowerLeg_L Foot_L Shoulder_L UpperArm_L LowerArm_L Hand_L Head",
    "blender": "hips thigh.L shin.L foot.L shoulder.L upper_arm.L forearm.L hand.L head",
    "rigify": "root DEF-thigh.L DEF-shin.L DEF-foot.L DEF-upper_arm.L DEF-upper_arm.L.001 "
    "DEF-forearm.L DEF-hand.L DEF-head",
    "unreal": "pelvis thigh_l calf_l foot_l clavicle_l upperarm_l lowerarm_l hand_l head",
    "biped": "Bip01 Pelvis|Bip01 L Thigh|Bip01 L Calf|Bip01 L Foot|Bip01 L Clavicle|"
    "Bip01 L UpperArm|Bip01 L Forearm|Bip01 L Hand|Bip01 Head",
    "vrm": "J_Bip_C_Hips J_Bip_L_UpperLeg J_Bip_L_LowerLeg J_Bip_L_Foot J_Bip_L_Shoulder "
    "J_Bip_L_UpperArm J_Bip_L_LowerArm J_Bip_L_Hand J_Bip_C_Head",
}
# Names in the lists that are none of the 13 joints; two more kinds in `spare`.
TRAPS = re.compile(r"Toe|HipJoint|Collar|clavicle|\.001|Neck", re.I)
PARTS = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")

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
     name %s
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
""".replace("%s", "lfemur")
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


def arm(tmp_path, order, *rows):
    path = tmp_path / "arm.bvh"
    rows = [" ".join(map(str, row)) for row in rows]
    path.write_text(ARM_BVH % (order, len(rows), "\n".join(rows)))
    return path


def right(name):
    """The other side of a name; names of the middle stay."""
    name = name.replace("Left", "Right")
    name = re.sub(r"(?<=[ ._])L$|(?<=[ _])L(?=[ _])|^L(?=[_A-Z])", "R", name)
    return re.sub(r"^l(?=[A-Z]|femur|tibia|humerus|radius)|(?<=_)l$", "r", name)


def flat_bvh(names, *, head_top=(0, 2, 0), rows=("0",), frame_time=1 / 30):
    """All joints directly below a root without rotation: the position of joint i is (i, i, 1)."""
    text = "HIERARCHY\nROOT Reference\n{\nOFFSET 0 0 0\nCHANNELS 1 Xposition\n"
    for i, name in enumerate(names):
        text += f"JOINT {name}\n{{\nOFFSET {i} {i} 1\nCHANNELS 0\n"
        if "head" in name.lower() and head_top:
            text += "End Site\n{{\nOFFSET {} {} {}\n}}\n".format(*head_top)
        text += "}\n"
    rows = "\n".join(rows)
    return f"{text}}}\nMOTION\nFrames: {len(rows.split())}\nFrame Time: {frame_time}\n{rows}\n"


def both_sides(listed):
    names = re.split(r"[| ]" if "|" not in listed else r"\|", listed)
    return names + [right(name) for name in names if right(name) != name]


def human_amc(tmp_path):
    """CMU's skeleton, straight: bones down the left at x = 1, down the right at x = -1."""
    bones = [("lowerback", "root", (0, 1, 0), 10), ("head", "lowerback", (0, 1, 0), 2)]
    for side, x in (("l", 1), ("r", -1)):
        bones += [
            (f"{side}hipjoint", "root", (x, 0, 0), 1),
            (f"{side}femur", f"{side}hipjoint", (0, -1, 0), 4),
            (f"{side}tibia", f"{side}femur", (0, -1, 0), 3),
            (f"{side}foot", f"{side}tibia", (0, 0, 1), 1),
            (f"{side}clavicle", "lowerback", (x, 0, 0), 1),
            (f"{side}humerus", f"{side}clavicle", (x, 0, 0), 3),
            (f"{side}radius", f"{side}humerus", (x, 0, 0), 2),
            (f"{side}wrist", f"{side}radius", (x, 0, 0), 1),
        ]
    blocks, tree = "", ""
    for name, parent, way, length in bones:
        way = " ".join(map(str, way))
        blocks += f"begin\nname {name}\ndirection {way}\nlength {length}\naxis 0 0 0 XYZ\nend\n"
        tree += f"{parent} {name}\n"
    (tmp_path / "01.asf").write_text(
        f":units\nlength 1\nangle deg\n:root\norder TX TY TZ RX RY RZ\naxis XYZ\nposition 0 0 0\n"
        f"orientation 0 0 0\n:bonedata\n{blocks}:hierarchy\nbegin\n{tree}end\n"
    )
    frames = "".join(f"{i + 1}\nroot 0 {i} 0 0 0 0\n" for i in range(9))
    (tmp_path / "01_02.amc").write_text(f":FULLY-SPECIFIED\n:DEGREES\n{frames}")
    return tmp_path / "01_02.amc"


class TestBvh:
    def test_position_channels_replace_the_offset_and_the_rest_of_it_stays(self, tmp_path):
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
    def test_quarter_turns_in_the_order_of_the_channels(
        self, tmp_path, root, order, turn, elbow, hand
    ):
        motion = read_bvh(arm(tmp_path, order, [0, 0, *root, *turn]))
        np.testing.assert_allclose(
            motion.positions[0] - [0, 10, 0], [(0, 0, 0), elbow, hand], atol=1e-6
        )

    def test_any_angles_as_scipy_turns_them(self, tmp_path):
        rows = np.random.default_rng(0).uniform(-180, 180, (5000, 8))  # more than one block
        motion = read_bvh(arm(tmp_path, "Yrotation Zrotation Xrotation", *rows))
        root = Rotation.from_euler("ZXY", rows[:, 2:5], degrees=True)
        joint = Rotation.from_euler("YZX", rows[:, 5:8], degrees=True)
        hips = np.stack([rows[:, 1], np.full(5000, 10), rows[:, 0]], 1)
        elbow = hips + root.apply([2, 0, 0])
        expected = np.stack([hips, elbow, elbow + (root * joint).apply([1, 0, 0])], 1)
        np.testing.assert_allclose(motion.positions, expected, atol=1e-4)

    def test_position_channels_of_an_inner_joint(self, tmp_path):
        order = "Yposition Zrotation Xrotation"
        motion = read_bvh(arm(tmp_path, order, [0, 0, 90, 0, 0, 6, 0, 0]))
        # local (2, 6, 0) turned about z by 90 degrees is (-6, 2, 0)
        np.testing.assert_allclose(motion.positions[0, 1], [-6, 12, 0], atol=1e-5)

    def test_layout_does_not_matter(self, tmp_path):
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
    def test_damage_is_named(self, tmp_path, old, new, told):
        rows = [[float(v) for v in range(i, i + 8)] for i in (0, 8)]
        path = arm(tmp_path, "Zrotation Xrotation Yrotation", *rows)
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, 1))
        with pytest.raises(FormatError, match=re.escape(told)) as error:
            read_bvh(path)
        assert str(path) in str(error.value)

    def test_no_channels_and_a_billion_frames(self, tmp_path):
        path = tmp_path / "a.bvh"
        path.write_text(
            "HIERARCHY\nROOT a\n{\nOFFSET 0 0 0\n}\nMOTION\nFrames: 1000000000\nFrame Time: 0.1\n"
        )
        with pytest.raises(FormatError, match="0 channels"):
            read_bvh(path)

    def test_too_many_joints_and_too_deep(self, tmp_path):
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
    def test_any_cut_or_scribble_is_read_or_refused(self, tmp_path, data):
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


class TestAmc:
    def read(self, tmp_path, asf=ASF, amc=AMC):
        (tmp_path / "01.asf").write_text(asf)
        (tmp_path / "01_01.amc").write_text(amc)
        return read_amc(tmp_path / "01_01.amc", tmp_path / "01.asf")

    def test_positions_by_hand(self, tmp_path):
        motion = self.read(tmp_path)
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
    def test_any_angles_as_scipy_turns_them(self, tmp_path, order):
        asf = ASF.replace("axis 0 0 90 XYZ", f"axis 10 20 30 {order}")
        asf = asf.replace("dof rx ry rz", "dof rz rx ry")
        motion = self.read(tmp_path, asf, AMC.replace("lfemur 0 90 90", "lfemur 15 25 35"))
        in_order = [{"x": 10, "y": 20, "z": 30}[axis] for axis in order.lower()]
        # scipy: lower case is about fixed axes, the first letter first
        c = Rotation.from_euler(order.lower(), in_order, degrees=True)
        m = Rotation.from_euler("zxy", [15, 25, 35], degrees=True)
        root = Rotation.from_euler("xyz", [90, 90, 0], degrees=True)
        want = (root * c * m * c.inv()).apply([0, -4, 0]) / 0.5
        np.testing.assert_allclose(motion.positions[2, 1], want, atol=1e-5)

    def test_radians_and_a_rate_of_its_own(self, tmp_path):
        asf = ASF.replace("angle deg", "angle rad").replace("0 0 90 XYZ", f"0 0 {np.pi / 2} XYZ")
        amc = AMC.replace(":DEGREES", ":SAMPLES-PER-SECOND 60").replace("90", str(np.pi / 2))
        motion = self.read(tmp_path, asf, amc)
        assert motion.fps == 60
        np.testing.assert_allclose(motion.positions, self.read(tmp_path).positions, atol=1e-5)

    def test_the_roots_own_orientation(self, tmp_path):
        asf = ASF.replace("orientation 0 0 0", "orientation 0 0 90").replace(
            "position 0 0 0", "position 5 0 0"
        )
        motion = self.read(tmp_path, asf, AMC.replace("root 0 0 0 0 0 90", "root 0 0 0 90 0 0"))
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
    def test_damage_of_the_skeleton_is_named(self, tmp_path, old, new, told):
        assert old in ASF
        with pytest.raises(FormatError, match=re.escape(told)) as error:
            self.read(tmp_path, ASF.replace(old, new, 1))
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
    def test_damage_of_the_motion_is_named(self, tmp_path, old, new, told):
        assert old in AMC
        with pytest.raises(FormatError, match=re.escape(told)) as error:
            self.read(tmp_path, amc=AMC.replace(old, new, 1))
        assert "01_01.amc" in str(error.value)

    @settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_any_cut_or_scribble_is_read_or_refused(self, tmp_path, data):
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


class TestJoints:
    @pytest.mark.parametrize("program", NAMES)
    def test_names_of_many_programs(self, tmp_path, program):
        names = both_sides(NAMES[program])
        path = tmp_path / "walk.bvh"
        path.write_text(flat_bvh(names))
        poses = load_mocap([path]).poses[0]
        # In the lists, the parts follow one another as in PARTS.
        left = [n for n in names if right(n) != n and not TRAPS.search(n)]
        left = [n for n in left if not self.spare(n, left)]
        assert len(left) == 6, left
        for part, name in zip(PARTS, left, strict=True):
            i, j = names.index(name), names.index(right(name))
            np.testing.assert_allclose(poses[JOINTS.index(f"left_{part}")], (i, i, 1))
            np.testing.assert_allclose(poses[JOINTS.index(f"right_{part}")], (j, j, 1))
        head = next(i for i, name in enumerate(names) if name.lower().endswith("head"))
        np.testing.assert_allclose(poses[0], (head, head + 1, 1))  # half-way to the end site

    @staticmethod
    def spare(name, names):
        """Collar bones named shoulder, toes named foot, hands beyond the wrist."""
        word = re.sub(r"[\W_]", "", name).lower()
        others = " ".join(names).lower()
        return (
            ("shoulder" in word and "arm" in others)
            or (word.endswith("foot") and "ankle" in others)
            or (word.endswith("hand") and "wrist" in others)
        )

    def test_head_without_an_end_site_and_with_a_joint_on_top(self, tmp_path):
        names = both_sides(CMU)
        path = tmp_path / "walk.bvh"
        path.write_text(flat_bvh(names, head_top=None))
        head = names.index("Head")
        np.testing.assert_allclose(load_mocap([path]).poses[0, 0], (head, head, 1))
        text = flat_bvh(names, head_top=None).replace("JOINT Head\n", "JOINT Head\n@", 1)
        before, after = text.split("@")
        block = after[: after.index("}")] + "JOINT HeadTop_End\n{\nOFFSET 0 4 0\n}\n}"
        path.write_text(before + block + after[after.index("}") + 1 :])
        np.testing.assert_allclose(load_mocap([path]).poses[0, 0], (head, head + 2, 1))

    def test_missing_joints_are_listed_with_the_names_found(self, tmp_path):
        path = tmp_path / "walk.bvh"
        path.write_text(flat_bvh([n for n in both_sides(CMU) if n not in ("LeftLeg", "Head")]))
        with pytest.raises(FormatError) as error:
            load_mocap([path])
        text = str(error.value)
        assert str(path) in text
        assert "found no head, left_knee among" in text
        assert "LeftUpLeg, LeftFoot, LeftShoulder" in text

    def test_bone_ends_of_an_asf(self, tmp_path):
        poses = load_mocap([human_amc(tmp_path)], fps=None).poses
        assert poses.shape == (9, 13, 3)
        want = {
            "head": (0, 11, 0),
            "left_shoulder": (1, 10, 0),
            "left_elbow": (4, 10, 0),
            "left_wrist": (6, 10, 0),
            "left_hip": (1, 0, 0),
            "left_knee": (1, -4, 0),
            "left_ankle": (1, -7, 0),
        }
        for joint, (x, y, z) in want.items():
            i = JOINTS.index(joint)
            np.testing.assert_allclose(poses[0, i], (x, y, z))
            other = JOINTS.index(joint.replace("left", "right"))
            np.testing.assert_allclose(poses[8, other], (-x, y + 8, z))

    def test_a_skeleton_without_an_arm_is_refused(self, tmp_path):
        path = human_amc(tmp_path)
        asf = path.with_name("01.asf")
        asf.write_text(asf.read_text().replace("lhumerus", "lbicep"))
        with pytest.raises(FormatError, match=r"left_shoulder, left_elbow among.*lbicep"):
            load_mocap([path])


class TestLoadMocap:
    def bvh(self, path, frames, fps):
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [str(i) for i in range(frames)]
        path.write_text(flat_bvh(both_sides(CMU), rows=rows, frame_time=1 / fps))
        return path

    @pytest.mark.parametrize(
        ("rate", "fps", "step", "kept"),
        [
            (120, 30, 1, 4),
            (60, 30, 1, 2),
            (25, 30, 1, 1),
            (100, 30, 1, 3),
            (120, None, 1, 1),
            (120, 30, 2, 8),
        ],
    )
    def test_frames_are_thinned_to_the_rate(self, tmp_path, rate, fps, step, kept):
        path = self.bvh(tmp_path / "walk.bvh", 40, rate)
        x = load_mocap([path], fps=fps, step=step).poses[:, 0, 0]
        np.testing.assert_allclose(np.diff(x), kept)
        assert len(x) == -(-40 // kept)

    def test_a_folder_of_everything(self, tmp_path):
        folder = tmp_path / "mine"
        self.bvh(folder / "b" / "walk.BVH", 3, 30)
        human_amc(folder / "b")
        np.savez(folder / "a.npz", **{"set/x": np.ones((5, 13, 3))})
        (folder / "notes.txt").write_text("nothing")
        mocap = load_mocap([folder])
        assert mocap.names == ("set/x", "mine/b/01_02", "mine/b/walk")
        assert np.bincount(mocap.clip).tolist() == [5, 3, 3]
        assert load_mocap([folder], exclude=("mine/*",)).names == ("set/x",)

    def test_a_clip_left_out_is_not_even_read(self, tmp_path):
        folder = tmp_path / "mine"
        self.bvh(folder / "walk.bvh", 3, 30)
        (folder / "broken.bvh").write_text("x")
        assert load_mocap([folder], exclude=("*/broken",)).names == ("mine/walk",)
        with pytest.raises(FormatError, match=r"broken\.bvh"):
            load_mocap([folder])

    def test_the_skeleton_of_an_amc(self, tmp_path):
        amc = human_amc(tmp_path)
        asf = amc.with_name("01.asf")
        (tmp_path / "0.asf").write_text("wrong")
        (tmp_path / "01_0.asf").write_text("wrong")
        assert load_mocap([amc]).names == (f"{tmp_path.name}/01_02",)
        given = asf.rename(tmp_path / "other.asf")
        with pytest.raises(FormatError, match=r"no skeleton for it; put 01.asf beside it"):
            load_mocap([amc])
        assert len(load_mocap([amc, given]).poses) == 3

    @pytest.mark.parametrize(
        ("name", "told"),
        [("gone.bvh", "no such file"), ("notes.txt", "not a mocap file"), ("empty", "no .npz")],
    )
    def test_what_is_no_mocap(self, tmp_path, name, told):
        (tmp_path / "notes.txt").write_text("x")
        (tmp_path / "empty").mkdir()
        with pytest.raises(FormatError, match=told):
            load_mocap([tmp_path / name])

    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"text"])
    def test_damaged_archives(self, tmp_path, content):
        (tmp_path / "a.npz").write_bytes(content)
        with pytest.raises(FormatError, match=r"a\.npz"):
            load_mocap([tmp_path / "a.npz"])

    @pytest.mark.parametrize(
        "array", [np.ones((4, 12, 3)), np.ones(3), np.full((2, 13, 3), "x"), np.array(None)]
    )
    def test_arrays_that_are_no_poses(self, tmp_path, array):
        np.savez(tmp_path / "a.npz", clip=array)
        with pytest.raises(FormatError, match="clip clip"):
            load_mocap([tmp_path / "a.npz"])

    def test_clips_in_the_order_given(self, tmp_path):
        paths = [self.bvh(tmp_path / f"{name}.bvh", 1, 30) for name in "ba"]
        assert [clip.name.split("/")[1] for clip in clips(paths)] == ["b", "a"]
