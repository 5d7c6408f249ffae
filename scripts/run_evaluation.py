# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Measure a classifier on labelled videos.

One view of each video, as in validation during training:
    videomae evaluate runs/finetune videos

The protocol of the paper, five segments of three crops each (Something-Something: 2x3):
    videomae evaluate runs/finetune videos --split test --views 5x3
    videomae evaluate runs/finetune videos --recipe finetune_k400_base_1600

On several GPUs, each of which looks at its share of the videos:
    accelerate launch --multi_gpu --num_processes 8 scripts/run_evaluation.py runs/finetune videos --views 5x3

Videos are a folder, a list, parquet, tar shards ('shards/*.tar') or a data set of the Hub (hf:owner/name), which is
downloaded first. Frames, size and statistics are the checkpoint's own, and so are the classes: they are matched by
name; integers in a list are the model's indices. All videos of the split are looked at. One that can not be read is an
error: accuracy over other videos would be another number. Writes metrics.json into --output_dir, if given.
"""

import argparse
import json
import sys
from pathlib import Path

from videomae import cli


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="folder or Hub name of a fine-tuned checkpoint")
    parser.add_argument("data", help="folder of videos (class/video.mp4), list, parquet, tar shards or hf:owner/name")
    parser.add_argument(
        "--data_root", help="folder that the paths of a list are relative to (default: the list's own)"
    )
    parser.add_argument("--exclude", help="videos to leave out: what `videomae scan` wrote, or a list of paths")
    parser.add_argument("--split", help="train, validation or test; default: test, else validation, else all there is")
    views = parser.add_mutually_exclusive_group()
    views.add_argument("--views", default="1x1", help="SEGMENTSxCROPS of each video (default: 1x1)")
    views.add_argument("--recipe", help="the views of this recipe's test (`videomae recipes` lists them)")
    parser.add_argument("--output_dir", type=Path, help="where metrics.json goes")
    parser.add_argument("--num_workers", type=int, default=2, help="processes that decode (default: 2)")
    parser.add_argument("--device", help="cpu, cuda, cuda:1 … (default: a GPU where there is one)")
    parser.add_argument("--json", action="store_true", help="print the metrics as JSON")
    return parser


def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)

    from videomae.evaluation import parse_views
    from videomae.recipes import find_recipe

    views = find_recipe(arguments.recipe, "finetune").views if arguments.recipe else arguments.views
    num_segments, num_crops = parse_views(views)

    from accelerate import PartialState

    from videomae.evaluation import describe, measure
    from videomae.evaluation_data import open_evaluation_videos
    from videomae.files import write_json
    from videomae.inference import load_checkpoint
    from videomae.metrics import known_problem_type

    process = PartialState(cpu=arguments.device == "cpu")
    model, processor = load_checkpoint(arguments.model, device=arguments.device)
    processor.check_views(num_segments, num_crops)  # before the videos are listed
    names = [model.config.id2label[index] for index in range(model.config.num_labels)]
    found = open_evaluation_videos(
        arguments.data,
        names,
        problem_type=known_problem_type(model.config.problem_type, len(names)),
        split=arguments.split,
        root=arguments.data_root,
        exclude=arguments.exclude,
    )
    metrics = measure(
        model,
        processor,
        found.videos,
        found.labels,
        split=found.split,
        num_segments=num_segments,
        num_crops=num_crops,
        num_workers=arguments.num_workers,
    )
    metrics |= {"model": arguments.model, "data": arguments.data}

    if process.is_main_process:
        if arguments.output_dir:
            write_json(arguments.output_dir / "metrics.json", metrics)
        print(json.dumps(metrics) if arguments.json else describe(metrics))
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
