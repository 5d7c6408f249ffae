# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Directions in the names of classes are told from other words, and exchanged where clips are mirrored."""

import pytest

from videomae.directions import directional_classes, mirrored_classes

DIRECTIONS = [
    *("turn left", "Right", "swipe_left", "SwipeRight", "SWIPELeft", "LEFT-TURN", "left2"),
    *("walk leftwards", "go leftward", "RIGHT-HAND", "lefthanded", "leftmost lane", "Rightmost"),
    *("turnleft", "swiperight", "leftturn", "throwleftball", "grabright"),
    *("anticlockwise 2", "counter-clockwise", "clockwise", "rotateclockwise"),
    *("turn cw", "rotate_ccw", "RotateCW", "CCW90", "rotatecw", "spin ACW"),
]
OTHER_WORDS = [
    *("bright", "Brighten", "frightened", "alright", "aright", "upright", "uprightness", "downright", "outright"),
    *("forthright", "birthright", "copyright", "copyrighted", "playwright", "wheelwright", "sprightly"),
    *("cleft", "leftover", "leftovers", "leftist", "rightly", "righteous", "rights", "clockwork", "7", ""),
]


@pytest.mark.parametrize("name", DIRECTIONS)
def test_a_direction_is_told_and_mirrored_or_refused(name):
    assert directional_classes([*OTHER_WORDS, name]) == [name]
    with pytest.raises(ValueError, match=f"^mirrored clips have no label: '{name}'"):
        mirrored_classes([name])


@pytest.mark.parametrize("name", OTHER_WORDS)
def test_other_words_with_the_same_letters_are_no_directions(name):
    assert directional_classes([name]) == [] and mirrored_classes([name]) == [0]


@pytest.mark.parametrize(
    ("names", "mirrored"),
    [
        (["push left", "push right", "hold"], [1, 0, 2]),
        (["SwipeRight", "Wave", "SwipeLeft"], [2, 1, 0]),
        (["turn_LEFT", "Turn-Right"], [1, 0]),
        (["turnleft", "wave", "turnright"], [2, 1, 0]),
        (["leftmost", "rightmost"], [1, 0]),
        (["Turning Hand Clockwise", "Turning Hand Counterclockwise"], [1, 0]),
        (["spin anticlockwise", "spin clockwise"], [1, 0]),
        (["SpinCounterClockwise", "SpinClockwise"], [1, 0]),
        (["spin_ccw", "hold", "spin_cw"], [2, 1, 0]),
        (["roll leftwards", "roll rightwards", "left-handed serve", "right-handed serve"], [1, 0, 3, 2]),
        (["Pulling something from left to right", "Pulling something from right to left"], [1, 0]),
        (["left 1", "left 2", "right 2", "right 1"], [3, 2, 1, 0]),
        (["upleft", "upright", "downright"], [1, 0, 2]),
        (OTHER_WORDS, list(range(len(OTHER_WORDS)))),
        ([], []),
    ],
)
def test_a_mirrored_class_has_its_directions_exchanged(names, mirrored):
    assert mirrored_classes(names) == mirrored
    assert [mirrored[partner] for partner in mirrored] == list(range(len(names)))
    assert directional_classes(names) == [name for i, name in enumerate(names) if mirrored[i] != i]


def test_directions_without_an_opposite_are_all_named():
    with pytest.raises(ValueError) as raised:
        mirrored_classes(["push left", "push right", "Swipe_Left", "spin clockwise"])
    message = str(raised.value)
    assert "'Swipe_Left' (mirrored 'swipe right', which no class is)" in message
    assert "'spin clockwise' (mirrored 'spin counterclockwise', which no class is)" in message
    assert "push" not in message


def test_a_direction_with_two_opposites_is_an_error():
    with pytest.raises(ValueError, match="'go left' .*which 2 classes are"):
        mirrored_classes(["go left", "go right", "GoRight"])
