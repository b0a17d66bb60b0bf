import numpy as np
import pytest

from vipecli.poses.detection.crops import Window, tiles
from vipecli.poses.tracking import XY, torso_angle

RNG = np.random.default_rng(0)


def person(x, y, height, angle_deg=0.0):
    """Somebody whose trunk is turned counter-clockwise by an angle from upright."""
    body = np.column_stack([RNG.uniform(-0.2, 0.2, 33), RNG.uniform(-0.5, 0.5, 33)])
    body[11:13], body[23:25] = [(-0.1, -0.3), (0.1, -0.3)], [(-0.1, 0.1), (0.1, 0.1)]
    turn = np.radians(-angle_deg)
    spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    out = np.zeros((33, 7), np.float32)
    out[:, XY] = body @ spin.T * height + (x, y)
    out[:, 4:6] = body @ spin.T
    return out


@pytest.mark.parametrize("angle", [0, 30, 90, -135, 180])
def test_a_turned_person_stands_upright_in_the_window(angle):
    lying = person(300, 200, 150, angle)
    assert abs(torso_angle(lying)) == pytest.approx(abs(angle), abs=1e-3)
    window = Window.around(lying, torso_angle(lying))
    image = np.zeros((400, 600, 3), np.uint8)
    # the middle of the shoulders is red, that of the hips blue
    for pair, channel in ((slice(11, 13), 0), (slice(23, 25), 2)):
        x, y = lying[pair, XY].mean(axis=0).astype(int)
        image[y - 3 : y + 4, x - 3 : x + 4, channel] = 255
    cut = window.cut(image)
    red, blue = (np.argwhere(cut[..., c] > 99).mean(axis=0) for c in (0, 2))
    assert red[0] < blue[0] - 20
    assert red[1] == pytest.approx(blue[1], abs=3)


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_the_way_back(scale):
    there = person(310, 190, 140, 70)
    window = Window.around(there, 70)
    out = window.cut(np.zeros((400, 600, 3), np.uint8)[:: int(1 / scale)], scale).shape[0]
    # seen in the window: the same points by the map that cuts it out
    turn = np.radians(70)
    spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    seen = there.copy()
    seen[:, XY] = (there[:, XY] - (window.x, window.y)) @ spin.T * out / window.side + out / 2
    seen[:, 4:6] = there[:, 4:6] @ spin.T
    back = window.back(seen, scale)
    np.testing.assert_allclose(back[:, XY], there[:, XY], atol=1e-2)
    np.testing.assert_allclose(back[:, 4:6], there[:, 4:6], atol=1e-5)


@pytest.mark.parametrize(("size", "share", "count"), [((160, 90), 1.0, 3), ((90, 90), 0.5, 9)])
def test_tiles_cover_the_picture(size, share, count):
    windows = list(tiles(size, share))
    assert len(windows) == count
    seen = np.zeros(size[::-1], bool)
    for window in windows:
        half = window.side / 2
        rows = slice(round(window.y - half), round(window.y + half))
        seen[rows, round(window.x - half) : round(window.x + half)] = True
    assert seen.all()
