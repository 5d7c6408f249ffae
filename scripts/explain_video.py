# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Draw where a network looks: attention rollout of any checkpoint, Grad-CAM of a classifier, on the frames of a clip.

    videomae explain runs/finetune clip.mp4
    videomae explain runs/finetune clip.mp4 --class waving --methods grad-cam --formats png mp4
    videomae explain runs/pretrain videos/ --save_maps --json

The clip is the middle of the video, cropped in its centre, with the frames and the size of the checkpoint, and no
patch is hidden. Writes NAME.png (a strip of frames) and NAME.gif, or what --formats says; --save_maps adds
NAME.rollout.npy and NAME.grad-cam.npy, the numbers on the grid (t, h, w) of the patches. NAME is that of the file;
videos of a folder keep their place in it.

  rollout    what the network's answer is made of, following the attention of all its blocks back to the patches
             (Abnar and Zuidema 2020). It knows no class. Its colours go from the smallest to the largest share, and
             the two numbers beside them say how far these are from 1, an even share
  grad-cam   what speaks for a class, by the gradient of its logit at the tokens before the last block (Selvaraju et
             al. 2017). Default: the class with the highest score; --class asks for another

Attention that is to be seen is computed as plain matrices for this one pass, and held for one block at a time: a
checkpoint that is set to sdpa or flash attention needs nothing changed.

Exit code 2: a video could not be read (it is named on stderr, the others are drawn).
"""

import argparse
import json
import sys
from pathlib import Path

from videomae import cli

METHODS = ("rollout", "grad-cam")


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="folder or Hub name of a checkpoint")
    parser.add_argument("videos", nargs="+", help="files, folders, lists, patterns and URLs")
    parser.add_argument(
        "--methods", nargs="+", choices=METHODS, help="(default: both of a classifier, rollout of a pre-trained one)"
    )
    parser.add_argument("--class", dest="class_name", help="for Grad-CAM (default: the one with the highest score)")
    parser.add_argument(
        "--formats", nargs="+", choices=("png", "gif", "mp4"), default=["png", "gif"], help="(default: png gif)"
    )
    parser.add_argument("--fps", type=float, default=8, help="frames a second of gif and mp4 (default: 8)")
    parser.add_argument("--save_maps", action="store_true", help="write the maps (t, h, w) as .npy too")
    parser.add_argument("--output_dir", type=Path, default=Path("explanations"), help="(default: explanations)")
    parser.add_argument("--device", help="cpu, cuda, cuda:1 … (default: a GPU where there is one)")
    parser.add_argument("--json", action="store_true", help="print one JSON object for each video, a line each")
    return parser


def choose_methods(arguments, model) -> list[str]:
    """Those asked for, or all that the checkpoint has. Raises ValueError for Grad-CAM without a classifier."""
    from videomae.modeling_videomae import VideoMAEForVideoClassification

    is_classifier = isinstance(model, VideoMAEForVideoClassification)
    methods = arguments.methods or (METHODS if is_classifier else METHODS[:1])
    if not is_classifier and ("grad-cam" in methods or arguments.class_name):
        raise ValueError(f"{arguments.model} is no classifier: it has no classes that Grad-CAM could explain")
    if arguments.class_name and "grad-cam" not in methods:
        raise ValueError("--class is for Grad-CAM: an attention rollout knows no class")
    return list(dict.fromkeys(methods))


def class_index(config, name: str) -> int:
    """Raises ValueError for a class that the model does not know."""
    from videomae.labels import class_numbers, label_complaint

    names = [config.id2label[number] for number in range(config.num_labels)]
    if name not in (numbers := class_numbers([name], names)):
        raise ValueError(f"--class: {label_complaint(name, names)}")
    return numbers[name]


def explain(model, clip, methods, asked):
    """The rows to draw of a clip (T, C, H, W), the maps by method, and what there is to say."""
    from videomae.evaluation import video_score
    from videomae.explanation import attention_rollout, grad_cam, grad_cam_row, rollout_row
    from videomae.visualization import drawable, original_row

    original = original_row(drawable(clip, model.config), is_rescaled=clip.is_floating_point())
    rows, maps, found = [original], {}, {}
    if "rollout" in methods:
        maps["rollout"] = attention_rollout(model, clip)
        rows.append(rollout_row(original.frames, maps["rollout"]))
    if "grad-cam" in methods:
        scores = video_score(model, clip[None])
        chosen = int(scores.argmax()) if asked is None else asked
        label, score = model.config.id2label[chosen], scores[chosen].item()
        maps["grad-cam"] = grad_cam(model, clip, chosen)
        rows.append(grad_cam_row(original.frames, maps["grad-cam"], label, score))
        found = {"class": label, "score": score}
    return rows, maps, found


def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)

    import numpy as np
    from tqdm import tqdm

    from videomae.files import replacing
    from videomae.inference import load_checkpoint
    from videomae.modeling_videomae import VideoMAEPreTrainedModel
    from videomae.output_names import find_output_names
    from videomae.pictures import save_pictures
    from videomae.video import VideoDecodeError

    videos = find_output_names(arguments.videos)
    model, processor = load_checkpoint(arguments.model, VideoMAEPreTrainedModel, device=arguments.device)
    methods = choose_methods(arguments, model)
    asked = None if arguments.class_name is None else class_index(model.config, arguments.class_name)
    unreadable = 0
    bar = tqdm(videos.items(), unit="video", disable=len(videos) == 1 or sys.stdout.isatty() or None)
    for video, name in bar:
        try:
            clip = processor.views(video, num_segments=1, num_crops=1)[0]
        except VideoDecodeError as error:
            unreadable += 1
            print(f"error: {error}", file=sys.stderr)
            continue
        rows, maps, found = explain(model, clip, methods, asked)
        stem = arguments.output_dir / name
        paths = save_pictures(rows, stem, arguments.formats, fps=arguments.fps, title=Path(video).name)
        for method, weights in maps.items() if arguments.save_maps else ():
            with replacing(f"{stem}.{method}.npy") as temporary:
                np.save(temporary, weights.numpy())
        places = {method: np.unravel_index(int(map_.argmax()), map_.shape) for method, map_ in maps.items()}
        largest = {method: [int(axis) for axis in place] for method, place in places.items()}
        result = {"video": video, **found, "largest_at": largest, "pictures": [str(path) for path in paths]}
        print(json.dumps(result) if arguments.json else described(result), flush=True)
    return 2 if unreadable else 0


def described(result) -> str:
    """The line of a video for a reader."""
    line = result["pictures"][0]
    if "class" in result:
        line += f": {result['class']} {result['score']:.2f}"
    places = ", ".join(f"{method} (t, h, w) = {tuple(place)}" for method, place in result["largest_at"].items())
    return f"{line}; largest at {places}"


if __name__ == "__main__":
    sys.exit(cli.run(main))
