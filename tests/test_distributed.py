# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Two processes train as one: `torchrun` on the real program, gloo on the loopback interface."""

import json
import os
import socket
import subprocess
import sys
import tarfile
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


# Pre-trains from tar shards: the folder of the shards, where the report goes, and arguments of the training.
STREAM = """
import json, os, sys
from functools import partial
import torch
from torch import distributed
from transformers import HfArgumentParser
from videomae import VideoMAEConfig, VideoMAEForPreTraining, VideoMAETrainer
from videomae.clips import PretrainingClips
from videomae.data import PretrainingCollator, make_processor
from videomae.masking import tube_mask
from videomae.shards import TarShards
from videomae.streaming import VideoStream
from videomae.training import VideoMAETrainingArguments

class Witness(PretrainingClips):
    seen = []
    def __call__(self, video, row, draw):
        self.seen.append(video.path)
        return super().__call__(video, row, draw)

shards, report, *argv = sys.argv[1:]
(args,) = HfArgumentParser(VideoMAETrainingArguments).parse_args_into_dataclasses(argv)
torch.manual_seed(0)
config = VideoMAEConfig(
    image_size=[24, 32], num_frames=4, patch_size=8, hidden_size=12, num_hidden_layers=2, num_attention_heads=3,
    intermediate_size=20, decoder_hidden_size=10, decoder_num_hidden_layers=1, decoder_num_attention_heads=5,
    decoder_intermediate_size=14,
)
clips = Witness(make_processor(config, frame_stride=3), mask=partial(tube_mask, config.grid, 0.75))
stream = VideoStream(TarShards(shards, labels=False), clips, window=4)
trainer = VideoMAETrainer(
    VideoMAEForPreTraining(config), args, data_collator=PretrainingCollator(), train_dataset=stream
)
trainer.train(resume_from_checkpoint=args.resume_from_checkpoint)
trainer.save_model()
trainer.save_state()
with open(report + os.environ.get("RANK", ""), "w") as file:
    json.dump(Witness.seen, file)
if distributed.is_initialized():
    distributed.destroy_process_group()
"""
STREAM_ARGUMENTS = (
    "--num_train_epochs 2 --warmup_epochs 1 --base_learning_rate 0.5 --optim sgd --gradient_accumulation_steps 2 "
    "--logging_steps 1 --save_strategy steps --save_steps 1 --save_total_limit 9 --dataloader_num_workers 0 --use_cpu "
    "--disable_tqdm true"
).split()


@pytest.fixture
def shards(videos):
    """The eleven videos in three uneven shards."""
    folder = videos.parent / "shards"
    folder.mkdir()
    for shard, numbers in enumerate([range(0, 2), range(2, 9), range(9, 11)]):
        with tarfile.open(folder / f"{shard}.tar", "w") as tar:
            for number in numbers:
                tar.add(videos / f"{number}.mp4", f"{number}.mp4")
    return folder


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
    report = tmp_path / f"{output.name}-rank"
    launch(tmp_path, 2, WITNESS, PROGRAM, report, *ARGUMENTS, "--output_dir", output, *argv)
    return [json.loads(Path(f"{report}{rank}").read_text()) for rank in range(2)]


def launch(tmp_path, processes, code, *argv):
    """Python code under torchrun."""
    program = tmp_path / "program.py"
    program.write_text(code)
    rendezvous = ["--master_addr", "127.0.0.1", "--master_port", str(free_port())]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", str(processes), *rendezvous]
    command += [str(program), *map(str, argv)]
    environment = os.environ | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), environment.get("PYTHONPATH", "")])
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIME_LIMIT)
    assert result.returncode == 0, result.stderr[-3000:]


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


def stream_on(processes, tmp_path, shards, output, *argv):
    """What each process read, in its order."""
    report = tmp_path / f"{output.name}-rank"
    batch = ["--per_device_train_batch_size", 2 // processes]
    launch(tmp_path, processes, STREAM, shards, report, *STREAM_ARGUMENTS, "--output_dir", output, *batch, *argv)
    return [json.loads(Path(f"{report}{rank}").read_text()) for rank in range(processes)]


def test_a_stream_of_uneven_shards_gives_two_processes_the_steps_of_one(shards, tmp_path):
    (alone,) = stream_on(1, tmp_path, shards, tmp_path / "one")
    first, second = stream_on(2, tmp_path, shards, tmp_path / "two")
    assert len(first) == len(second) == 8  # two epochs of two steps of two clips
    assert [clip for both in zip(first, second, strict=True) for clip in both] == alone
    assert len(set(alone[:8])) == len(set(alone[8:])) == 8
    assert losses_of(tmp_path / "two") == pytest.approx(losses_of(tmp_path / "one"), rel=1e-5)
    ours = weights_of(tmp_path / "one")
    for name, weight in weights_of(tmp_path / "two").items():
        torch.testing.assert_close(weight, ours[name], rtol=1e-5, atol=1e-6, msg=name)


@pytest.mark.slow
def test_a_stream_on_two_processes_resumes_in_the_middle_of_an_epoch(shards, tmp_path):
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    clips = stream_on(2, tmp_path, shards, whole)
    checkpoint = ["--resume_from_checkpoint", whole / "checkpoint-3"]
    assert stream_on(2, tmp_path, shards, resumed, *checkpoint) == [
        rank[-2:] for rank in clips
    ]  # nothing is read twice
    assert losses_of(resumed) == losses_of(whole)
    undisturbed = weights_of(whole)
    assert all(torch.equal(weight, undisturbed[name]) for name, weight in weights_of(resumed).items())
