# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Several processes train as one: `torchrun` on the real programs, gloo on the loopback interface.

With DDP, and with FSDP2 and DeepSpeed as configs/accelerate sets them up; tests/witness.py tells how CPUs run these.
"""

import importlib.util
import json
import os
import socket
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import torch
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils.launch import prepare_deepspeed_cmd_env, prepare_multi_gpu_env
from runs import DECODER, ENCODER

from videomae import VideoMAEForPreTraining, VideoMAEForVideoClassification, VideoMAEVideoProcessor
from videomae.scripts import run_evaluation, run_finetuning, run_pretraining

ROOT = Path(__file__).resolve().parent.parent
WITNESS = Path(__file__).with_name("witness.py")
TIME_LIMIT = 240  # seconds
HAS_DEEPSPEED = importlib.util.find_spec("deepspeed") is not None

PRETRAINED = [*DECODER, "--frame_stride", "3", "--health_epochs", "0"]
SHORT = (
    "--num_train_epochs 3 --warmup_epochs 1 --logging_steps 1 --dataloader_num_workers 0 --use_cpu --disable_tqdm true"
).split()
BATCH = "--total_batch 4 --per_device_train_batch_size 1".split()  # the steps of accumulation follow
SGD = "--optim sgd --base_learning_rate 0.5".split()
ADAMW = "--optim adamw_torch --base_learning_rate 0.05".split()
KEEP = "--save_strategy steps --save_steps 1 --save_total_limit 9".split()
ENGINES = {  # what a model is trained in
    "ddp": {run_pretraining: "DistributedDataParallel", run_finetuning: "DistributedDataParallel"},
    "fsdp2": {
        run_pretraining: "FSDPVideoMAEForPreTraining",  # torch's name for a model after `fully_shard`
        run_finetuning: "FSDPVideoMAEForVideoClassification",
    },
    "zero2": {run_pretraining: "DeepSpeedEngine", run_finetuning: "DeepSpeedEngine"},
    "zero3": {run_pretraining: "DeepSpeedEngine", run_finetuning: "DeepSpeedEngine"},
}
MODELS = {run_pretraining: VideoMAEForPreTraining, run_finetuning: VideoMAEForVideoClassification}

# Pre-trains from tar shards: the folder of the shards, where the report goes, and arguments of the training.
STREAM = """
import json, os, sys
from functools import partial
import torch
from transformers import HfArgumentParser
from videomae import VideoMAEConfig, VideoMAEForPreTraining, VideoMAETrainer, cli
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

def main(argv):
    shards, report, *argv = argv
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
    with open(report + os.environ["RANK"], "w") as file:
        json.dump(Witness.seen, file)

