# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Draw what a pre-trained network makes of masked clips: original, masked, reconstructed.

    videomae reconstruct runs/pretrain clip.mp4 --mask_ratio 0.9 --output_dir pictures
    videomae reconstruct runs/pretrain videos/*.mp4 --mask random --formats png mp4 --json
    videomae reconstruct runs/v2 clip.mp4 --decoder_mask_ratio 0.5

The clip is the middle of the video, cropped in its centre, with the frames and the size of the checkpoint. Writes
NAME.png (a strip of frames), NAME.gif (or what --formats says) and NAME.json for each video, where NAME is that of its
file; videos of a folder keep their place in it.

PSNR is measured over the hidden patches, and printed beside that of the simplest guess: every hidden patch is filled
with the mean of the visible ones near it. A network that is not better than that has learned nothing that shows.
Networks that were trained on normalised patches predict no brightness or contrast: the row "reconstructed" estimates
both from the visible patches alone. --true_statistics adds a row that borrows them from the hidden patches, as the
pictures of papers do; it looks better than the network is, and its PSNR is not given.

Of frames with more than three channels the first three are drawn; values that are not of 8 bits are drawn from the
smallest to the largest of each channel, and PSNR is measured in that range.

Exit code 2: a video could not be read (it is named on stderr, the others are drawn).
"""

import argparse
import json
import sys
from pathlib import Path

from videomae import cli


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="folder or Hub name of a pre-trained checkpoint")
    parser.add_argument("videos", nargs="+", help="files, folders, arrays (.npy, .npz), lists, patterns and URLs")
    parser.add_argument("--mask", choices=("tube", "random", "frame"), default="tube", help="(default: tube)")
    parser.add_argument("--mask_ratio", type=float, default=0.9, help="share of hidden patches (default: 0.9)")
    parser.add_argument(
        "--decoder_mask_ratio",
        type=float,
        default=0.0,
        help="share of the patches that the decoder leaves out (VideoMAE V2: 0.5; default: 0, none)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the mask (default: 0)")
    parser.add_argument("--true_statistics", action="store_true", help="add the row that flatters, see above")
    parser.add_argument(
        "--formats", nargs="+", choices=("png", "gif", "mp4"), default=["png", "gif"], help="(default: png gif)"
    )
    parser.add_argument("--fps", type=float, default=8, help="frames a second of gif and mp4 (default: 8)")
    parser.add_argument("--output_dir", type=Path, default=Path("reconstructions"), help="(default: reconstructions)")
    parser.add_argument("--device", help="cpu, cuda, cuda:1 … (default: a GPU where there is one)")
    parser.add_argument("--json", action="store_true", help="print one JSON object for each video, a line each")
    return parser


def draw_masks(arguments, grid):
    """The masks (N,) of encoder and decoder, the same for every video; None: the decoder predicts all that is hidden.

    Raises ValueError for ratios that hide or leave nothing.
    """
    import torch

    from videomae.masking import ENCODER_MASKS, drawn_running_cell_mask

    generator = torch.Generator().manual_seed(arguments.seed)
    masked = ENCODER_MASKS[arguments.mask](grid, arguments.mask_ratio, generator=generator)
    if arguments.decoder_mask_ratio == 0:
        return masked, None
    return masked, drawn_running_cell_mask(grid, arguments.decoder_mask_ratio, generator=generator)


def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)

    from tqdm import tqdm

    from videomae.files import write_json
    from videomae.inference import load_checkpoint
    from videomae.modeling_videomae import VideoMAEForPreTraining
    from videomae.output_names import find_output_names
    from videomae.pictures import save_pictures
    from videomae.video import VideoDecodeError
    from videomae.visualization import reconstruct

    videos = find_output_names(arguments.videos)
    model, processor = load_checkpoint(arguments.model, VideoMAEForPreTraining, device=arguments.device)
    masked, decoded = draw_masks(arguments, model.config.grid)
    if arguments.true_statistics and not model.config.norm_pix_loss:
        print("--true_statistics adds nothing: this network predicts the pixels themselves", file=sys.stderr)
    unreadable = 0
    bar = tqdm(videos.items(), unit="video", disable=len(videos) == 1 or sys.stdout.isatty() or None)
    for video, name in bar:
        try:
            clip = processor.views(video, num_segments=1, num_crops=1)[0]
        except VideoDecodeError as error:
            unreadable += 1
            print(f"error: {error}", file=sys.stderr)
            continue
        reconstruction = reconstruct(model, clip, masked, decoded)
        rows = reconstruction.rows(true_statistics=arguments.true_statistics)
        title = f"{Path(video).name}, {arguments.mask} mask"
        paths = save_pictures(rows, arguments.output_dir / name, arguments.formats, fps=arguments.fps, title=title)
        result = {
            "video": video,
            "psnr": reconstruction.psnr,
            "baseline_psnr": reconstruction.baseline_psnr,
            "mask": arguments.mask,
            "mask_ratio": arguments.mask_ratio,
            "decoder_mask_ratio": arguments.decoder_mask_ratio,
            "pictures": [str(path) for path in paths],
        }
        write_json(arguments.output_dir / f"{name}.json", result)
        print(json.dumps(result) if arguments.json else described(result), flush=True)
    return 2 if unreadable else 0


def described(result) -> str:
    """The line of a video for a reader."""
    numbers = f"PSNR {result['psnr']:.1f} dB, filling in the mean {result['baseline_psnr']:.1f} dB"
    return f"{result['pictures'][0]}: {numbers}"


if __name__ == "__main__":
    sys.exit(cli.run(main))
