# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""SIGTERM, as schedulers send it before they take a machine away: finish the step, write a checkpoint, end well.

A signal reaches the processes of a run at different moments, so they agree after every step whether one of them has
it. It can come twice, from the scheduler and, passed on, from torchrun: only the first one counts.
"""

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, distributed
from torch.utils.data import DataLoader
from transformers import TrainerCallback

logger = logging.getLogger(__name__)


class InterruptionCallback(TrainerCallback):
    """Ends the training with a checkpoint after the step in which SIGTERM arrived in any process.

    Args:
        steps_per_epoch: the last step of an epoch ends with its validation, so that a resumed run does not miss it.

    Attributes:
        interrupted: whether the training was ended so.
    """

    def __init__(self, steps_per_epoch: int):
        self.steps_per_epoch = steps_per_epoch
        self.requested = False  # in this process
        self.interrupted = False
        self.is_listening = torch.zeros((), dtype=torch.bool).share_memory_()  # for the data-loader workers
        self._group = None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Note SIGTERM instead of dying of it. Only a main thread can; in others nothing changes."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGTERM, self._note)
        self.is_listening.fill_(True)
        try:
            yield
        finally:
            self.is_listening.fill_(False)
            if not self.interrupted:  # else the program is about to end, well: torchrun's signal may still come
                signal.signal(signal.SIGTERM, before)

    def _note(self, signum, frame):
        if not self.requested:
            self.requested = True
            logger.warning("SIGTERM: the training ends after this step or validation, with a checkpoint")

    def shield(self, loader: DataLoader) -> None:
        """Have the workers of a loader outlive the SIGTERM that a scheduler sends to every process, as long as this
        one does: the last step needs their data. They end with this process, or when it ends them after the training.
        """
        loader = getattr(loader, "base_dataloader", loader)  # accelerate's has the one that starts the workers inside
        loader.worker_init_fn = partial(_shielded, self.is_listening, loader.worker_init_fn)

    def on_train_begin(self, args, state, control, **kwargs):
        if args.world_size > 1:  # on CPUs: what a GPU computes is not waited for
            self._group = distributed.new_group(backend="gloo")

    def on_step_end(self, args, state, control, **kwargs):
        if not self._agreed():
            return
        self.interrupted = control.should_training_stop = True
        if state.global_step % self.steps_per_epoch:
            control.should_save = True

    def on_evaluate(self, args, state, control, **kwargs):
        if self._agreed():  # meanwhile
            self.interrupted = control.should_training_stop = control.should_save = True

    def on_epoch_end(self, args, state, control, **kwargs):
        if not self.interrupted:
            return
        if state.global_step % self.steps_per_epoch:  # no end of an epoch: its middle, and saved
            control.should_log = control.should_evaluate = control.should_save = False
        else:
            control.should_save = True

    def _agreed(self) -> bool:
        if self._group is None:
            return self.requested
        requested = torch.tensor(int(self.requested))
        distributed.all_reduce(requested, op=distributed.ReduceOp.MAX, group=self._group)
        return bool(requested)


def _shielded(is_needed: Tensor, init: Callable[[int], None] | None, worker: int) -> None:
    """What a data-loader worker begins with, around its own `init`."""

    def end(signum, frame):
        if not is_needed:
            os._exit(0)  # as torch's own handler, which this one replaces

    signal.signal(signal.SIGTERM, end)
    if init is not None:
        init(worker)


__all__ = ["InterruptionCallback"]
