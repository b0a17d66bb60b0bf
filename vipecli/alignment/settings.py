"""How two clips are matched, as options; imports nothing heavy."""

from dataclasses import dataclass
from enum import Enum


class Ends(str, Enum):
    """Whether one clip may show more than the other at its ends."""

    AUTO = "auto"
    OPEN = "open"
    CLOSED = "closed"


class Mirror(str, Enum):
    """Whether the other clip is taken as a mirror shows it."""

    AUTO = "auto"
    YES = "yes"
    NO = "no"


class Clock(str, Enum):
    """What two cameras of one event differ by: a shift, or a shift and a rate."""

    OFFSET = "offset"
    DRIFT = "drift"


class Witness(str, Enum):
    """What tells the shift of two clocks."""

    POSES = "poses"
    SOUND = "sound"
    BOTH = "both"


class Estimator(str, Enum):
    """Ways to the matching probability, see `distance.matching_probability`."""

    EXPECTED = "expected"
    SAMPLED = "sampled"


@dataclass(frozen=True)
class Settings:
    """How two takes are matched; every choice may be given by its name.

    Attributes
    ----------
    ends
        ``auto``, ``open`` or ``closed``, as in `align.align`.
    mirror
        take the other one as a mirror shows it: ``yes``, ``no``, or ``auto`` where that fits
        better.
    clock
        None: the movement is warped; ``offset``: one constant shift, for several cameras of one
        event; ``drift``: and a difference in rate.
    by
        what tells that shift: ``poses``, ``sound``, or ``both``, as far as there is sound.
    every
        find every repetition of the reference in the other take.
    smooth_s
        time constant of the time map, seconds; None = `warping_path.SMOOTH_S`.
    match
        ``expected`` or ``sampled``, as in `distance.matching_probability`; the
        second one without `clock` and `every`.
    """

    ends: Ends = Ends.AUTO
    mirror: Mirror = Mirror.NO
    clock: Clock | None = None
    by: Witness = Witness.BOTH
    every: bool = False
    smooth_s: float | None = None
    match: Estimator = Estimator.EXPECTED

    def __post_init__(self) -> None:
        """Check the choices once.

        Raises
        ------
        ValueError
            if one is not known, or two exclude each other.
        """
        choices = {
            "ends": Ends,
            "mirror": Mirror,
            "clock": Clock,
            "by": Witness,
            "match": Estimator,
        }
        for field, kind in choices.items():
            given = getattr(self, field)
            if given is None and field == "clock":
                continue
            try:
                object.__setattr__(self, field, kind(given))
            except ValueError:
                known = ", ".join(member.value for member in kind)
                raise ValueError(f"{field} is {given!r}; use one of {known}") from None
        if self.every and self.clock:
            raise ValueError("every repetition, and one shift of the clock, exclude each other")
        if self.match is Estimator.SAMPLED and (self.every or self.clock):
            raise ValueError("a sampled match excludes repetitions and a shift of the clock")
