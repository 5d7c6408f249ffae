# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Turn an official VideoMAE or VideoMAE V2 checkpoint into a folder that `from_pretrained` loads.

    videomae convert checkpoint.pth videomae-base-kinetics --labels kinetics400.txt

Something-Something checkpoints see frames spread over the whole video:
    videomae convert checkpoint.pth videomae-base-ssv2 --sampling uniform --labels ssv2.txt

Sizes are read off the weights. Options are what is not in them: the clip and its sampling, the names of the classes,
and for widths that were never published the attention heads. No code of the file is run.
"""

import argparse
import sys
from pathlib import Path

from videomae import cli


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help=".pth or .safetensors file of the authors' code")
    parser.add_argument("destination", type=Path, help="folder to create")
    parser.add_argument("--num_frames", type=int, default=16, help="frames of a clip (default: 16)")
    parser.add_argument(
        "--image_size", type=int, nargs="+", default=[224], help="side of a frame, or height and width (default: 224)"
    )
    parser.add_argument("--sampling", choices=("dense", "uniform"), default="dense", help="of frames (default: dense)")
    parser.add_argument("--frame_stride", type=int, default=4, help="of dense sampling (default: 4)")
    parser.add_argument("--num_attention_heads", type=int, help="of the encoder, for unpublished widths")
    parser.add_argument("--decoder_num_attention_heads", type=int, help="of the decoder, for unpublished widths")
    parser.add_argument("--labels", type=Path, help="text file with the class names, one a line, in their order")
    return parser


def read_labels(path: Path | None) -> list[str] | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a UTF-8 text file with one class name a line ({error})") from error


def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    labels = read_labels(arguments.labels)

    from videomae.configuration_videomae import VideoMAEConfig
    from videomae.conversion import convert_checkpoint

    folder = convert_checkpoint(
        arguments.source,
        arguments.destination,
        num_attention_heads=arguments.num_attention_heads,
        decoder_num_attention_heads=arguments.decoder_num_attention_heads,
        image_size=arguments.image_size[0] if len(arguments.image_size) == 1 else arguments.image_size,
        num_frames=arguments.num_frames,
        id2label=labels,
        frame_stride=arguments.frame_stride,
        sampling=arguments.sampling,
    )
    config = VideoMAEConfig.from_pretrained(folder)
    print(
        f"{folder}: {config.architectures[0]}, {config.hidden_size} wide, {config.num_hidden_layers} layers, "
        f"{config.num_frames} frames of {config.frame_size[0]}x{config.frame_size[1]}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
