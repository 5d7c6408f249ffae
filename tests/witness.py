# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Runs a training program under torchrun and writes down what it trained on: witness.py REPORT PROGRAM ARGUMENTS…

REPORT0, REPORT1, … (one for each process) get a JSON object: the program's exit code, the world size and backend, the
class that the model was trained in, how many of its parameters were sharded (DTensors) and how many there were; and
how many threads of gloo outlived the program.

accelerate shards on GPUs only; on CPUs it quietly trains with DDP. Where the environment asks for FSDP or DeepSpeed
and there is no GPU, the witness lets accelerate's own FSDP2 (that is torch's `fully_shard`) or DeepSpeed have the
CPUs, so that all but the communication is what a GPU would run.
"""

import json
import os
import runpy
import sys
from pathlib import Path

import torch
from accelerate import state
from accelerate.utils import DistributedType
from torch import distributed
from torch.distributed.tensor import DTensor

from videomae.training import VideoMAETrainer


def shard_with_fsdp_on_cpus():
    original = state.AcceleratorState.__init__

    def init(self, *args, fsdp_plugin=None, **kwargs):
        original(self, *args, fsdp_plugin=fsdp_plugin, **kwargs)
        if fsdp_plugin is not None:
            self.fsdp_plugin = fsdp_plugin
            self.distributed_type = state.PartialState._shared_state["distributed_type"] = DistributedType.FSDP

    state.AcceleratorState.__init__ = init


def shard_with_deepspeed_on_cpus():
    state.PartialState._prepare_backend = lambda self, *args: ("gloo", DistributedType.MULTI_CPU)


def note_engine(report):
    original = VideoMAETrainer.training_step

    def training_step(self, model, *args, **kwargs):
        parameters = list(model.parameters())
        report["world_size"], report["backend"] = distributed.get_world_size(), distributed.get_backend()
        report["model"] = type(model).__name__
        report["sharded"] = sum(isinstance(parameter, DTensor) for parameter in parameters)
        report["parameters"] = len(parameters)
        return original(self, model, *args, **kwargs)

    VideoMAETrainer.training_step = training_step


def main(path, program, *argv):
    report = {}
    if not torch.cuda.is_available():
        if os.environ.get("ACCELERATE_USE_FSDP") == "true":
            shard_with_fsdp_on_cpus()
        if os.environ.get("ACCELERATE_USE_DEEPSPEED") == "true":
            shard_with_deepspeed_on_cpus()
    note_engine(report)
    sys.argv = [program, *argv]
    try:
        runpy.run_path(program, run_name="__main__")
    except SystemExit as end:
        report["exit"] = end.code
    tasks = Path("/proc/self/task").glob("*/comm")
    report["threads"] = sum("gloo" in task.read_text() for task in tasks)  # pt_gloo_runloop and gloo_tcp_loop
    with open(path + os.environ["RANK"], "w") as file:
        json.dump(report, file)


main(*sys.argv[1:])
