"""3D skeletons in pictures: on the floor, and leaving it."""

from dataclasses import replace

import numpy as np

from tests.bodies import STANDING, seen
from vipecli.lifting.lift import lift
from vipecli.outputs.turntable import BACKGROUND, draw_pose, fitting, on_floor, sheet


def test_who_stands_is_on_the_floor_and_who_jumps_leaves_it():
    motion = np.repeat(STANDING[None], 60, axis=0)
    motion[28:34, :, 1] += 0.4
    poses = seen(motion)
    lifted = lift(poses)
    joints, floor = on_floor(lifted, poses)
    above = floor - joints[..., 1].max(axis=1)
    assert np.abs(np.delete(above, slice(25, 37))).max() < 0.15
    assert above[29:33].min() > 0.5
    assert np.abs(joints[:, 7:9, [0, 2]].mean(axis=1)).max() < 1e-4  # mid-hip in the middle
    nobody = replace(lifted, joints=np.full_like(lifted.joints, np.nan))
    assert np.isnan(on_floor(nobody, poses)[0]).all()


def test_figures_fill_their_frame():
    for height in (1.0, 0.3):  # standing, squatting
        pose = STANDING * np.array([1.0, -height, -1.0])
        pose = pose - (pose.min(axis=0) + pose.max(axis=0)) / 2
        fill = fitting(pose[None], (0.0, 60.0), (300, 220))
        image = np.zeros((300, 220, 3), np.uint8)
        draw_pose(image, pose, azimuth_deg=0.0, fill=fill)
        rows, columns = (np.flatnonzero(image.any(axis=(axis, 2))) for axis in (1, 0))
        assert rows[0] > 0 and rows[-1] < 299 and columns[0] > 0 and columns[-1] < 219
        assert max(np.ptp(rows) / 300, np.ptp(columns) / 220) > 0.7


def test_a_sheet_of_one_and_of_many():
    for count in (1, 7):
        image = sheet([STANDING] * count, [str(i) for i in range(count)], cell=120)
        assert (image != BACKGROUND).any(axis=2).mean() > 0.05
