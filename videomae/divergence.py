# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""A loss or gradient that is no number any more: the run stops before it spoils the weights, and keeps the batch."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import torch
from safetensors.torch import save_file
from torch import Tensor

from .files import replacing, write_json

REPORT = "nonfinite_loss"  # .json, .safetensors; with more than one process also its number


class NonFiniteLossError(ValueError):
    """The loss or its gradient is not finite."""


def stop(
    what: str,
    value: float,
    *,
    batches: Sequence[Mapping[str, Tensor]],
    videos: Sequence[str],
    where: Mapping[str, Any],
    folder: str | os.PathLike,
    process: str = "",
) -> NoReturn:
    """Write what is needed to look at these batches again, and raise NonFiniteLossError.

    Args:
        what: "loss" or "gradient".
        batches: arguments of the model, of one forward pass or of all those of a step.
        videos: names of their videos, in this order; empty where the order is not known.
        where: step, epoch and settings of the run.
        folder: where the report goes.
        process: of several ones, part of the report's name.
    """
    report = Path(folder) / f"{REPORT}{process}.json"
    tensors = report.with_suffix(".safetensors")
    clips = {name: torch.cat([batch[name].detach().cpu() for batch in batches]) for name in batches[0]}
    with replacing(tensors) as temporary:
        save_file(clips, temporary)
    content = {"what": what, "value": str(value), **where, "videos": list(videos), "batch": tensors.name}
    write_json(report, content)
    raise NonFiniteLossError(
        f"the {what} is {value} in step {where['step']}, epoch {where['epoch']:.2f}. "
        f"{report} names the videos of the batch, {tensors.name} holds their clips. Look at these videos; "
        "else lower the learning rate, lengthen the warm-up, clip gradients (--max_grad_norm 1), or train in bf16 or "
        "fp32 instead of fp16. --resume auto goes on from the last checkpoint"
    )


__all__ = ["NonFiniteLossError"]
