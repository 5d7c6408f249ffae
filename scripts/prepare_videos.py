# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Copy a data set so that training reads it fast: short side 256, every frame a key frame.

    videomae prepare videos small                      # a folder, or a csv, tsv, txt or jsonl list of videos
    videomae prepare videos small --num_workers 8      # in eight processes
    videomae prepare videos small --short_side 320 --crf 17

A folder of frames (RGB pictures of 8 bits) becomes a video of --folder_fps frames a second. Arrays (.npy, .npz) and
pictures of other channels or types fit into no mp4, and videos that are in the rows of parquet files have no path: the
former are named in bad.csv, the latter are an error.

Frame i of a copy is frame i of its original, at the same time, with the same colours, upright. Folders (classes,
train, val, test) and lists stay as they are, with the new paths in the lists; audio is gone. Videos are never made
larger, and frame rates stay. Every copy is decoded again: the number of frames must agree, and frames of it may not
differ from the original by more than --min_psnr allows.

A video that can not be copied, or takes longer than --time_limit, is named in DST/bad.csv with the reason, left out of
the lists, and stops nothing. A call that was interrupted goes on where it was; originals that have changed since are
copied again. At the end: the space taken before and after, and how long reading a clip takes from either.

Exit code 0: all videos have a copy; 1: some have none; 2: the work could not be done.
"""

import argparse
import json
import sys

from videomae import cli


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", metavar="SRC", help="folder or list of videos")
    parser.add_argument("destination", metavar="DST", help="folder for the copies: new, or of an earlier call")
    parser.add_argument("--short_side", type=int, default=256, help="pixels at most (default: 256)")
    parser.add_argument(
        "--crf", type=int, default=20, help="quality: 17 is better and larger, 23 worse and smaller (default: 20)"
    )
    parser.add_argument(
        "--min_psnr", type=float, default=25, help="dB that each compared frame must reach (default: 25)"
    )
    parser.add_argument(
        "--folder_fps", type=float, default=25, help="frames a second of copies of folders of frames (default: 25)"
    )
    parser.add_argument("--num_workers", type=int, help="processes that work (default: the cores there are)")
    parser.add_argument("--time_limit", type=float, default=1800, help="seconds for one video (default: 1800)")
    parser.add_argument(
        "--again", nargs="?", const="all", choices=("all", "bad"), help="copy again what already has a result"
    )
    parser.add_argument("--json", action="store_true", help="print the totals as JSON")
    return parser


def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)

    from tqdm import tqdm

    from videomae.children import available_cores
    from videomae.preparation import Preparation, totals_text
    from videomae.transcoding import Encoding

    num_workers = available_cores() if arguments.num_workers is None else arguments.num_workers
    if num_workers < 1:
        raise ValueError(f"--num_workers is {num_workers}, wanted at least 1")
    settings = {name: getattr(arguments, name) for name in ("short_side", "crf", "min_psnr", "folder_fps")}
    encoding = Encoding(**settings)
    preparation = Preparation(arguments.source, arguments.destination, encoding, again=arguments.again)
    running = preparation.run(num_workers=num_workers, time_limit=arguments.time_limit)
    done = len(preparation) - len(preparation.todo)
    try:
        for _ in tqdm(running, total=len(preparation), initial=done, desc="prepare", unit="video"):
            pass
    except KeyboardInterrupt:
        print(f"{len(preparation.results)} of {len(preparation)} done; the same command goes on", file=sys.stderr)
        raise
    totals = {**preparation.summary(), "lists": preparation.write_lists(), **preparation.measure_reading()}
    print(json.dumps(totals) if arguments.json else totals_text(totals, preparation.destination))
    return 0 if totals["copies"] == totals["videos"] else 1


if __name__ == "__main__":
    sys.exit(cli.run(main))
