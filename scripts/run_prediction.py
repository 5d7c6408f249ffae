# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Classify videos: the best labels of each, with their scores.

    videomae predict runs/finetune clip.mp4
    videomae predict runs/finetune folder/ 'more/**/*.webm' --views 5x3 --top_k 3 --json
    videomae predict runs/finetune https://example.org/clip.mp4 list.csv
    find videos -name '*.mp4' -mtime -1 | videomae predict runs/finetune --stdin --json > today.jsonl

A video is a file, an http(s) address, a folder of frames (pictures), or an array (.npy, .npz); other folders are
searched through for videos, lists (csv, tsv, txt, jsonl) name theirs, and a pattern means what fits it. Frames, size
and statistics are the checkpoint's own; one view is the middle of the video. The score of one class out of many is its
probability; a model of several labels at once (multi-label) gives those that are likely, each with its own
probability; one of numbers (regression) gives the numbers. --official_resize is that of `videomae evaluate`.

A video that can not be read or does not fit the model, by its channels for example, is named on stderr and the others
go on; the exit code is then 2, and --json prints an object with its error. What happens when in a long or live video:
`videomae watch`.
"""

import argparse
import json
import sys

from videomae import cli


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="folder or Hub name of a fine-tuned checkpoint")
    parser.add_argument("videos", nargs="*", help="files, folders, lists, patterns and addresses")
    parser.add_argument("--stdin", action="store_true", help="also those named on standard input, one a line")
    parser.add_argument("--views", default="1x1", help="SEGMENTSxCROPS of each video (default: 1x1)")
    parser.add_argument("--top_k", type=int, default=5, help="labels of each video, at most (default: 5)")
    parser.add_argument(
        "--threshold", type=float, help="leave out labels of a lower score (default: 0.5 if multi-label, else none)"
    )
    parser.add_argument("--num_workers", type=int, default=2, help="processes that decode several videos (default: 2)")
    parser.add_argument(
        "--official_resize", action="store_true", help="resize frames without antialiasing, as the authors' code does"
    )
    parser.add_argument("--device", help="cpu, cuda, cuda:1 … (default: a GPU where there is one)")
    parser.add_argument("--json", action="store_true", help="print one JSON object for each video, a line each")
    return parser


def check(arguments: argparse.Namespace) -> None:
    """Raises ValueError."""
    if arguments.top_k < 1:
        raise ValueError(f"--top_k is {arguments.top_k}, wanted at least 1")
    if arguments.threshold is not None and not 0 <= arguments.threshold <= 1:
        raise ValueError(f"--threshold is {arguments.threshold}, wanted 0 to 1 (0.8 for 80 %)")
    if arguments.num_workers < 0:
        raise ValueError(f"--num_workers is {arguments.num_workers}, wanted at least 0")


def described(labels: list[dict], problem_type: str) -> str:
    """One line for people: shares in percent, predicted numbers as they are."""
    if problem_type == "regression":
        return ", ".join(f"{entry['label']} {entry['score']:g}" for entry in labels)
    return ", ".join(f"{entry['label']} {100 * entry['score']:.1f} %" for entry in labels) or "no label"


def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)

    from videomae.evaluation import parse_views

    num_segments, num_crops = parse_views(arguments.views)
    check(arguments)

    from videomae.named_videos import find_named_videos

    read = [line.strip() for line in sys.stdin] if arguments.stdin else []
    videos = find_named_videos([*arguments.videos, *filter(None, read)])

    from tqdm import tqdm

    from videomae.inference import load_checkpoint, predict_videos
    from videomae.metrics import known_problem_type
    from videomae.video import VideoDecodeError

    model, processor = load_checkpoint(arguments.model, device=arguments.device)
    if arguments.official_resize:
        processor = processor.adapted_to(model.config, antialias=False)
    problem_type = known_problem_type(model.config.problem_type, model.config.num_labels)
    predictions = predict_videos(
        model,
        processor,
        videos,
        num_segments=num_segments,
        num_crops=num_crops,
        top_k=arguments.top_k,
        threshold=arguments.threshold,
        num_workers=arguments.num_workers if len(videos) > 1 else 0,
    )
    # On a terminal the answers themselves show how far it is.
    is_hidden = len(videos) == 1 or sys.stdout.isatty() or None
    unreadable = 0
    shown = tqdm(predictions, total=len(videos), unit="video", disable=is_hidden)
    for video, labels in zip(videos, shown, strict=True):
        if isinstance(labels, VideoDecodeError):
            unreadable += 1
            print(f"error: {labels}", file=sys.stderr)
            if arguments.json:
                print(json.dumps({"video": video, "error": labels.reason}), flush=True)
        elif arguments.json:
            print(json.dumps({"video": video, "labels": labels}), flush=True)
        else:
            print(f"{video}: {described(labels, problem_type)}", flush=True)
    if unreadable and len(videos) > 1:
        print(f"{unreadable} of {len(videos)} videos could not be read", file=sys.stderr)
    return 2 if unreadable else 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
