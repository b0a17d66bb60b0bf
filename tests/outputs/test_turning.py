"""3D skeletons in pictures: on the floor, and leaving it."""

from dataclasses import replace

import numpy as np

from tests.bodies import STANDING, seen
from vipecli.lifting.lift import lift
from vipecli.outputs.turning import on_floor


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
