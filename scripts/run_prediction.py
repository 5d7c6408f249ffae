# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Classify videos: the best labels of each, with their scores.

    videomae predict runs/finetune clip.mp4
    videomae predict runs/finetune folder/ *.webm --views 5x3 --top_k 3 --json
    videomae predict runs/finetune list.csv

A video is a file, a folder of frames (pictures), or an array (.npy, .npz); other folders are searched through for
videos, and lists (csv, tsv, txt, jsonl) name theirs. Frames, size and statistics are the checkpoint's own; one view is
the middle of the video. A video that can not be read or does not fit the model, by its channels for example, is named
on stderr and the others go on; the exit code is then 1, or 2 if there is no other.
"""

import argparse
import json
import sys
from pathlib import Path

from videomae import cli


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="folder or Hub name of a fine-tuned checkpoint")
    parser.add_argument("videos", nargs="+", help="files, folders, lists and URLs")
    parser.add_argument("--views", default="1x1", help="SEGMENTSxCROPS of each video (default: 1x1)")
    parser.add_argument("--top_k", type=int, default=5, help="labels of each video (default: 5)")
    parser.add_argument("--device", help="cpu, cuda, cuda:1 … (default: a GPU where there is one)")
    parser.add_argument("--json", action="store_true", help="print one JSON object for each video, a line each")
    return parser


def expanded(source: str) -> list[str]:
    """The videos of a folder or list; anything else is itself one. Raises ValueError for a folder or list of none."""
    from videomae.folders import VIDEO_FILES, find_videos
    from videomae.listing import find_paths
    from videomae.lists import LIST_EXTENSIONS

    if Path(source).suffix.lower() in LIST_EXTENSIONS and Path(source).is_file():
        return [path for paths in find_paths(source).values() for path in paths]
    if not Path(source).is_dir():
        return [source]
    if not (found := find_videos(source)):
        kinds = " ".join(sorted(VIDEO_FILES))
        raise ValueError(f"{source}: no videos in this folder ({kinds}, or folders of pictures)")
    return found


def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)

    from videomae.evaluation import parse_views

    num_segments, num_crops = parse_views(arguments.views)
    if arguments.top_k < 1:
        raise ValueError(f"--top_k is {arguments.top_k}, wanted at least 1")
    videos = [video for source in arguments.videos for video in expanded(source)]

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
