# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Decode every video once: which of them can be used, and why not the others.

    videomae scan videos                       # a folder, or a csv, tsv, txt or jsonl list of videos
    videomae scan videos --num_workers 8       # decode in eight processes
    videomae scan videos --again bad           # those that were bad once more; `--again`: all of them

Writes SRC/scan.csv (for a list train.csv, train.scan.csv beside it), a line for each video: frames, size, codec,
duration, ok and the reason if not; and a .json of the same name, the totals with a fingerprint of each split. Paths in
the csv are relative to its folder, so that both move with the videos. Training leaves out what is not ok with
`--exclude videos/scan.csv`.

Video files are decoded by PyAV, which reports damage that torchcodec (VIDEOMAE_DECODER=torchcodec) passes over. Each
file is decoded in a child process that --time_limit ends: a file that hangs or crashes the decoder costs no more
than itself. A second call scans only what is new or has changed. A file that a list names and that does not exist is
one of the bad ones.

Exit code 0: all videos are ok; 1: some are bad; 2: nothing could be scanned.
"""

import argparse
import json
import sys
from pathlib import Path

from videomae import cli


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, metavar="SRC", help="folder or list of videos")
    parser.add_argument("--output", type=Path, help="the csv (default: scan.csv in SRC, or beside the list)")
    parser.add_argument("--num_workers", type=int, help="processes that decode (default: the cores there are)")
    parser.add_argument("--time_limit", type=float, default=600, help="seconds for one video (default: 600)")
    parser.add_argument(
        "--again", nargs="?", const="all", choices=("all", "bad"), help="scan again what the csv already has"
    )
    parser.add_argument("--json", action="store_true", help="print the totals as JSON")
    return parser


def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)

    from tqdm import tqdm

    from videomae.children import available_cores
    from videomae.files import write_json
    from videomae.listing import find_paths
    from videomae.scanning import scan_videos, summary, summary_text

    num_workers = available_cores() if arguments.num_workers is None else arguments.num_workers
    if num_workers < 1:
        raise ValueError(f"--num_workers is {num_workers}, wanted at least 1")
    source = arguments.source.expanduser()
    splits = find_paths(source)
    root = source if source.is_dir() else source.parent
    output = arguments.output or root / ("scan.csv" if source.is_dir() else f"{source.stem}.scan.csv")
    paths = [path for part in splits.values() for path in part]
    scanned = scan_videos(
        paths,
        output,
        num_workers=num_workers,
        time_limit=arguments.time_limit,
        again=arguments.again,
    )
    rows = list(tqdm(scanned, total=len(set(paths)), desc="scan", unit="video"))
    totals = summary(rows, splits, root)
    write_json(output.with_suffix(".json"), totals)
    if arguments.json:
        print(json.dumps(totals))
    else:
        for row in sorted((row for row in rows if not row.ok), key=lambda row: row.path):
            print(f"bad: {row.path}: {row.reason}".encode(errors="replace").decode())  # names need not be UTF-8
        print(summary_text(totals))
        print(f"written: {output}, {output.with_suffix('.json')}")
    return 0 if totals["ok"] == totals["videos"] else 1


if __name__ == "__main__":
    sys.exit(cli.run(main))
