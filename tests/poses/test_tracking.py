import numpy as np
import pytest

from vipecli.errors import NoPoseError
from vipecli.poses.tracking import (
    SEEN,
    XY,
    Tracks,
    check_choice,
    distinct,
    overlooks_larger,
    with_others,
)

SIZE = (1000, 500)
RNG = np.random.default_rng(0)
BODY = np.column_stack([RNG.uniform(-0.2, 0.2, 33), RNG.uniform(-0.5, 0.5, 33)])


def person(x, y=250, height=100, seen=0.9):
    out = np.zeros((33, 7), np.float32)
    out[:, XY] = (x, y) + BODY * height
    out[:, SEEN] = seen
    return out


def follow(frames, fps=30):
    tracks = Tracks()
    for i, people in enumerate(frames):
        tracks.add(i, i / fps, people)
    return tracks


def test_crossing_people_keep_their_identity():
    left, right = np.linspace(100, 900, 60), np.linspace(900, 100, 60)
    tracks = follow([[person(a, 240), person(b, 260)] for a, b in zip(left, right, strict=True)])
    first = tracks.choose(1, SIZE)
    assert len(first.frames) >= 50  # one of the two is dropped while they cover each other
    x = np.array([p[:, 0].mean() for p in first.people])
    assert (np.abs(x - left[first.frames]) < 30).all()


def test_dropped_frames_are_bridged():
    seen = [[person(100 + 3 * i)] if i % 7 < 4 else [] for i in range(60)]
    assert len(follow(seen).tracks) == 1


def test_person_who_comes_back_elsewhere_is_the_same():
    seen = [[person(100)]] * 30 + [[]] * 90 + [[person(900)]] * 30
    assert len(follow(seen).tracks) == 1


def test_somebody_hidden_is_expected_to_walk_on():
    """At the same pace, behind somebody who stands there and is taken for nobody else."""
    walk = np.linspace(100, 900, 60)
    frames = [[person(500, 250)] + [person(x, 260)] * int(abs(x - 500) > 60) for x in walk]
    tracks = follow(frames)
    assert len(tracks.tracks) == 2
    first = tracks.choose(1, SIZE)
    assert (np.diff([p[:, 0].mean() for p in first.people]) > 5).all()


def test_clothes_tell_who_it_is():
    """One is found where both could be: the one of that colour, though the other is nearer."""

    def dressed(x, colour):
        return np.column_stack([person(x), np.full((33, 3), colour)])

    tracks = follow([[dressed(485, 200), dressed(525, 40)]] * 10 + [[dressed(503, 45)]] * 5)
    red, black = tracks.tracks
    assert (len(red.frames), len(black.frames)) == (10, 15)


def test_a_leap_is_known_by_the_clothes():
    def dressed(x, colour):
        return np.column_stack([person(x), np.full((33, 3), colour)])

    assert len(follow([[dressed(300, 90)]] * 10 + [[dressed(380, 95)]] * 10).tracks) == 1
    assert len(follow([[dressed(300, 90)]] * 10 + [[dressed(380, 160)]] * 10).tracks) == 2


def test_a_pose_taken_for_another_is_the_same_person():
    mirrored = person(300)
    mirrored[:, 0] = 600 - mirrored[:, 0]
    mirrored[:, 1] = mirrored[::-1, 1]
    assert len(follow([[person(300)]] * 10 + [[mirrored]] * 10).tracks) == 1


def test_nobody_new_appears_inside_somebody():
    ghost = person(300, height=60)
    tracks = follow([[person(300), ghost]] * 10)
    assert len(tracks.tracks) == 1


def test_sudden_change_of_place_is_somebody_else():
    assert len(follow([[person(100)]] * 10 + [[person(900)]] * 10).tracks) == 2


def test_choice():
    frames = [[person(100, height=80), person(520, height=90), person(850, height=100)]] * 30
    tracks = follow(frames)
    x = {who: tracks.choose(who, SIZE).people[0][:, 0].mean() for who in ("largest", "center", 2)}
    assert x["largest"] > 800
    assert x["center"] == x[2] == pytest.approx(520, abs=10)


def test_largest_is_over_the_clip_not_its_start():
    passer_by = [[person(100, height=300), person(800)]] * 5
    assert follow(passer_by + [[person(800)]] * 90).choose("largest", SIZE).frames[-1] == 94


def test_a_flicker_does_not_count_as_a_person():
    tracks = follow([[person(100), person(500)]] + [[person(500)]] * 50)
    assert len(tracks.choose(1, SIZE).frames) == 51
    with pytest.raises(NoPoseError, match="only 1 was found"):
        tracks.choose(2, SIZE)


def test_same_person_found_twice_counts_once():
    people = distinct([person(100, seen=0.5), person(104), person(400)])
    assert len(people) == 2
    assert people[0][0, SEEN] == pytest.approx(0.9)


def test_another_look_adds_others_and_leaves_people_as_they_are():
    followed, sharper, other = person(200, seen=0.6), person(203, seen=0.99), person(400)
    kept = with_others([followed], [sharper, other, person(401, seen=0.5)])
    assert len(kept) == 2
    assert kept[0] is followed
    assert kept[1] is other


def test_nobody():
    with pytest.raises(NoPoseError):
        Tracks().choose("largest", SIZE)


def test_the_one_seen_longest():
    tracks = follow([[person(100)], *[[person(100), person(500, height=200)]] * 9, [person(100)]])
    assert tracks.choose("longest", SIZE).people[0][:, 0].mean() < 200
    assert tracks.choose("largest", SIZE).people[0][:, 0].mean() > 400


def test_whoever_is_first_at_a_point():
    walk = np.linspace(100, 900, 60)
    tracks = follow([[person(x), person(800, 100)] for x in walk])

    def starts(where):
        return tracks.choose(where, SIZE).people[0][:, 0].mean()

    assert starts("100,250") < 200  # there in the first frame
    assert starts((700, 270)) < 200  # comes by later
    assert starts("800,100") > 700
    assert starts("990,20") > 700  # nobody is ever there, this one is nearest
    with pytest.raises(NoPoseError, match="outside the picture of 1000 x 500"):
        tracks.choose("1001,20", SIZE)


def test_check_choice():
    good = {"largest": "largest", "longest": "longest", "2": 2, 3: 3, "10.5,0": (10.5, 0)}
    assert [check_choice(choice) for choice in good] == list(good.values())
    for wrong in ("left", "0", 0, -1, "", "1.5", "inf", "nan", "1,", "1,-2", "1,2,3", "inf,0"):
        with pytest.raises(ValueError, match="largest, center, longest, a number"):
            check_choice(wrong)


def test_somebody_larger_who_was_seldom_looked_for():
    def clip(height, every):
        both = [person(100, height=100), person(700, height=height)]
        return follow([both if i % every == 0 else both[:1] for i in range(100)]).tracks

    assert overlooks_larger(clip(200, 24), SIZE)
    assert not overlooks_larger(clip(110, 24), SIZE), "about as large"
    assert not overlooks_larger(clip(200, 50), SIZE), "seen twice: furniture, perhaps"
    assert not overlooks_larger(clip(200, 1), SIZE), "the largest is the one who is taken"
    assert overlooks_larger(clip(400, 5), SIZE), "the largest, in every fifth frame"
    assert not overlooks_larger(clip(400, 2), SIZE), "gaps of one frame are filled"
    gone = [[person(100)] if i < 30 or i > 170 else [] for i in range(200)]
    assert not overlooks_larger(follow(gone).tracks, SIZE), "nobody else"
