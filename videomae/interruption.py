# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""SIGTERM, as schedulers send it before they take a machine away: finish the step, write a checkpoint, end well.

A signal reaches the processes of a run at different moments, so they agree after every step whether one of them has
it. A second SIGTERM ends a process at once.
"""

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import distributed
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
        self._group = None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Note SIGTERM instead of dying of it. Only a main thread can; in others nothing changes."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGTERM, self._note)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    def _note(self, signum, frame):
        self.requested = True
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        logger.warning("SIGTERM: the training ends after this step, with a checkpoint")

    def on_train_begin(self, args, state, control, **kwargs):
        if args.world_size > 1:  # on CPUs: what a GPU computes is not waited for
            self._group = distributed.new_group(backend="gloo")

    def on_step_end(self, args, state, control, **kwargs):
        if not self._agreed():
            return
        self.interrupted = control.should_training_stop = True
        if state.global_step % self.steps_per_epoch:
            control.should_save = True

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


def shielded(init: Callable[[int], None] | None, worker: int) -> None:
    """What a data-loader worker begins with, around its own `init`: it outlives the SIGTERM that a scheduler sends to
    every process, because the last step needs its data. It ends with its parent, or at the second SIGTERM."""
    signal.signal(signal.SIGTERM, _survive_once)
    if init is not None:
        init(worker)


def _survive_once(signum, frame):
    signal.signal(signal.SIGTERM, lambda *_: os._exit(1))


__all__ = ["InterruptionCallback", "shielded"]
