# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Class names that say left or right, or which way round: mirrored, their videos show another class.

The words are left and right with whatever they are part of (leftmost, right-handed, "turnleft"), clockwise and
counterclockwise, also anticlockwise, cw and ccw. Other words with these letters in them (bright, cleft, copyright,
upright, leftover) are none, unless their mirror image is a class, too: "upright" beside "upleft" is a direction.
"""

import re
from collections.abc import Sequence

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^A-Za-z\W_]+")  # swipe_left, SwipeLeft, SWIPE-LEFT 2
_COUNTERCLOCKWISE = re.compile(r"(?:counter|anti) ?clockwise|\bacw\b|ccw\b")
_CLOCKWISE = re.compile(r"cw\b")
_DIRECTION = re.compile(r"left|right|(?:counter)?clockwise")
_OTHER_WORD = re.compile(
    r"\b(?:al?|b|f|w|af|sp|up|down|out|forth|birth|copy|eyeb|(?:cart|mill|play|ship|wain|wheel)w)right"
    r"|\bcleft|\bleft(?:over|is[tm]|y\b|ie)"
    r"|\bright(?:s|ed|er|ing|ly|ness|o|y)\b|\bright(?:eous|ful|is[tm]|siz)"
)
_DIRECTION_ALONE = re.compile(f"{_OTHER_WORD.pattern}|(?P<direction>{_DIRECTION.pattern})")
_MIRROR = {"left": "right", "right": "left", "clockwise": "counterclockwise", "counterclockwise": "clockwise"}


def directional_classes(class_names: Sequence[str]) -> list[str]:
    """Those whose names say a direction."""
    spelled = [_spelled(name) for name in class_names]
    images = _mirror_images(spelled)
    return [name for name, word, image in zip(class_names, spelled, images, strict=True) if word != image]


def mirrored_classes(class_names: Sequence[str]) -> list[int]:
    """For each class the one that its mirrored videos show: "SwipeLeft" becomes "SwipeRight", most stay.

    A name with several directions changes in all of them. Case and what separates words do not matter.
    Raises ValueError that names every class whose mirror image is no class, or more than one.
    """
    spelled = [_spelled(name) for name in class_names]
    images = _mirror_images(spelled)
    partners = [
        [index] if image == spelled[index] else [other for other, name in enumerate(spelled) if name == image]
        for index, image in enumerate(images)
    ]
    wrong = [
        f"{name!r} (mirrored {image!r}, which {f'{len(found)} classes are' if found else 'no class is'})"
        for name, image, found in zip(class_names, images, partners, strict=True)
        if len(found) != 1
    ]
    if wrong:
        raise ValueError(
            f"mirrored clips have no label: {', '.join(wrong)}; give every direction its opposite, or do not mirror"
        )
    return [partner for (partner,) in partners]


def _spelled(class_name: str) -> str:
    """Its words in lower case, one blank between two, and one spelling of clockwise and of counterclockwise."""
    words = " ".join(_WORD.findall(class_name)).lower()
    return _CLOCKWISE.sub("clockwise", _COUNTERCLOCKWISE.sub("counterclockwise", words))


def _mirror_images(spelled: Sequence[str]) -> list[str]:
    known = set(spelled)
    images = []
    for name in spelled:
        image = _DIRECTION.sub(lambda found: _MIRROR[found.group()], name)
        images.append(image if image in known else _DIRECTION_ALONE.sub(_mirrored_direction, name))
    return images


def _mirrored_direction(found: re.Match) -> str:
    return _MIRROR[found.group()] if found["direction"] else found.group()


__all__ = ["directional_classes", "mirrored_classes"]
