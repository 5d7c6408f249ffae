# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Measure, on your own files and machine, what the training will wait for.

    videomae benchmark                                  # the subjects there are
    videomae benchmark data videos                      # clips a second from a folder or list of videos
    videomae benchmark data videos --prepared small     # and from the copies that `videomae prepare videos small` made
    videomae benchmark data videos --model runs/pretrain --model_clips_per_second 350
    videomae benchmark data videos --output data.json --json

`data` takes a handful of the videos and measures in one run, in rounds of everything in turn: where the time of a clip
goes (opening, decoding, converting to RGB, cropping, collating), for this loader and for two others, the official
program's steps (decord and Pillow, where decord is installed) and transformers' own reader and processor; what one
loader worker gives; and what more of them give. Then it says whether the training would wait for data, at which
number of workers, and whether `videomae prepare` and `--repeats` would help. Without --prepared, copies of the videos
are made in a temporary folder, for 20 seconds at most.

Ratios within one run hold on a busy machine, too; clips a second are those of this moment.

Exit code 0: measured; 2: no videos, or some that can not be read, which are named.
"""

import argparse
import json
import sys
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from videomae import cli
from videomae.arguments import PRESETS

SECONDS_TO_PREPARE = 20


def numbers(text: str) -> list[int]:
    """The integers of "1,4"."""
    return sorted({int(part) for part in text.split(",")})


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SRC", help="folder or list of videos")
    parser.add_argument("--prepared", metavar="DST", help="folder that `videomae prepare SRC DST` made")
    parser.add_argument("--no_prepare", action="store_true", help="make no temporary copies, measure originals alone")
    parser.add_argument("--model", default="base", help=f"{', '.join(PRESETS)} or a checkpoint (default: base)")
    parser.add_argument("--finetune", action="store_true", help="clips for fine-tuning instead of pre-training")
    parser.add_argument("--frame_stride", type=int, help="default: the checkpoint's, or 4")
    parser.add_argument("--repeats", type=numbers, default=[1, 4], help="clips of one decode (default: 1,4)")
    parser.add_argument(
        "--num_workers", type=numbers, help="worker counts to try (default: 0,1,2,4 … and the number of cores)"
    )
    parser.add_argument("--batch_size", type=int, default=8, help="videos of a batch (default: 8)")
    parser.add_argument("--num_videos", type=int, default=8, help="videos that are measured (default: 8)")
    parser.add_argument("--seconds", type=float, default=3, help="for each measurement (default: 3)")
    speed = parser.add_mutually_exclusive_group()
    speed.add_argument("--model_clips_per_second", type=float, help="what your training step takes, if you know it")
    speed.add_argument("--device", help="time the step on it: cpu, cuda … (default: a GPU where there is one)")
    parser.add_argument("--output", type=Path, help="JSON file for all numbers")
    parser.add_argument("--json", action="store_true", help="print all numbers as JSON")


def complaints(arguments: argparse.Namespace) -> list[str]:
    """What is wrong with the numbers of the command line."""
    wrong = [
        f"--{name} is {getattr(arguments, name)}, wanted more than 0"
        for name in ("frame_stride", "batch_size", "num_videos", "seconds", "model_clips_per_second")
        if getattr(arguments, name) is not None and getattr(arguments, name) <= 0
    ]
    if min(arguments.repeats) < 1:
        wrong.append(f"--repeats has {min(arguments.repeats)}, wanted at least 1")
    if arguments.num_workers and min(arguments.num_workers) < 0:
        wrong.append(f"--num_workers has {min(arguments.num_workers)}, wanted at least 0")
    return wrong


def model_speed(arguments: argparse.Namespace, config) -> tuple[float, str]:
    """(clips a second, where that number is from)."""
    import torch

    from videomae.advice import ASSUMED_SPEED

    if arguments.model_clips_per_second:
        return arguments.model_clips_per_second, "--model_clips_per_second"
    device = arguments.device or ("cuda" if torch.cuda.is_available() else None)
    if device is None:
        return ASSUMED_SPEED, "assumed: ViT-B's pre-training on one GPU of today"
    from videomae.step_speed import step_clips_per_second

    batch_size = 2 if device == "cpu" else 32
    speed = step_clips_per_second(config, device=device, batch_size=batch_size, finetune=arguments.finetune)
    return speed, f"measured on {device}, {batch_size} clips a step"


def benchmark_data(arguments: argparse.Namespace) -> dict:
    """The report on the data path, advice included."""
    if wrong := complaints(arguments):
        raise ValueError("\n".join(wrong))

    from tqdm import tqdm

    from videomae import advice, benchmark, copies
    from videomae.configuration_videomae import VideoMAEConfig
    from videomae.data import make_processor
    from videomae.listing import load_videos

    splits = load_videos(arguments.source, labels=False)
    videos = splits["train" if "train" in splits else next(iter(splits))]["video"]
    videos = benchmark.choose_videos(videos, arguments.num_videos)
    checkpoint = None if arguments.model in PRESETS else arguments.model
    read_config = VideoMAEConfig.preset if checkpoint is None else VideoMAEConfig.from_pretrained
    config = read_config(arguments.model)
    with ExitStack() as stack:
        prepare = None
        if arguments.prepared:
            prepare = partial(copies.existing_copies, source=arguments.source, prepared=arguments.prepared)
        elif not arguments.no_prepare:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="videomae-benchmark-"))
            prepare = partial(copies.temporary_copies, folder=folder, seconds=SECONDS_TO_PREPARE)
        report = benchmark.benchmark_data(
            videos,
            config=config,
            processor=make_processor(config, checkpoint, frame_stride=arguments.frame_stride),
            prepare=prepare,
            repeats=arguments.repeats,
            finetune=arguments.finetune,
            worker_counts=arguments.num_workers or benchmark.default_worker_counts(),
            batch_size=arguments.batch_size,
            seconds=arguments.seconds,
            progress=partial(tqdm, desc="measure", unit="round", leave=False),
        )
    speed, source = model_speed(arguments, config)
    report["model"] = {"name": arguments.model, "clips_per_second": speed, "source": source}
    report["advice"] = advice.advise(report, model_speed=speed, source=source)
    return report


# subject: (its flags, its measurement, which gives a report for JSON and for `advice.report_text`, its line)
SUBJECTS = {"data": (add_data_arguments, benchmark_data, "clips a second from your videos to collated batches")}


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    subjects = parser.add_subparsers(dest="subject", metavar="SUBJECT", title="subjects")
    for name, (add_arguments, _, line) in SUBJECTS.items():
        add_arguments(subjects.add_parser(name, help=line, description=line))
    return parser


def main(argv: list[str] | None = None) -> int:
    parser = build_parser()
    arguments = parser.parse_args(argv)
    if arguments.subject is None:
        parser.print_help(sys.stderr)
        return 2
    report = SUBJECTS[arguments.subject][1](arguments)

    from videomae.advice import report_text
    from videomae.files import write_json

    if arguments.output:
        write_json(arguments.output, report)
    print(json.dumps(report) if arguments.json else report_text(report))
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
