"""What a person looks like: 13 joints and a `Look` become rounded cones and ellipsoids."""

from dataclasses import dataclass, replace

import numpy as np

from examples.march import (
    CONE,
    ELLIPSOID,
    HAIR,
    HEAD,
    LEGWEAR,
    PROP,
    SHIRT,
    SHOE,
    SKIN,
    SOCK,
    SOLE,
)

TORSO, SKULL, LEFT_ARM, RIGHT_ARM, LEFT_LEG, RIGHT_LEG, LEFT_FOOT, RIGHT_FOOT, PROPS = range(9)
_MELT_M = np.array([0.07, 0.024, 0.03, 0.03, 0.03, 0.03, 0.02, 0.02, 0.002])

# distance from the joint to the skin around it, metres, in a body of `_HEIGHT_M`
JOINT_RADIUS_M = np.array(
    [0.09, 0.06, 0.06, 0.04, 0.04, 0.03, 0.03, 0.11, 0.11, 0.06, 0.06, 0.045, 0.045]
)
_SOLE_M = 0.085  # ankle joint above the floor
_BONES_M = 1.36  # thigh + shank + torso of the body that all radii here are given for


@dataclass(frozen=True)
class Look:
    """Clothes, hair, skin and build; colours are (R, G, B), 0 to 255.

    Attributes
    ----------
    skin, hair, shirt, legwear, shoes
        colours.
    build
        factor on the girth of trunk and limbs; about 0.85 slim, 1.2 heavy.
    head
        factor on the size of the head.
    shorts, sleeves
        how far legwear and sleeves reach: 1 = ankle or wrist, 0.35 = mid-thigh or mid-upper arm.
    hairstyle
        "short", "long" (down to the shoulders) or "none".
    stripes
        stripes per metre on the shirt; 0 = plain.
    """

    skin: tuple[int, int, int] = (224, 172, 140)
    hair: tuple[int, int, int] = (62, 42, 30)
    shirt: tuple[int, int, int] = (52, 98, 168)
    legwear: tuple[int, int, int] = (48, 52, 64)
    shoes: tuple[int, int, int] = (190, 60, 50)
    build: float = 1.0
    head: float = 1.0
    shorts: float = 1.0
    sleeves: float = 0.3
    hairstyle: str = "short"
    stripes: float = 0.0

    def random(self, rng: np.random.Generator) -> "Look":
        """Return another person, dressed at random."""
        skins = [(241, 200, 172), (224, 172, 140), (198, 140, 104), (141, 92, 62), (92, 60, 44)]
        hairs = [(30, 24, 22), (62, 42, 30), (110, 74, 40), (168, 128, 72), (120, 116, 112)]

        def cloth() -> tuple[int, int, int]:
            return tuple(int(v) for v in rng.integers(25, 215, 3))

        return replace(
            self,
            skin=skins[rng.integers(len(skins))],
            hair=hairs[rng.integers(len(hairs))],
            shirt=cloth(),
            legwear=cloth(),
            shoes=cloth(),
            build=float(rng.uniform(0.86, 1.18)),
            head=float(rng.uniform(0.95, 1.06)),
            shorts=float(rng.choice([0.38, 0.45, 1.0, 1.0])),
            sleeves=float(rng.choice([0.12, 0.3, 0.3, 1.0])),
            hairstyle=str(rng.choice(["short", "short", "long", "none"])),
            stripes=float(rng.choice([0.0, 0.0, 9.0, 14.0])),
        )

    def colors(self) -> np.ndarray:
        """Return shape (9, 3) float64: B, G, R of each material of `examples.march`."""
        table = np.zeros((9, 3))
        table[SKIN] = table[HEAD] = self.skin
        table[SHIRT], table[LEGWEAR], table[SHOE] = self.shirt, self.legwear, self.shoes
        table[HAIR], table[SOLE], table[SOCK] = self.hair, (225, 225, 222), (215, 215, 215)
        table[PROP] = (70, 70, 74)
        return table[:, ::-1].copy()