sys.exit(cli.run(main, sys.argv[1:]))
"""
STREAM_ARGUMENTS = [*SHORT, *SGD, *KEEP, "--num_train_epochs", "2", "--gradient_accumulation_steps", "2"]


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


@pytest.fixture
def classes(tiny_clip):
    """Three classes: nine training videos, and five validation videos, which no number of processes divides."""
    for name, classes in (("jump", 3), ("run", 3), ("swim", 3)):
        for number in range(classes):
            tiny_clip(f"classes/train/{name}/{number}.mp4", num_frames=20 + 3 * number + len(name))
    for name, count in (("jump", 2), ("run", 2), ("swim", 1)):
        for number in range(count):
            clip = tiny_clip(f"classes/val/{name}/{number}.mp4", num_frames=30 + 5 * number + len(name))
    return clip.parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment_of(engine):
    """What `accelerate launch` with our file for this engine tells its processes."""
    if engine == "ddp":
        return {}
    path = ROOT / "configs" / "accelerate" / f"{engine}.yaml"
    words = ["--config_file", str(path), "--main_process_port", "0", "program.py"]
    arguments, _, _ = _validate_launch_command(launch_command_parser().parse_args(words))
    if engine == "fsdp2":
        return prepare_multi_gpu_env(arguments)
    arguments.deepspeed_fields_from_accelerate_config = ""  # only matters with a `deepspeed_config_file`
    return prepare_deepspeed_cmd_env(arguments)[1]


def torchrun(processes, program, *argv, environment):
    """A Python file in so many processes, with these variables added to the environment."""
    rendezvous = ["--master_addr", "127.0.0.1", "--master_port", str(free_port())]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", str(processes), *rendezvous]
    command += map(str, [program, *argv])
    environment = os.environ | environment | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), environment.get("PYTHONPATH", "")])
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIME_LIMIT)
    assert result.returncode == 0, result.stderr[-3000:]


def run_on(processes, engine, program, output, *argv):
    """The program in so many processes; asserts that they trained together, and in the engine."""
    report = f"{output}-rank"
    argv = [program.__file__, "--output_dir", output, *argv]
    if engine.startswith("zero"):
        pytest.importorskip("deepspeed")
        argv.remove("--use_cpu")  # or accelerate trains without it
    torchrun(processes, WITNESS, report, *argv, environment=environment_of(engine))
    for rank in range(processes):
        witness = json.loads(Path(f"{report}{rank}").read_text())
        assert (witness["exit"], witness["world_size"], witness["backend"]) == (0, processes, "gloo")
        assert witness["model"] == ENGINES[engine][program]
        assert witness["sharded"] == (witness["parameters"] if engine == "fsdp2" else 0)
        # A thread that outlives the program can abort it, see `cli._leave_process_group`. torch keeps those of FSDP2's
        # mesh; deepspeed those of all processes, if it is imported: as defaults of its functions' arguments.
        assert witness["threads"] == 0 or engine != "ddp" or HAS_DEEPSPEED
    return output


def run_alone(program, output, *argv):
    """The program in this process."""
    assert program.main([*map(str, argv), "--output_dir", str(output)]) == 0
    return output


def log_of(folder, key):
    log = json.loads((folder / "trainer_state.json").read_text())["log_history"]
    return [line[key] for line in log if key in line]


def losses_of(folder):
    return log_of(folder, "loss")


def metrics_of(folder):
    return json.loads((folder / "metrics.json").read_text())


def weights_of(folder, program=run_pretraining):
    return MODELS[program].from_pretrained(folder).state_dict()


def assert_same_training(together, alone, program=run_pretraining, *, rtol=1e-5, atol=1e-6):
    """Losses of every step and the final weights, which must have moved by far more than they may differ."""
    assert len(losses_of(alone)) == 6
    assert losses_of(together) == pytest.approx(losses_of(alone), rel=1e-5)
    wanted, start = weights_of(alone, program), weights_of(together / "checkpoint-1", program)  # its rate is 0
    for name, weight in weights_of(together, program).items():
        torch.testing.assert_close(weight, wanted[name], rtol=rtol, atol=atol, msg=name)
    assert max((wanted[name] - start[name]).abs().max() for name in wanted) > 10 * atol


QUICK = [("ddp", 2), ("fsdp2", 2)]
SLOW = [("ddp", 4), ("fsdp2", 4), ("zero2", 2), ("zero3", 2), ("zero3", 4)]


@pytest.mark.parametrize(
    ("engine", "processes"), [*QUICK, *(pytest.param(*case, marks=pytest.mark.slow) for case in SLOW)]
)
def test_processes_give_the_losses_weights_and_bad_videos_of_one(engine, processes, videos, tmp_path):
    bad = [videos / "10.mp4", videos / "4.mp4"]  # with this seed one is read by the second process, one by the first
    for video in bad:
        video.write_text("this is no video")
    argv = ["--data", videos, "--on_bad_video", "skip", "--max_bad_share", "0.2"]
    argv += [*ENCODER, *PRETRAINED, *SHORT, *BATCH, *SGD, *KEEP]
    together = run_on(processes, engine, run_pretraining, tmp_path / "together", *argv)
    alone = run_alone(run_pretraining, tmp_path / "alone", *argv)
    assert_same_training(together, alone)
    assert metrics_of(together)["bad_videos"] == metrics_of(alone)["bad_videos"] == [str(video) for video in bad]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_processes_give_the_weights_of_one_with_adamw_and_clipping(engine, videos, tmp_path):
    argv = ["--data", videos, "--max_grad_norm", "0.1"]
    argv += [*ENCODER, *PRETRAINED, *SHORT, *BATCH, *ADAMW, *KEEP]
    together = run_on(2, engine, run_pretraining, tmp_path / "together", *argv)
    alone = run_alone(run_pretraining, tmp_path / "alone", *argv)
    assert_same_training(together, alone, atol=1e-4)  # AdamW divides small gradients by their own size
    norms = log_of(alone, "grad_norm")
    assert min(norms) > 0.1 and log_of(together, "grad_norm") == pytest.approx(norms, rel=1e-4)  # all were clipped


@pytest.mark.parametrize(
    ("engine", "processes"), [("ddp", 2), *(pytest.param(*case, marks=pytest.mark.slow) for case in [QUICK[1], *SLOW])]
)
def test_fine_tuning_on_processes_validates_each_video_once(engine, processes, classes, tmp_path):
    argv = ["--data", classes, "--per_device_eval_batch_size", "2", "--layer_decay", "0.75", "--drop_path_rate", "0"]
    argv += [*ENCODER, *SHORT, *BATCH, *SGD, *KEEP]
    together = run_on(processes, engine, run_finetuning, tmp_path / "together", *argv)
    alone = run_alone(run_finetuning, tmp_path / "alone", *argv)
    assert_same_training(together, alone, run_finetuning)
    metrics, wanted = metrics_of(together), metrics_of(alone)
    assert metrics["eval_num_videos"] == 5
    names = {name for name in wanted if name.startswith("eval_") and "second" not in name and "runtime" not in name}
    assert {"eval_loss", "eval_top1", "eval_mean_class_accuracy"} <= names
    assert {name: metrics[name] for name in names} == pytest.approx({name: wanted[name] for name in names}, rel=1e-5)
    assert metrics["test"] == wanted["test"] and (wanted["test"]["num_videos"], wanted["test"]["views"]) == (5, "5x3")


def test_processes_evaluate_each_video_once_as_one_does(classes, tiny_config, tmp_path):
    torch.manual_seed(0)
    names = {"id2label": dict(enumerate(["jump", "run", "swim"])), "label2id": {"jump": 0, "run": 1, "swim": 2}}
    model = VideoMAEForVideoClassification(tiny_config(num_labels=3, classifier_init_scale=100.0, **names))
    model.save_pretrained(tmp_path / "model")
    VideoMAEVideoProcessor.for_model(model.config, frame_stride=2).save_pretrained(tmp_path / "model")
    argv = [tmp_path / "model", classes, "--views", "3x3", "--per_views", "--num_workers", "0", "--results"]
    together = [tmp_path / "together.csv", "--output_dir", tmp_path / "together", "--device", "cpu"]
    torchrun(2, run_evaluation.__file__, *argv, *together, environment={})
    alone = run_alone(run_evaluation, tmp_path / "alone", *argv, tmp_path / "alone.csv")
    assert (tmp_path / "together" / "metrics.json").read_bytes() == (alone / "metrics.json").read_bytes()
    assert (tmp_path / "together.csv").read_bytes() == (tmp_path / "alone.csv").read_bytes()
    assert metrics_of(alone)["num_videos"] == 5 and not list(tmp_path.glob("*.part-*"))


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_processes_resume_in_the_middle_of_an_epoch(engine, videos, tmp_path):
    argv = ["--data", videos, *ENCODER, *PRETRAINED, *SHORT, *BATCH, *ADAMW, *KEEP]
    if not engine.startswith("zero"):  # DeepSpeed has no average of the weights
        argv += ["--ema_decay", "0.7"]
    whole = run_on(2, engine, run_pretraining, tmp_path / "whole", *argv)
    resume = ["--resume", whole / "checkpoint-3"]
    resumed = run_on(2, engine, run_pretraining, tmp_path / "resumed", *argv, *resume)
    assert losses_of(resumed) == losses_of(whole)
    undisturbed = weights_of(whole)
    assert all(torch.equal(weight, undisturbed[name]) for name, weight in weights_of(resumed).items())


def stream_on(processes, tmp_path, shards, output, *argv):
    """What each process read, in its order."""
    program, report = tmp_path / "stream.py", f"{output}-rank"
    program.write_text(STREAM)
    batch = ["--per_device_train_batch_size", 2 // processes]
    torchrun(
        processes, program, shards, report, *STREAM_ARGUMENTS, "--output_dir", output, *batch, *argv, environment={}
    )
    return [json.loads(Path(f"{report}{rank}").read_text()) for rank in range(processes)]


@pytest.mark.slow
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
