# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Features of videos, from a pre-trained or fine-tuned checkpoint, for retrieval, detection or your own classifier.

One vector of each video, of its middle, or of the views of a test:
    videomae extract MCG-NJU/videomae-base videos --output_dir features
    videomae extract runs/finetune videos --views 5x3 --output_dir features

A vector every 16 frames, of the 64 frames from there on, and when each begins and ends:
    videomae extract runs/pretrain match.mp4 --window 64 --stride 16 --output_dir features

Everything that the sixth block says of each patch, on a grid (time, height, width):
    videomae extract runs/pretrain clip.mp4 --layer 6 --pool tokens --output_dir features

How good are the features? Labelled videos, in a minute, without training:
    videomae extract runs/pretrain labelled --knn --probe
    videomae extract runs/pretrain labelled --plot tsne --output_dir features

On several GPUs, each of which takes its share of the videos:
    accelerate launch --multi_gpu --num_processes 8 scripts/extract_features.py runs/pretrain videos --output_dir out

Videos are named as for `videomae predict`: files, addresses, folders, lists, patterns. Nothing is masked; frames, size
and statistics are the checkpoint's own; the norm is the one that belongs to layer and checkpoint (docs/features.md).
Every video becomes a file called like it, and beside it a .json file says how it was made. What is there already is
kept, so that the same command goes on after an interruption. A video that can not be read is an error
(--on_bad_video skip names it and goes on).
"""

import argparse
import json
import sys
from pathlib import Path

from videomae import cli


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="folder or Hub name of a checkpoint")
    parser.add_argument("videos", nargs="+", help="files, folders, lists, patterns and addresses; or labelled videos")
    parser.add_argument("--output_dir", type=Path, help="where the features go, or what is found of labelled videos")
    parser.add_argument("--format", default="npy", choices=("npy", "safetensors", "parquet"), help="(default: npy)")
    taken = parser.add_argument_group("what is taken")
    taken.add_argument(
        "--layer",
        type=int,
        help="block whose output it is, 0: the embeddings, -2: the last but one (default: the last)",
    )
    taken.add_argument(
        "--pool",
        default="mean",
        choices=("mean", "tubelets", "tokens"),
        help="one vector a clip, one each time step, or one each patch (default: mean)",
    )
    taken.add_argument("--dtype", default="float32", choices=("float32", "float16"), help="(default: float32)")
    looked_at = parser.add_argument_group("what is looked at")
    looked_at.add_argument("--views", default="1x1", help="SEGMENTSxCROPS of each video, averaged (default: 1x1)")
    looked_at.add_argument("--window", type=int, help="frames of a window that slides over the video")
    looked_at.add_argument("--stride", type=int, help="frames from one window to the next (default: the window)")
    judged = parser.add_argument_group("labelled videos: how good the features are")
    judged.add_argument("--knn", action="store_true", help="classify by the 20 nearest neighbours, as DINO does")
    judged.add_argument("--probe", action="store_true", help="classify by ridge regression")
    judged.add_argument("--plot", choices=("pca", "tsne"), help="draw them in the plane: pca.png or tsne.png")
    run = parser.add_argument_group("how")
    run.add_argument("--batch_size", type=int, default=4, help="clips that are computed together (default: 4)")
    run.add_argument("--num_workers", type=int, default=2, help="processes that decode (default: 2)")
    run.add_argument("--device", help="cpu, cuda, cuda:1 … (default: a GPU where there is one)")
    run.add_argument("--on_bad_video", default="error", choices=("error", "skip"), help="(default: error)")
    run.add_argument("--overwrite", action="store_true", help="make features anew that were made otherwise")
    run.add_argument("--json", action="store_true", help="print one JSON object for each video, or of what was found")
    return parser


def check(arguments: argparse.Namespace) -> None:
    """Raises ValueError."""
    judges = arguments.knn or arguments.probe or arguments.plot
    complaints = []
    if (arguments.plot or not judges) and arguments.output_dir is None:
        complaints.append("--output_dir is missing: where do the features, or the picture, go?")
    if judges and len(arguments.videos) > 1:
        complaints.append(f"--knn, --probe and --plot take one labelled folder or list, got {len(arguments.videos)}")
    if arguments.num_workers < 0:
        complaints.append(f"--num_workers is {arguments.num_workers}, wanted at least 0")
    if complaints:
        raise ValueError("; ".join(complaints))


def judge_features(arguments: argparse.Namespace, model, processor, settings, tables) -> int:
    from videomae.files import write_json
    from videomae.judgement import describe, draw, judge, labelled_features

    methods = [name for name, wanted in (("knn", arguments.knn), ("linear_probe", arguments.probe)) if wanted]
    run = {"on_bad_video": arguments.on_bad_video, "num_workers": arguments.num_workers}
    features = labelled_features(model, processor, tables, settings, **run)
    found = judge(features, tables, methods)
    found |= {"model": arguments.model, "data": arguments.videos[0], "layer": settings.layer}
    if arguments.output_dir:
        write_json(arguments.output_dir / "probe.json", found)
    print(json.dumps(found) if arguments.json else describe(found))
    if arguments.plot:
        draw(features, tables, arguments.plot, arguments.output_dir / f"{arguments.plot}.png")
    return 0


def extract_features(arguments: argparse.Namespace, model, processor, settings, names: dict[str, str]) -> int:
    from accelerate import PartialState
    from tqdm import tqdm

    from videomae.extraction import Written, describe_source, sort_out, write_features

    state = PartialState()
    share = list(names)[state.process_index :: state.num_processes]
    outputs = {video: arguments.output_dir / f"{names[video]}.{arguments.format}" for video in share}
    source = describe_source(model, processor, settings, name=arguments.model)
    to_make, kept = sort_out(outputs, source, overwrite=arguments.overwrite)
    run = {"on_bad_video": arguments.on_bad_video, "num_workers": arguments.num_workers}
    made = write_features(model, processor, {video: outputs[video] for video in to_make}, settings, source, **run)
    for video in kept:
        report(Written(video, outputs[video], kept=True), arguments.json)
    bad = 0
    for each in tqdm(made, total=len(to_make), unit="video", disable=not (to_make and state.is_main_process)):
        bad += each.error is not None
        report(each, arguments.json)
    if bad:
        print(f"{bad} of {len(share)} videos can not be read and were left out", file=sys.stderr)
    return 2 if bad and bad == len(share) else 0


def report(each, as_json: bool) -> None:
    """One line of what became of a video; one that can not be read is named on stderr, too."""
    if each.error is not None:
        print(f"left out: {each.error}", file=sys.stderr)
    if as_json:
        fields = {"video": each.video, "features": None if each.error else str(each.path), "kept": each.kept}
        print(json.dumps(fields | ({"error": str(each.error)} if each.error else {})), flush=True)
    elif each.error is None and not each.kept:
        print(f"{each.video}: {each.path}, {' x '.join(map(str, each.shape))}", flush=True)


def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    check(arguments)

    from accelerate import PartialState

    from videomae.evaluation import parse_views
    from videomae.judgement import labelled_tables
    from videomae.output_names import find_output_names

    num_segments, num_crops = parse_views(arguments.views)
    judges = arguments.knn or arguments.probe or arguments.plot
    processes = PartialState(cpu=arguments.device == "cpu").num_processes  # before the model: a GPU each
    if judges and processes > 1:
        raise ValueError(f"--knn, --probe and --plot run in one process, not {processes}: without accelerate launch")
    found = labelled_tables(arguments.videos[0]) if judges else find_output_names(arguments.videos)

    from videomae.features import FeatureSettings
    from videomae.inference import load_checkpoint
    from videomae.modeling_videomae import VideoMAEPreTrainedModel

    model, processor = load_checkpoint(arguments.model, VideoMAEPreTrainedModel, device=arguments.device)
    settings = FeatureSettings(
        layer=arguments.layer,
        pool=arguments.pool,
        window=arguments.window,
        stride=arguments.stride,
        num_segments=num_segments,
        num_crops=num_crops,
        dtype=arguments.dtype,
        batch_size=arguments.batch_size,
    ).completed(model, processor)
    return (judge_features if judges else extract_features)(arguments, model, processor, settings, found)


if __name__ == "__main__":
    sys.exit(cli.run(main))
