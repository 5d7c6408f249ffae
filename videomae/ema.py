# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""The exponential moving average of a model's weights, which is often the better model.

After every optimiser step average <- decay * average + (1 - decay) * weights (Polyak and Juditsky, 1992, with constant
decay as in timm's ModelEma, which VideoMAE's fine-tuning offers), from the weights at the first step on.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers.utils import SAFE_WEIGHTS_NAME

from . import checkpoints
from .modeling_videomae import stored_name

FOLDER = "ema"  # in a checkpoint: a model like any other


class WeightAverage:
    """The average of the weights that learn, beside the model. Sharded weights (FSDP2) have a sharded average.

    Raises ValueError for a decay that is not between 0 and 1.
    """

    def __init__(self, model: nn.Module, decay: float):
        if not 0 < decay < 1:
            raise ValueError(f"decay is {decay}, wanted more than 0 and less than 1")
        self.decay = decay
        self._weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        self._average = {name: weight.detach().clone() for name, weight in self._weights.items()}
        self._is_applied = False

    @torch.no_grad()
    def update(self) -> None:
        torch._foreach_lerp_(list(self._average.values()), list(self._weights.values()), 1 - self.decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The model has the average for weights; inside of another such block nothing changes."""
        if self._is_applied:
            yield
            return
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def apply(self) -> None:
        """The model has the average from now on."""
        if not self._is_applied:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, weight in self._weights.items():
            kept = weight.detach().clone()
            weight.copy_(self._average[name])
            self._average[name].copy_(kept)
        self._is_applied = not self._is_applied

    @torch.no_grad()
    def load(self, checkpoint: Path) -> None:
        """Go on from the average in a checkpoint.

        Raises ValueError: it has none, or one of other weights. Raises CheckpointError: a damaged one.
        """
        path = checkpoint / FOLDER / SAFE_WEIGHTS_NAME
        if not path.is_file():
            raise ValueError(
                f"{checkpoint} has no {FOLDER}/{SAFE_WEIGHTS_NAME}: that run had no --ema_decay; leave it out, too"
            )
        with checkpoints.reading(checkpoint):
            stored = load_file(path)
        if missing := [name for name in self._average if stored_name(name) not in stored]:
            raise ValueError(f"{path} lacks {', '.join(missing)}")
        for name, average in self._average.items():
            value = stored[stored_name(name)].to(average.device)
            if isinstance(average, DTensor):
                value = distribute_tensor(value, average.device_mesh, average.placements)
            average.copy_(value)


__all__ = ["WeightAverage"]
