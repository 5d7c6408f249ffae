# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""The files under configs/accelerate give each process what they say: read, merged, checked by accelerate itself."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils import DeepSpeedPlugin, DistributedType, FullyShardedDataParallelPlugin
from accelerate.utils.launch import prepare_deepspeed_cmd_env, prepare_multi_gpu_env, prepare_simple_launcher_cmd_env
from torch.distributed.fsdp import OffloadPolicy, StateDictType

from videomae import VideoMAEConfig, VideoMAEForPreTraining, VideoMAEForVideoClassification
from videomae.modeling_videomae import VideoMAELayer
from videomae.training import VideoMAETrainingArguments

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "configs" / "accelerate"
WITNESS = Path(__file__).with_name("witness.py")
FILES = sorted(path.name for path in FOLDER.glob("*.yaml"))
ENGINES = {
    "one_gpu.yaml": DistributedType.NO,
    "ddp.yaml": DistributedType.MULTI_GPU,
    "ddp_nodes.yaml": DistributedType.MULTI_GPU,
    "fsdp2.yaml": DistributedType.FSDP,
    "fsdp2_nodes.yaml": DistributedType.FSDP,
    "zero2.yaml": DistributedType.DEEPSPEED,
    "zero3.yaml": DistributedType.DEEPSPEED,
}
SHARDED = [name for name, engine in ENGINES.items() if engine is DistributedType.FSDP]
ZERO = [name for name, engine in ENGINES.items() if engine is DistributedType.DEEPSPEED]
SECTIONS = {"fsdp_config": "fsdp_", "deepspeed_config": ""}  # what accelerate puts before a key to make it a flag


def launch_arguments(name, *flags):
    """What `accelerate launch --config_file NAME FLAGS train.py` works with, once accelerate has looked at it."""
    words = ["--config_file", str(FOLDER / name), *flags, "train.py"]
    arguments, _, _ = _validate_launch_command(launch_command_parser().parse_args(words))
    return arguments


def environment(name, *flags):
    """The environment of the processes that this file starts."""
    arguments = launch_arguments(name, *flags)
    if arguments.use_deepspeed:
        arguments.deepspeed_fields_from_accelerate_config = ""  # only matters with a `deepspeed_config_file`
        return prepare_deepspeed_cmd_env(arguments)[1]
    if arguments.use_fsdp or arguments.multi_gpu:
        return prepare_multi_gpu_env(arguments)
    return prepare_simple_launcher_cmd_env(arguments)[1]


@pytest.fixture
def in_process(monkeypatch):
    """`in_process(name)`: this process gets the environment of one that the file starts."""

    def enter(name, *flags):
        for key, value in environment(name, "--main_process_port", "0", *flags).items():
            if os.environ.get(key) != value:
                monkeypatch.setenv(key, value)

    return enter


def test_each_file_names_its_engine():
    assert {name: load_config_from_file(str(FOLDER / name)).distributed_type for name in FILES} == ENGINES


@pytest.mark.parametrize("name", FILES)
def test_accelerate_knows_every_key(name):
    flags = vars(launch_command_parser().parse_args(["train.py"]))
    config = yaml.safe_load((FOLDER / name).read_text())
    for section, prefix in SECTIONS.items():  # accelerate takes any key here, and says nothing of those it ignores
        for key in config.pop(section, {}):
            assert (key if key.startswith(prefix) else prefix + key) in flags, key
    load_config_from_file(str(FOLDER / name))  # raises for the others


@pytest.mark.parametrize("name", FILES)
def test_the_command_of_the_comment_is_understood(name):
    comment = [line.removeprefix("#") for line in (FOLDER / name).read_text().splitlines() if line.startswith("#")]
    command = " ".join(comment).split("accelerate launch")[1].split("scripts/")[0].replace("\\", " ").split()
    assert command[:2] == ["--config_file", f"configs/accelerate/{name}"]
    arguments = launch_arguments(name, *command[2:])
    assert arguments.training_script == "train.py"


@pytest.mark.parametrize("name", FILES)
def test_the_training_arguments_decide_the_precision(name, in_process, tmp_path):
    assert environment(name, "--machine_rank", "1")["ACCELERATE_MIXED_PRECISION"] == "no"
    if ENGINES[name] is DistributedType.DEEPSPEED:
        pytest.importorskip("deepspeed")
    in_process(name, "--machine_rank", "1")
    for flags, precision in (({"bf16": True}, "bf16"), ({"fp16": True}, "fp16"), ({"bf16": False}, "no")):
        arguments = VideoMAETrainingArguments(output_dir=str(tmp_path), use_cpu=True, report_to=[], **flags)
        assert arguments.mixed_precision == precision


