# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Draw what a pre-trained network makes of a masked clip: original, masked, reconstructed.

    videomae reconstruct runs/pretrain clip.mp4 --mask_ratio 0.9 --output_dir pictures

Writes NAME.png (a strip of frames), NAME.gif and NAME.json (PSNR, and that of filling in the mean). Networks that were
trained on normalised patches predict no brightness or contrast: the row "reconstructed" estimates both from the
visible patches alone; the last row borrows them from the hidden patches, which looks better than the network is.

Of frames with more than three channels the first three are drawn; values that are not of 8 bits are drawn from the
smallest to the largest of each channel, and PSNR is measured in that range.
"""

import argparse
import sys
from pathlib import Path

from videomae import cli


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="folder or Hub name of a pre-trained checkpoint")
    parser.add_argument("videos", nargs="+", help="files, folders of frames, arrays (.npy, .npz) or URLs")
    parser.add_argument("--mask", choices=("tube", "random", "frame"), default="tube", help="(default: tube)")
    parser.add_argument("--mask_ratio", type=float, default=0.9, help="share of hidden patches (default: 0.9)")
    parser.add_argument("--seed", type=int, default=0, help="of the mask (default: 0)")
    parser.add_argument("--output_dir", type=Path, default=Path("reconstructions"), help="(default: reconstructions)")
    parser.add_argument("--device", help="cpu, cuda, cuda:1 … (default: a GPU where there is one)")
    return parser


def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)

    import torch

    from videomae.files import write_json
    from videomae.inference import load_checkpoint
    from videomae.masking import ENCODER_MASKS
    from videomae.modeling_videomae import VideoMAEForPreTraining
    from videomae.visualization import reconstruct, save_gif, save_strip

    stems = [Path(video).stem for video in arguments.videos]
    if repeated := sorted({stem for stem in stems if stems.count(stem) > 1}):
        raise ValueError(f"several videos would be drawn as {', '.join(repeated)}.png: call one after the other")
    model, processor = load_checkpoint(arguments.model, VideoMAEForPreTraining, device=arguments.device)
    for video, stem in zip(arguments.videos, stems, strict=True):
        clip = processor.views(video, num_segments=1, num_crops=1)[0]
        generator = torch.Generator().manual_seed(arguments.seed)
        mask = ENCODER_MASKS[arguments.mask](model.config.grid, arguments.mask_ratio, generator=generator)
        reconstruction = reconstruct(model, clip, mask)
        picture = arguments.output_dir / f"{stem}.png"
        title = f"{Path(video).name}, {arguments.mask} mask, {100 * mask.float().mean():.0f} % hidden"
        save_strip(reconstruction, picture, title=title)
        save_gif(reconstruction, arguments.output_dir / f"{stem}.gif")
        numbers = {"psnr": reconstruction.psnr, "baseline_psnr": reconstruction.baseline_psnr}
        write_json(
            arguments.output_dir / f"{stem}.json", {"video": video, "mask_ratio": arguments.mask_ratio, **numbers}
        )
        print(
            f"{picture}: PSNR {reconstruction.psnr:.1f} dB, filling in the mean {reconstruction.baseline_psnr:.1f} dB"
        )
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
