# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Two processes train as one: `torchrun` on the real program, gloo on the loopback interface."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from videomae import VideoMAEForPreTraining
from videomae.scripts import run_pretraining

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = Path(run_pretraining.__file__)
TIME_LIMIT = 240  # seconds

ARGUMENTS = (
    "--model small --image_size 24 32 --num_frames 4 --patch_size 8 --hidden_size 12 --num_hidden_layers 2 "
    "--num_attention_heads 3 --intermediate_size 20 --decoder_hidden_size 10 --decoder_num_hidden_layers 1 "
    "--decoder_num_attention_heads 5 --decoder_intermediate_size 14 --mask_ratio 0.75 --frame_stride 3 "
    "--num_train_epochs 3 --warmup_epochs 1 --base_learning_rate 0.5 --optim sgd --gradient_accumulation_steps 2 "
    "--logging_steps 1 --save_strategy steps --save_steps 1 --save_total_limit 9 --dataloader_num_workers 0 --use_cpu "
    "--disable_tqdm true"
).split()

# Runs the program as torchrun would, and then says what it ran in.
WITNESS = """
import json, os, runpy, sys
program, report = sys.argv[1:3]
sys.argv = [program, *sys.argv[3:]]
try:
    runpy.run_path(program, run_name="__main__")
except SystemExit as end:
    code = end.code
from torch import distributed
state = {"exit": code, "world_size": distributed.get_world_size(), "backend": distributed.get_backend()}
with open(report + os.environ["RANK"], "w") as file:
    json.dump(state, file)
distributed.destroy_process_group()
"""


@pytest.fixture
def videos(tiny_clip):
    """Eleven videos of different lengths: two steps of 4 an epoch, and 3 that are left out."""
    for number in range(11):
        clip = tiny_clip(f"videos/{number}.mp4", num_frames=20 + number)
    return clip.parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run_on_two(tmp_path, output, *argv):
    """The program in two processes; what they ran in."""
    witness, report = tmp_path / "witness.py", tmp_path / f"{output.name}-rank"
    witness.write_text(WITNESS)
    rendezvous = ["--master_addr", "127.0.0.1", "--master_port", str(free_port())]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", *rendezvous, str(witness)]
    environment = os.environ | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), environment.get("PYTHONPATH", "")])
    command = [*launcher, str(PROGRAM), str(report), *ARGUMENTS, "--output_dir", str(output), *argv]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIME_LIMIT)
    assert result.returncode == 0, result.stderr[-3000:]
    return [json.loads(Path(f"{report}{rank}").read_text()) for rank in range(2)]


def losses_of(folder):
    log = json.loads((folder / "trainer_state.json").read_text())["log_history"]
    return [line["loss"] for line in log if "loss" in line]


def weights_of(folder):
    return VideoMAEForPreTraining.from_pretrained(folder).state_dict()


def bad_videos_of(folder):
    return json.loads((folder / "metrics.json").read_text())["bad_videos"]


def test_two_processes_give_the_losses_weights_and_bad_videos_of_one(videos, tmp_path):
    two, one = tmp_path / "two", tmp_path / "one"
    bad = [videos / "10.mp4", videos / "4.mp4"]  # with this seed one is read by the second process, one by the first
    for video in bad:
        video.write_text("this is no video")
    argv = ["--data", str(videos), "--on_bad_video", "skip", "--max_bad_share", "0.2"]
    reports = run_on_two(tmp_path, two, *argv, "--per_device_train_batch_size", "1")
    assert reports == [{"exit": 0, "world_size": 2, "backend": "gloo"}] * 2
    argv = [*ARGUMENTS, *argv, "--output_dir", str(one), "--per_device_train_batch_size", "2"]
    assert run_pretraining.main(argv) == 0
    assert bad_videos_of(two) == bad_videos_of(one) == [str(video) for video in bad]
    assert len(losses_of(one)) == 6
    assert losses_of(two) == pytest.approx(losses_of(one), rel=1e-5)
    alone = weights_of(one)
    for name, weight in weights_of(two).items():
        torch.testing.assert_close(weight, alone[name], rtol=1e-5, atol=1e-6, msg=name)


@pytest.mark.slow
def test_two_processes_resume_in_the_middle_of_an_epoch(videos, tmp_path):
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    argv = ["--data", str(videos), "--per_device_train_batch_size", "1"]
    run_on_two(tmp_path, whole, *argv)
    run_on_two(tmp_path, resumed, *argv, "--resume_from_checkpoint", str(whole / "checkpoint-3"))
    assert losses_of(resumed) == losses_of(whole)
    undisturbed = weights_of(whole)
    assert all(torch.equal(weight, undisturbed[name]) for name, weight in weights_of(resumed).items())