@dataclass(frozen=True)
class Shapes:
    """One frame of one person, as `examples.march.draw` wants it, in world axes.

    Attributes
    ----------
    a, b
        (S, 3) metres: ends of the cones; for an ellipsoid both its centre.
    ra, rb
        (S,) metres: radii at the ends; for an ellipsoid the largest radius.
    kinds, groups, mats, split
        (S,), (S,), (S, 2), (S,), see `examples.march.draw`.
    axes, radii
        (S, 3, 3) and (S, 3): rows are an ellipsoid's axes; its radii.
    head
        centre (3), axes (3, 3) as rows left, up, forward, and size.
    torso
        origin and upward axis of the trunk.
    """

    a: np.ndarray
    b: np.ndarray
    ra: np.ndarray
    rb: np.ndarray
    kinds: np.ndarray
    groups: np.ndarray
    mats: np.ndarray
    split: np.ndarray
    axes: np.ndarray
    radii: np.ndarray
    head: tuple[np.ndarray, np.ndarray, float]
    torso: tuple[np.ndarray, np.ndarray]
    melt: np.ndarray


def unit(v: np.ndarray) -> np.ndarray:
    """Return v (..., 3) scaled to length 1."""
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-9)


def reject(v: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """Return the unit vector of what is left of v (..., 3) off the unit vector `axis`."""
    return unit(v - (v * axis).sum(-1, keepdims=True) * axis)


def frame(joints: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Trunk axes: unit vectors to the person's left, up the spine, and forward.

    Parameters
    ----------
    joints
        shape (..., 13, 3), metres, y up, right-handed.

    Returns
    -------
    three arrays of shape (..., 3), forward = left x up.
    """
    up = unit(joints[..., 1:3, :].mean(-2) - joints[..., 7:9, :].mean(-2))
    across = (joints[..., 1, :] - joints[..., 2, :]) + (joints[..., 7, :] - joints[..., 8, :])
    left = reject(across, up)
    return left, up, np.cross(left, up)


class _Sculptor:
    """Collects the shapes of one frame."""

    def __init__(self, scale: float) -> None:
        self.scale, self.rows = scale, []

    def cone(self, group, a, b, ra, rb, mat, mat_b=None, split=2.0) -> None:
        # a cone whose one end swallows the other has no side: keep it just longer than that
        a, b = np.asarray(a, float), np.asarray(b, float)
        ra, rb = ra * self.scale, rb * self.scale
        gap = abs(ra - rb) * 1.02 + 1e-3
        length = np.linalg.norm(b - a)
        if length < gap:
            b = a + (unit(b - a) if length > 1e-6 else np.array([0.0, 1.0, 0.0])) * gap
        mats = (mat, mat if mat_b is None else mat_b)
        self.rows.append((a, b, ra, rb, CONE, group, mats, split, np.eye(3), np.ones(3)))

    def ball(self, group, centre, axes, radii, mat) -> None:
        radii = np.asarray(radii, float) * self.scale
        row = (centre, centre, radii.max(), radii.max(), ELLIPSOID, group, (mat, mat), 2.0)
        self.rows.append((*row, np.asarray(axes), radii))


def body(joints: np.ndarray, look: Look, *, floor_m: float = 0.0) -> Shapes:
    """Dress 13 joints in flesh and clothes.

    Parameters
    ----------
    joints
        shape (13, 3), metres, y up.
    look
        clothes and build.
    floor_m
        height of the floor: feet and hands do not reach below it.
    """
    left, up, forward = frame(joints)
    hips, shoulders = joints[7:9].mean(0), joints[1:3].mean(0)
    legs = np.linalg.norm(joints[9:13] - joints[7:11], axis=-1).sum() / 2
    scale = np.clip((legs + np.linalg.norm(shoulders - hips)) / _BONES_M, 0.6, 1.6)
    s = _Sculptor(float(scale))
    _trunk(s, joints, look)
    head = _head(s, joints, look, up, forward)
    for side in (0, 1):
        _arm(s, joints, look, side, up, forward, floor_m)
        _leg(s, joints, look, side, left, up, forward, floor_m)
    rows = sorted(s.rows, key=lambda row: row[5])
    columns = [np.array(c) for c in zip(*rows, strict=True)]
    return Shapes(*columns, head=head, torso=(hips, up), melt=_MELT_M)


def _trunk(s: _Sculptor, joints: np.ndarray, look: Look) -> None:
    """Pelvis, waist, chest as bars across the body that melt together; shoulders and neck."""
    hips, shoulders = joints[7:9].mean(0), joints[1:3].mean(0)
    across = (unit(joints[7] - joints[8]), unit(joints[1] - joints[2]))
    spine = shoulders - hips
    widths = np.linalg.norm(joints[1] - joints[2]) / (0.36 * s.scale), look.build
    g = look.build
    # fraction of the spine, half width between the bar's ends, radius, forward shift, material
    for t, half, radius, shift, mat in (
        (-0.02, 0.075, 0.100, -0.012, LEGWEAR),
        (0.10, 0.068, 0.098, -0.004, LEGWEAR),
        (0.28, 0.056, 0.092, 0.010, SHIRT),
        (0.48, 0.052, 0.093, 0.014, SHIRT),
        (0.68, 0.068 * widths[0], 0.100, 0.008, SHIRT),
        (0.84, 0.088 * widths[0], 0.086, 0.000, SHIRT),
    ):
        axis = unit((1 - t) * across[0] + t * across[1])
        ahead = np.cross(axis, unit(spine))
        centre = hips + t * spine + shift * s.scale * ahead
        side = half * s.scale * g * axis
        s.cone(TORSO, centre - side, centre + side, radius * g, radius * g, mat)
    ahead = np.cross(across[1], unit(spine))
    for joint, sign in ((1, 1), (2, -1)):
        base = shoulders + 0.055 * s.scale * (unit(spine) * 0.4 + sign * across[1])
        s.cone(TORSO, base, joints[joint], 0.050, 0.058 * g, SHIRT)
        breast = hips + 0.74 * spine + s.scale * (sign * 0.06 * across[1] + 0.045 * ahead)
        s.ball(TORSO, breast, np.stack([across[1], unit(spine), ahead]), (0.06, 0.055, 0.05), SHIRT)
    behind = np.cross(unit(spine), across[0])
    for sign in (1, -1):
        seat = hips + s.scale * (sign * 0.062 * across[0] + 0.04 * behind - 0.045 * unit(spine))
        s.cone(TORSO, seat, seat + 0.03 * s.scale * unit(spine), 0.085 * g, 0.08 * g, LEGWEAR)


def _head(s: _Sculptor, joints: np.ndarray, look: Look, up, forward):
    """Skull, jaw, nose, ears, hair and neck; return the head's centre, axes and size."""
    shoulders = joints[1:3].mean(0)
    neck = unit(joints[0] - shoulders)
    top = unit(0.45 * unit(up) + 0.55 * neck)
    ahead = reject(forward, top)
    axes = np.stack([np.cross(top, ahead), top, ahead])
    size = s.scale * look.head
    k = look.head

    def at(x: float, y: float, z: float) -> np.ndarray:
        return joints[0] + size * (np.array([x, y, z]) @ axes)

    def ball(centre, radii, mat) -> None:
        s.ball(SKULL, at(*centre), axes, np.asarray(radii) * k, mat)

    ball((0, 0.030, -0.008), (0.073, 0.092, 0.093), HEAD)
    ball((0, -0.042, 0.030), (0.058, 0.074, 0.060), HEAD)
    s.cone(SKULL, at(0, -0.095, 0.062), at(0, -0.09, 0.066), 0.020 * k, 0.020 * k, HEAD)
    s.cone(SKULL, at(0, 0.012, 0.088), at(0, -0.022, 0.104), 0.008 * k, 0.0125 * k, SKIN)
    for side in (1, -1):
        ball((side * 0.074, 0.0, -0.006), (0.011, 0.030, 0.020), SKIN)
        s.cone(
            SKULL, at(side * 0.035, -0.014, 0.062), at(side * 0.04, -0.02, 0.056),
            0.02 * k, 0.02 * k, HEAD,
        )  # fmt: skip
    if look.hairstyle != "none":
        ball((0, 0.044, -0.022), (0.079, 0.094, 0.096), HEAD)
    if look.hairstyle == "long":
        s.cone(SKULL, at(0, 0.02, -0.06), at(0, -0.12, -0.085), 0.062 * k, 0.045 * k, HAIR)
    base = shoulders + 0.01 * s.scale * up
    s.cone(SKULL, base, at(0, -0.04, -0.015), 0.06, 0.05, SKIN)
    return joints[0], axes, size


def _arm(s: _Sculptor, joints, look: Look, side: int, up, forward, floor_m: float) -> None:
    """Upper arm, forearm, hand with fingers and thumb."""
    shoulder, elbow, wrist = joints[1 + side], joints[3 + side], joints[5 + side]
    group, g = (LEFT_ARM, RIGHT_ARM)[side], 0.5 + 0.5 * look.build
    sleeve = look.sleeves * 2  # in upper arms; 2 = down to the wrist
    upper, lower = elbow - shoulder, wrist - elbow
    belly = shoulder + 0.42 * upper
    s.cone(group, shoulder, belly, 0.056 * g, 0.048 * g, SHIRT, SKIN, sleeve / 0.42)
    s.cone(group, belly, elbow, 0.048 * g, 0.039 * g, SHIRT, SKIN, (sleeve - 0.42) / 0.58)
    belly = elbow + 0.28 * lower
    s.cone(group, elbow, belly, 0.040 * g, 0.043 * g, SHIRT, SKIN, (sleeve - 1) / 0.28)
    s.cone(group, belly, wrist, 0.043 * g, 0.027 * g, SHIRT, SKIN, (sleeve - 1.28) / 0.66)
    if 0.1 < sleeve < 1.0:  # a loose sleeve with a hem
        hem = shoulder + sleeve * upper
        s.cone(group, shoulder, hem, 0.058 * g, 0.055 * g, SHIRT)
    along = _above_floor(wrist, unit(lower), 0.17 * s.scale, floor_m + 0.022 * s.scale)
    thumb = reject(0.8 * forward + 0.6 * up, along)
    across = thumb * s.scale
    reach = along * s.scale
    for offset in (0.018, -0.018):
        s.cone(
            group, wrist + 0.6 * offset * across, wrist + 0.085 * reach + offset * across,
            0.021, 0.019, SKIN,
        )  # fmt: skip
    for offset, length in ((0.027, 0.165), (0.009, 0.178), (-0.009, 0.172), (-0.026, 0.15)):
        knuckle = wrist + 0.085 * reach + offset * across
        s.cone(group, knuckle, wrist + length * reach + offset * across, 0.0105, 0.008, SKIN)
    root = wrist + 0.03 * reach + 0.02 * across
    s.cone(group, root, root + 0.055 * reach + 0.045 * across, 0.014, 0.0095, SKIN)


def _leg(s: _Sculptor, joints, look: Look, side: int, left, up, forward, floor_m: float) -> None:
    """Thigh, calf and foot; the foot is square to the shank, flat where the floor is near."""
    hip, knee, ankle = joints[7 + side], joints[9 + side], joints[11 + side]
    group, g = (LEFT_LEG, RIGHT_LEG)[side], 0.4 + 0.6 * look.build
    cover = look.shorts * 2  # in thighs; 2 = down to the ankle
    thigh, shank = knee - hip, ankle - knee
    down = unit(shank)
    # where the knee bends its hinge says where the toes point, elsewhere the trunk does
    hinge = np.cross(unit(thigh), down)
    bend = np.linalg.norm(hinge)
    side_axis = left - (left @ unit(thigh)) * unit(thigh)
    hinge = hinge if hinge @ side_axis > 0 else np.zeros(3)
    axis = reject(unit(side_axis) * 0.35 + hinge * min(bend, 0.6) * 1.5, down)
    ahead = np.cross(axis, -down)
    loose = 0.010 if cover >= 0.3 else 0.0
    mid = hip + 0.45 * thigh
    s.cone(group, hip, mid, 0.090 * g, 0.078 * g, LEGWEAR, SKIN, cover / 0.45)
    s.cone(group, mid, knee, 0.078 * g, 0.055 * g, LEGWEAR, SKIN, (cover - 0.45) / 0.55)
    calf = knee + 0.3 * shank - 0.016 * s.scale * ahead
    s.cone(group, knee, calf, 0.053 * g, 0.056 * g, LEGWEAR, SKIN, (cover - 1) / 0.3)
    s.cone(group, calf, ankle, 0.056 * g, 0.036 * g, LEGWEAR, SKIN, (cover - 1.3) / 0.58)
    if cover < 1.0:  # loose shorts with a hem
        s.cone(group, hip, hip + cover * thigh, 0.092 * g, (0.078 + loose) * g, LEGWEAR)
    elif cover > 1.6:
        s.cone(group, knee, knee + 0.86 * shank, 0.058 * g, 0.052 * g, LEGWEAR)
    if cover < 1.6:
        s.cone(group, knee + 0.78 * shank, ankle, 0.043 * g, 0.042 * g, SOCK)
    _foot(s, (LEFT_FOOT, RIGHT_FOOT)[side], ankle, down, ahead, floor_m)


def _foot(s: _Sculptor, group: int, ankle, down, ahead, floor_m: float) -> None:
    """Add a shoe with a pale sole; toes stay above the floor."""
    k = s.scale
    height = (ankle[1] - floor_m) / (_SOLE_M * k)
    # an upright shank near the floor stands: the foot lies flat, whatever the shank's lean
    flat = np.clip((-down[1] - 0.35) / 0.3, 0, 1) * np.clip((1.9 - height) / 0.6, 0, 1)
    level = np.array([ahead[0], 0.0, ahead[2]])
    if np.linalg.norm(level) > 0.2:
        ahead = unit((1 - flat) * ahead + flat * unit(level))
    # toes that stood straight down into the floor are tucked under, towards the body
    tuck = ahead - 0.25 * down * np.clip(-ahead[1], 0, 1)
    ahead = _above_floor(ankle, unit(tuck), 0.17 * k, floor_m + 0.03 * k)
    below = reject((1 - flat) * down + flat * np.array([0.0, -1.0, 0.0]), ahead)

    def at(along: float, under: float) -> np.ndarray:
        p = ankle + k * (along * ahead + under * below)
        return np.array([p[0], max(p[1], floor_m + 0.012 * k), p[2]])

    lateral = k * np.cross(ahead, below)
    s.cone(group, ankle, at(-0.012, 0.045), 0.043, 0.040, SHOE)
    s.cone(group, at(-0.035, 0.045), at(0.06, 0.04), 0.036, 0.036, SHOE)
    s.cone(group, ankle + 0.02 * k * ahead, at(0.10, 0.045), 0.040, 0.036, SHOE)
    for o in (0.014, -0.014):
        s.cone(
            group, at(0.09, 0.05) + o * lateral, at(0.155, 0.055) + o * lateral, 0.032, 0.024, SHOE
        )
        s.cone(
            group, at(-0.05, 0.070) + o * lateral, at(0.16, 0.070) + o * lateral, 0.016, 0.016, SOLE
        )


def _above_floor(start, direction, length: float, lowest: float) -> np.ndarray:
    """Turn a unit direction up just so far that start + length * direction stays above."""
    least = np.clip((lowest - start[1]) / length, -0.99, 0.6)
    if direction[1] >= least:
        return direction
    level = np.array([direction[0], 0.0, direction[2]])
    if np.linalg.norm(level) < 0.05:
        level = np.array([0.0, 0.0, 1.0])
    level = unit(level) * np.sqrt(1 - least * least)
    return level + np.array([0.0, least, 0.0])


def with_props(shapes: Shapes, props: list[tuple[np.ndarray, np.ndarray, float]]) -> Shapes:
    """Return the shapes with rods (end (3,), end (3,), radius in metres) added."""
    if not props:
        return shapes
    s = _Sculptor(1.0)
    for a, b, radius in props:
        s.cone(PROPS, a, b, radius, radius, PROP)
    names = ("a", "b", "ra", "rb", "kinds", "groups", "mats", "split", "axes", "radii")
    columns = [np.array(c) for c in zip(*s.rows, strict=True)]
    joined = {
        n: np.concatenate([getattr(shapes, n), c]) for n, c in zip(names, columns, strict=True)
    }
    return replace(shapes, **joined)
