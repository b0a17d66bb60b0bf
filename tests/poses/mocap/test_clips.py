"""Mocap files as clips: joints by the names of many programs, frame rates, folders."""

import re

import numpy as np
import pytest

from vipecli.errors import FormatError
from vipecli.poses.mocap.clips import clips
from vipecli.poses.skeleton import JOINTS
from vipecli.train.data import load_mocap

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
