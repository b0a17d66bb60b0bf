"""Pose files, vipe's own and those of other tools.

`registry` lists the formats, `loading` and `saving` read and write files, `recognise` tells pose
files from others. `json_files`, `coco`, `csv_files`, `deeplabcut`, `trc`, `penn`, `matlab` and
`npz` read one kind of file each into a `keypoint_table`, which becomes a scene; `writers` writes
the formats of other tools.
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
