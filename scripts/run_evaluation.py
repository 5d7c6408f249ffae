# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Measure a classifier on labelled videos.

One view of each video, as in validation during training:
    videomae evaluate runs/finetune videos

The protocol of the paper, five segments of three crops each (Something-Something: 2x3), and what fewer views give:
    videomae evaluate runs/finetune videos --split test --views 5x3 --per_views
    videomae evaluate runs/finetune videos --recipe finetune_k400_base_1600

The scores of each video in a file, with which an evaluation that was interrupted goes on:
    videomae evaluate runs/finetune videos --views 5x3 --results scores.csv --output_dir runs/evaluation

A classifier of K710 on the videos of K400, compared over their classes alone:
    videomae evaluate k710 kinetics400 --classes data

On several GPUs, each of which looks at its share of the videos:
    accelerate launch --multi_gpu --num_processes 8 scripts/run_evaluation.py runs/finetune videos --views 5x3

Videos are a folder, a list, parquet, tar shards ('shards/*.tar') or a data set of the Hub (hf:owner/name), which is
downloaded first. Frames, size and statistics are the checkpoint's own, and so are the classes: they are matched by
name; integers in a list are the model's indices. Metrics follow the model's problem type: accuracies, mAP for several
classes a video, errors of numbers. Writes metrics.json into --output_dir, if given, and of one class a video
confusion_matrix.csv, the same drawn (confusion_matrix.png) and the accuracy of each class (class_accuracy.png). Exit
code: 0; 2 for wrong input, and where a video is missing or can not be read: all of them are named, and the metrics are
those of the others.
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
    parser.add_argument("--label_map", help='JSON file {"label of the data": "class of the model"} where names differ')
    parser.add_argument(
        "--classes",
        choices=("model", "data"),
        default="model",
        help="classes that are compared: all of the model, or those that occur in the data (default: model)",
    )
    views = parser.add_mutually_exclusive_group()
    views.add_argument("--views", default="1x1", help="SEGMENTSxCROPS of each video (default: 1x1)")
    views.add_argument("--recipe", help="the views of this recipe's test (`videomae recipes` lists them)")
    parser.add_argument(
        "--per_views", action="store_true", help="also the metrics of fewer views, from the same decode"
    )
    parser.add_argument("--protocol", choices=("dense", "uniform"), help="sampling (default: the checkpoint's)")
    parser.add_argument(
        "--official_resize", action="store_true", help="resize frames without antialiasing, as the authors' code does"
    )
    parser.add_argument(
        "--results", help="file (csv or parquet) of each video's scores; one that is there is continued"
    )
    parser.add_argument("--output_dir", type=Path, help="where metrics.json, confusion_matrix and class_accuracy go")
    parser.add_argument("--num_workers", type=int, default=2, help="processes that decode (default: 2)")
    parser.add_argument(
        "--views_per_forward", type=int, default=4, help="views that go through the network together (default: 4)"
    )
    parser.add_argument("--device", help="cpu, cuda, cuda:1 … (default: a GPU where there is one)")
    parser.add_argument("--json", action="store_true", help="print the metrics as JSON")
    return parser


def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)

    from videomae.evaluation import parse_views
    from videomae.recipes import find_recipe

    views = find_recipe(arguments.recipe, "finetune").views if arguments.recipe else arguments.views
    num_segments, num_crops = parse_views(views)
    if arguments.views_per_forward < 1:
        raise ValueError(f"--views_per_forward is {arguments.views_per_forward}, wanted at least 1")

    from accelerate import PartialState

    from videomae.classes import with_classes
    from videomae.evaluation_data import of_their_classes, open_evaluation_videos
    from videomae.inference import load_checkpoint
    from videomae.label_maps import read_label_map
    from videomae.measurement import describe, describe_videos, measure, write_measurement
    from videomae.metrics import known_problem_type

    process = PartialState(cpu=arguments.device == "cpu")
    model, processor = load_checkpoint(arguments.model, device=arguments.device)
    settings = {"sampling": arguments.protocol} if arguments.protocol else {}
    settings |= {"antialias": False} if arguments.official_resize else {}
    processor = processor.adapted_to(model.config, **settings)
    processor.check_views(num_segments, num_crops)  # before the videos are listed
    names = [model.config.id2label[index] for index in range(model.config.num_labels)]
    problem_type = known_problem_type(model.config.problem_type, len(names))
    if (arguments.label_map or arguments.classes == "data") and problem_type != "single_label_classification":
        raise ValueError(f"--label_map and --classes are for one class a video, the model is of {problem_type}")
    videos = open_evaluation_videos(
        arguments.data,
        names,
        problem_type=problem_type,
        split=arguments.split,
        root=arguments.data_root,
        exclude=arguments.exclude,
        label_map=read_label_map(arguments.label_map) if arguments.label_map else None,
    )
    if arguments.classes == "data":
        names, videos = of_their_classes(videos, names)
        if len(names) < model.config.num_labels and process.is_main_process:
            print(
                f"warning: only the {len(names)} classes that occur in the split are compared, of "
                f"{model.config.num_labels} that the model knows, so that accuracies tend to be higher",
                file=sys.stderr,
            )
        model = with_classes(model, names).to(model.device).eval()
    found = measure(
        model,
        processor,
        videos,
        num_segments=num_segments,
        num_crops=num_crops,
        per_views=arguments.per_views,
        num_workers=arguments.num_workers,
        views_per_forward=arguments.views_per_forward,
        results=arguments.results,
    )
    found.metrics |= {"model": arguments.model, "data": arguments.data}
    if process.is_main_process:
        if arguments.output_dir:
            write_measurement(arguments.output_dir, found, names)
        print(json.dumps(found.metrics) if arguments.json else describe(found.metrics))
        print(describe_videos(found.metrics), file=sys.stderr if arguments.json else sys.stdout)
        if found.unreadable:
            print(f"error: {len(found.unreadable)} of {len(videos)} videos have no score:", file=sys.stderr)
            print("\n".join(f"- {row['path']}: {row['error']}" for row in found.unreadable), file=sys.stderr)
    return 2 if found.unreadable else 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
