"""Pose files, vipe's own and those of other tools.

`registry` lists what is read and written, `loading` and `saving` do it, `recognise` tells what is
a pose file; `json_files`, `tables` and
`npz` read a kind of file each, `writers` writes the others' formats, and `sheet` makes a scene of
what a file lists.
"""

from vipecli.poses.formats.loading import load_poses, load_scene
from vipecli.poses.formats.recognise import is_pose_file, looks_like_poses
from vipecli.poses.formats.registry import FORMATS, READERS, Format, format_of
from vipecli.poses.formats.saving import save_poses
from vipecli.poses.joint_sets import JointMap, load_joint_map

__all__ = [
    "FORMATS",
    "READERS",
    "Format",
    "JointMap",
    "format_of",
    "is_pose_file",
    "load_joint_map",
    "load_poses",
    "load_scene",
    "looks_like_poses",
    "save_poses",
]
