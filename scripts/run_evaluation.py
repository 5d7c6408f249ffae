# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Measure a classifier on labelled videos.

One view of each video, as in validation during training:
    videomae evaluate runs/finetune videos

The protocol of the paper, five segments of three crops each (Something-Something: 2x3):
    videomae evaluate runs/finetune videos --split test --views 5x3

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
    parser.add_argument("--split", help="train, validation or test; default: test, else validation, else all there is")
    parser.add_argument("--views", default="1x1", help="SEGMENTSxCROPS of each video (default: 1x1)")
    parser.add_argument("--output_dir", type=Path, help="where metrics.json goes")
    parser.add_argument("--num_workers", type=int, default=2, help="processes that decode (default: 2)")
    parser.add_argument("--device", help="cpu, cuda, cuda:1 … (default: a GPU where there is one)")
    parser.add_argument("--json", action="store_true", help="print the metrics as JSON")
    return parser


def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)

    from videomae.evaluation import parse_views

    num_segments, num_crops = parse_views(arguments.views)

    import torch
    from tqdm import tqdm

    from videomae.evaluation import accuracy_metrics, score_videos
    from videomae.evaluation_data import open_evaluation_videos
    from videomae.files import write_json
    from videomae.inference import load_checkpoint

    model, processor = load_checkpoint(arguments.model, device=arguments.device)
    processor.check_views(num_segments, num_crops)  # before the videos are listed
    names = [model.config.id2label[index] for index in range(model.config.num_labels)]
    found = open_evaluation_videos(arguments.data, names, split=arguments.split, root=arguments.data_root)

    scores = score_videos(
        model,
        processor,
        found.videos,
        num_segments=num_segments,
        num_crops=num_crops,
        num_workers=arguments.num_workers,
    )
    views = f"{num_segments}x{num_crops}"
    scores = torch.stack(list(tqdm(scores, total=len(found), desc=f"{views} views", unit="video")))
    metrics = accuracy_metrics(scores, found.labels)
    metrics |= {"split": found.split, "views": views, "model": arguments.model, "data": arguments.data}

    if arguments.output_dir:
        write_json(arguments.output_dir / "metrics.json", metrics)
    if arguments.json:
        print(json.dumps(metrics))
    else:
        print(
            f"{metrics['num_videos']} videos of {found.split}, {views} views each: "
            f"top-1 {metrics['top1']:.2f} %, top-5 {metrics['top5']:.2f} %, "
            f"mean class accuracy {metrics['mean_class_accuracy']:.2f} %"
        )
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
