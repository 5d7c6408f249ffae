# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""A classifier for the classes of some videos, which keeps what it knows of them."""

import logging

from torch import nn

logger = logging.getLogger(__name__)


def labels_of(class_names: list[str], problem_type: str = "single_label_classification") -> dict:
    """The configuration's fields for these classes (for regression: names of the outputs)."""
    id2label = dict(enumerate(class_names))
    label2id = {name: number for number, name in id2label.items()}
    return {"id2label": id2label, "label2id": label2id, "problem_type": problem_type}


def with_classes(
    model: nn.Module, class_names: list[str], problem_type: str = "single_label_classification"
) -> nn.Module:
    """The model itself, its classifier in the order of these classes, or a fresh one where it lacks one of them.

    Of a classifier that knows more classes, the rows of these remain.
    """
    known = {model.config.id2label[number]: number for number in range(model.config.num_labels)}
    trained = type(model).__name__ in (model.config.architectures or ())  # otherwise its head is fresh anyway
    kept = trained and set(class_names) <= set(known)
    old = model.classifier
    model.config.update(labels_of(class_names, problem_type))
    model.num_labels = len(class_names)
    model.classifier = nn.Linear(model.config.hidden_size, model.num_labels)
    model._init_weights(model.classifier)
    if kept:
        rows = [known[name] for name in class_names]
        model.classifier.load_state_dict({name: value[rows] for name, value in old.state_dict().items()})
    elif trained:
        names = list(known)
        logger.warning(
            "the classifier was trained for %d other classes (%s …): it is replaced by a fresh one for the %d of the "
            "videos (%s …)",
            *(len(names), ", ".join(names[:3]), len(class_names), ", ".join(class_names[:3])),
        )
    return model


__all__ = ["labels_of", "with_classes"]
