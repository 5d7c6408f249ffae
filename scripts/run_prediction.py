# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Classify videos: the best labels of each, with their scores.

    videomae predict runs/finetune clip.mp4
    videomae predict runs/finetune folder/ *.webm --views 5x3 --top_k 3 --json

Frames, size and statistics are the checkpoint's own; one view is the middle of the video. A file that can not be read
is named on stderr and the others go on; the exit code is then 1.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from videomae import cli


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="folder or Hub name of a fine-tuned checkpoint")
    parser.add_argument("videos", nargs="+", help="files, folders (searched through) and URLs")
    parser.add_argument("--views", default="1x1", help="SEGMENTSxCROPS of each video (default: 1x1)")
    parser.add_argument("--top_k", type=int, default=5, help="labels of each video (default: 5)")
    parser.add_argument("--device", help="cpu, cuda, cuda:1 … (default: a GPU where there is one)")
    parser.add_argument("--json", action="store_true", help="print one JSON object for each video, a line each")
    return parser


def expanded(videos: list[str]) -> Iterator[str]:
    """The videos, with those of a folder in its place. Raises ValueError for a folder without videos."""
    from videomae.video import VIDEO_EXTENSIONS

    for video in videos:
        if not Path(video).is_dir():
            yield video
            continue
        found = sorted(path for path in Path(video).rglob("*") if path.suffix.lower() in VIDEO_EXTENSIONS)
        if not found:
            raise ValueError(f"{video}: no videos in this folder (looked for {', '.join(sorted(VIDEO_EXTENSIONS))})")
        yield from map(str, found)


def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)

    from videomae.evaluation import parse_views

    num_segments, num_crops = parse_views(arguments.views)
    if arguments.top_k < 1:
        raise ValueError(f"--top_k is {arguments.top_k}, wanted at least 1")
    videos = list(expanded(arguments.videos))

    from videomae.inference import load_checkpoint, predict
    from videomae.video import VideoDecodeError

    model, processor = load_checkpoint(arguments.model, device=arguments.device)
    unreadable = 0
    for video in videos:
        try:
            labels = predict(
                model, processor, video, num_segments=num_segments, num_crops=num_crops, top_k=arguments.top_k
            )
        except VideoDecodeError as error:
            unreadable += 1
            print(f"error: {error}", file=sys.stderr)
            continue
        if arguments.json:
            print(json.dumps({"video": video, "labels": labels}), flush=True)
        else:
            best = ", ".join(f"{entry['label']} {100 * entry['score']:.1f} %" for entry in labels)
            print(f"{video}: {best}", flush=True)
    if unreadable == len(videos):
        return 2
    return 1 if unreadable else 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
