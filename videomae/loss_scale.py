# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""The loss scale of fp16, and what its steps mean.

fp16 holds gradients from 6e-8 to 65504. The loss is multiplied by a scale, so that small ones survive, and gradients
are divided by it again. Where some do not fit, the optimiser leaves the step out and the scale is halved; after many
steps that fit (2,000 in torch) it is doubled.
"""

import logging
import warnings

from transformers import TrainerCallback

from .divergence import NonFiniteLossError

logger = logging.getLogger(__name__)

LOWEST_SANE_SCALE = 1.0  # from here on gradients overflow by themselves
MOST_SKIPPED = 40  # in a row: from torch's first scale, 2**16, to fp16's smallest number, 2**-24


class LossScaleCallback(TrainerCallback):
    """Explains the steps that fp16 leaves out, and keeps the schedule: as in the papers it counts them.

    Raises NonFiniteLossError where too many in a row are left out.
    """

    def __init__(self, accelerator):
        self.accelerator = accelerator
        self.skipped = 0
        self.in_a_row = 0

    def on_step_end(self, args, state, control, lr_scheduler=None, **kwargs):
        if not self.accelerator.optimizer_step_was_skipped:
            self.in_a_row = 0
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that the optimiser has taken no step yet
            lr_scheduler.step()  # the Trainer does not, then, and the cosine would not come to its end
        self.skipped += 1
        self.in_a_row += 1
        if self.in_a_row >= MOST_SKIPPED:
            raise NonFiniteLossError(
                f"{self.in_a_row} steps in a row were left out, up to step {state.global_step}: the gradients "
                "overflow fp16 with any loss scale. Train in bf16 or fp32 (--fp16 false), or lower the learning rate; "
                "--resume auto goes on from the last checkpoint"
            )
        scaler = self.accelerator.scaler
        if scaler is None:
            return
        scale = scaler.get_scale()
        message = (
            f"step {state.global_step} was left out, {self.skipped} so far: its gradients overflow fp16; the loss "
            f"scale is {scale:g} now. "
        )
        if scale < LOWEST_SANE_SCALE:
            message += "That low the network itself overflows: train in bf16 or fp32, or lower the learning rate"
        else:
            message += "That is normal at the beginning and now and then"
        logger.warning(message)


__all__ = ["LossScaleCallback"]