@pytest.mark.parametrize(("name", "processes"), [("ddp.yaml", 8), ("fsdp2.yaml", 8), ("zero2.yaml", 8)])
def test_one_machine_starts_a_process_for_each_gpu(name, processes):
    assert launch_arguments(name).num_processes == processes
    arguments = launch_arguments(name, "--num_processes", "3", "--main_process_port", "0")
    prepare_multi_gpu_env(arguments)
    assert arguments.nproc_per_node == "3"


@pytest.mark.parametrize("name", ["ddp_nodes.yaml", "fsdp2_nodes.yaml", "zero2.yaml", "zero3.yaml"])
def test_several_machines_share_the_processes_and_meet_at_the_first(name):
    flags = "--num_machines 3 --num_processes 12 --machine_rank 2 --main_process_ip node7 --main_process_port 29511"
    arguments = launch_arguments(name, *flags.split())
    command = None
    if arguments.use_deepspeed:
        arguments.deepspeed_fields_from_accelerate_config = ""
        command, _ = prepare_deepspeed_cmd_env(arguments)
    else:
        prepare_multi_gpu_env(arguments)
    assert command is None  # torchrun on each machine, not DeepSpeed's own launcher over ssh
    assert (arguments.nnodes, arguments.nproc_per_node, arguments.node_rank) == ("3", "4", 2)
    assert arguments.rdzv_endpoint == "node7:29511"


@pytest.mark.parametrize("name", ["ddp_nodes.yaml", "fsdp2_nodes.yaml"])
def test_the_files_for_several_machines_have_two_and_a_port(name):
    arguments = launch_arguments(name)
    assert (arguments.num_machines, arguments.num_processes, arguments.main_process_port) == (2, 16, 29500)


@pytest.mark.parametrize("name", SHARDED)
def test_fsdp2_shards_the_blocks_and_leaves_whole_models(name, in_process):
    in_process(name, "--machine_rank", "1")
    plugin = FullyShardedDataParallelPlugin()
    assert plugin.fsdp_version == 2
    assert plugin.reshard_after_forward is True  # the weights are shards between the passes, as in ZeRO-3
    assert plugin.state_dict_type is StateDictType.FULL_STATE_DICT  # else `Trainer.save_model` writes nothing
    assert plugin.cpu_ram_efficient_loading is False
    assert plugin.activation_checkpointing is False
    assert type(plugin.cpu_offload) is OffloadPolicy  # the one that does not offload
    assert plugin.transformer_cls_names_to_wrap == [VideoMAELayer.__name__]


@pytest.mark.parametrize("name", SHARDED)
@pytest.mark.parametrize(("model_class", "blocks"), [(VideoMAEForPreTraining, 3), (VideoMAEForVideoClassification, 2)])
def test_accelerate_finds_the_blocks_to_wrap(name, model_class, blocks, in_process, tiny_config):
    in_process(name, "--machine_rank", "1")
    model = model_class(tiny_config())
    plugin = FullyShardedDataParallelPlugin()
    plugin.set_auto_wrap_policy(model)
    policy = plugin.auto_wrap_policy
    wrapped = [module for module in model.modules() if policy(module, recurse=False, nonwrapped_numel=1)]
    assert [type(module) for module in wrapped] == [VideoMAELayer] * blocks  # of the encoder, and of the decoder


@pytest.mark.parametrize(("name", "stage"), [("zero2.yaml", 2), ("zero3.yaml", 3)])
def test_deepspeed_leaves_to_the_training_arguments_what_is_theirs(name, stage, in_process):
    in_process(name)
    plugin = DeepSpeedPlugin()
    config = plugin.deepspeed_config
    assert config["zero_optimization"]["stage"] == stage
    assert config["zero_optimization"]["stage3_gather_16bit_weights_on_model_save"] is (stage == 3)
    assert config["zero_optimization"]["offload_optimizer"]["device"] == "none"
    assert config["zero_optimization"]["offload_param"]["device"] == "none"
    theirs = ("train_batch_size", "train_micro_batch_size_per_gpu", "gradient_accumulation_steps", "gradient_clipping")
    assert {key: config[key] for key in theirs} == dict.fromkeys(theirs, "auto")
    assert "optimizer" not in config and "scheduler" not in config  # ours: layer decay, and the official schedule


