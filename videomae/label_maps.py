# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Which of a model's classes the labels of some videos mean: by name, also where the names are spelled otherwise.

A label means the class of its own name; else the only one with the same letters, digits and signs (+ - < >), in any
case and with any spaces, `_`, hyphens, quotes and brackets between them ("riding_a_bike": "Riding a bike"); else what
a map says.
"""

import difflib
import json
import os
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from .labels import are_integers
from .lists import read_text
from .tables import some

# What does not count. A hyphen between two letters or two spaces does not; one before "5" or after "A" is a sign.
_NOT_COUNTED = re.compile(r"(?<=[^\W_])-(?=[^\W_])|(?<=[\s_])-(?=[\s_])|[^\w+<>-]|_")


def match_labels(
    labels: Collection[str], class_names: Sequence[str], given: Mapping[str, str] | None = None
) -> dict[str, str]:
    """{label: class of the model}; labels that are all integers are positions, and stay.

    Args:
        labels: texts; "" is none, and stays out.
        given: {label: class} for labels that neither the name nor its spelling tells; it wins over both.

    Raises ValueError: labels that mean no class, or `given` classes that the model does not have; all are named, with
    the nearest class of the model. Two labels that would be one class by spelling.
    """
    given = given or {}
    if unknown := sorted(set(given.values()) - set(class_names)):
        raise ValueError(f"the label map has classes that the model does not have: {_nearest(unknown, class_names)}")
    labels = set(labels) - {""}
    if not given and are_integers(labels):
        return {label: label for label in labels}
    by_letters: dict[str, list[str]] = {}
    for name in class_names:
        by_letters.setdefault(_letters(name), []).append(name)
    found = {}
    for label in labels:
        alike = by_letters.get(_letters(label), [])
        if label in given or label in class_names:
            found[label] = given.get(label, label)
        elif len(alike) == 1:
            (found[label],) = alike
    if missing := sorted(labels - found.keys()):
        raise ValueError(
            f"{_nearest(missing, class_names)} {'is' if len(missing) == 1 else 'are'} unknown; the classes are "
            f'{some(class_names)}. --label_map FILE.json, of {{"label": "class of the model"}}, matches others'
        )
    _check_apart({label: name for label, name in found.items() if label not in given})
    return found


def _check_apart(found: Mapping[str, str]) -> None:
    """Raises ValueError where the same class has several labels, of which no map says so."""
    by_class: dict[str, list[str]] = {}
    for label, name in sorted(found.items()):
        by_class.setdefault(name, []).append(repr(label))
    if shared := [f"{' and '.join(alike)} (class {name!r})" for name, alike in by_class.items() if len(alike) > 1]:
        raise ValueError(
            f"labels {', '.join(shared)} differ by spelling alone: give them one spelling, or say with --label_map "
            'FILE.json, of {"label": "class of the model"}, which class each means'
        )


def _letters(name: str) -> str:
    """For what has none (emoji, say) the name itself."""
    return _NOT_COUNTED.sub("", name.casefold()) or name


def _nearest(labels: Sequence[str], class_names: Sequence[str]) -> str:
    shown = []
    for label in labels:
        near = difflib.get_close_matches(label, class_names, n=1)
        shown.append(f"label {label!r}" + (f" (is it {near[0]!r}?)" if near else ""))
    return ", ".join(shown)


def read_label_map(file: str | os.PathLike) -> dict[str, str]:
    """The JSON object {label of the data: class of the model} in a file. Raises ValueError for anything else."""
    try:
        found = json.loads(read_text(Path(file)))
    except json.JSONDecodeError as error:
        raise ValueError(f"{file}: not JSON ({error})") from error
    texts = isinstance(found, dict) and all(isinstance(value, str) for value in found.values())
    if not texts:
        raise ValueError(f'{file}: wanted one JSON object, {{"label of the data": "class of the model"}}')
    return found


__all__ = ["match_labels", "read_label_map"]