@pytest.mark.parametrize("name", ZERO)
def test_transformers_fills_in_the_training_arguments(name, in_process, tmp_path):
    pytest.importorskip("deepspeed")
    from transformers.integrations import HfTrainerDeepSpeedConfig

    in_process(name)
    arguments = VideoMAETrainingArguments(
        output_dir=str(tmp_path),
        use_cpu=True,
        bf16=True,
        per_device_train_batch_size=3,
        gradient_accumulation_steps=5,
        max_grad_norm=0.02,
        report_to=[],
    )
    config = HfTrainerDeepSpeedConfig(arguments.deepspeed_plugin.deepspeed_config)
    config.trainer_config_process(arguments)
    assert config.mismatches == []
    assert config.get_value("train_micro_batch_size_per_gpu") == 3
    assert config.get_value("gradient_accumulation_steps") == 5
    assert config.get_value("train_batch_size") == 15
    assert config.get_value("gradient_clipping") == 0.02
    assert config.get_value("bf16.enabled") is True
    assert config.dtype() is torch.bfloat16


def test_the_page_tells_the_memory_that_the_engines_take():
    rows = re.findall(r"^\| (\w+) \| ([\d. |]+) \|$", (ROOT / "docs" / "distributed.md").read_text(), re.MULTILINE)
    assert len(rows) == 5
    for name, numbers in rows:
        with torch.device("meta"):
            model = VideoMAEForPreTraining(VideoMAEConfig.preset(name))
        parameters = sum(parameter.numel() for parameter in model.parameters())
        millions, alone, copied, sharded = map(float, numbers.split("|"))
        assert millions == pytest.approx(parameters / 1e6, abs=0.06)
        assert alone == pytest.approx(16 * parameters / 1e9, abs=0.06)  # GB: weights, gradients, AdamW's two averages
        assert copied == pytest.approx(20 * parameters / 1e9, abs=0.06)  # and buckets of gradients
        assert sharded == pytest.approx(16 * parameters / 8 / 1e9, abs=0.006)


# ---- on GPUs ----

TRAINING = (
    "--model small --image_size 24 32 --num_frames 4 --patch_size 8 --hidden_size 12 --num_hidden_layers 2 "
    "--num_attention_heads 3 --intermediate_size 20 --decoder_hidden_size 10 --decoder_num_hidden_layers 1 "
    "--decoder_num_attention_heads 5 --decoder_intermediate_size 14 --mask_ratio 0.75 --frame_stride 3 "
    "--health_epochs 0 --num_train_epochs 3 --warmup_epochs 1 --base_learning_rate 0.05 --total_batch 4 "
    "--per_device_train_batch_size 1 --bf16 false --logging_steps 1 --save_strategy steps --save_steps 1 "
    "--dataloader_num_workers 0 --disable_tqdm true"
).split()
TRAINED_IN = {
    "ddp.yaml": "DistributedDataParallel",
    "fsdp2.yaml": "FSDPVideoMAEForPreTraining",
    "zero2.yaml": "DeepSpeedEngine",
    "zero3.yaml": "DeepSpeedEngine",
}


def launch(name, processes, output, *argv):
    """`accelerate launch` with the file; what the first process trained in, see tests/witness.py."""
    program = [WITNESS, f"{output}-rank", ROOT / "scripts" / "run_pretraining.py", "--output_dir", output]
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", FOLDER / name]
    command += ["--num_processes", processes, "--main_process_port", 0, *program, *TRAINING, *argv]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    result = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(Path(f"{output}-rank0").read_text())


def losses_of(folder):
    log = json.loads((folder / "trainer_state.json").read_text())["log_history"]
    return [line["loss"] for line in log if "loss" in line]


@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINED_IN)
def test_the_engine_trains_and_resumes_as_ddp_alone_does(name, tiny_clip, tmp_path):
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA GPU")
    if ENGINES[name] is DistributedType.DEEPSPEED:
        pytest.importorskip("deepspeed")
    processes = min(torch.cuda.device_count(), 2)  # one GPU is enough to start an engine, two to shard with it
    for number in range(8):
        data = tiny_clip(f"videos/{number}.mp4", num_frames=20 + number).parent
    argv = ["--data", data]
    launch("ddp.yaml", 1, tmp_path / "alone", *argv)
    witness = launch(name, processes, tmp_path / "together", *argv)
    assert (witness["model"], witness["world_size"]) == (TRAINED_IN[name], processes)
    assert "nccl" in witness["backend"]
    assert witness["sharded"] == (witness["parameters"] if ENGINES[name] is DistributedType.FSDP else 0)
    losses = losses_of(tmp_path / "together")
    assert len(losses) == 6
    assert losses == pytest.approx(losses_of(tmp_path / "alone"), rel=1e-4)
    VideoMAEForPreTraining.from_pretrained(tmp_path / "together")  # strict: every weight is there, in its shape
    launch(name, processes, tmp_path / "resumed", *argv, "--resume", tmp_path / "together" / "checkpoint-3")
    assert losses_of(tmp_path / "resumed") == pytest.approx(losses, rel=1e-5)
