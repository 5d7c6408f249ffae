# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""The whole story in minutes, on a CPU: what is pre-training without labels worth?

    videomae demo

Writes small videos in which the class is a motion, as mp4 files, and pre-trains a small network on those without
labels. Fine-tunes it in a few steps on a few labels, and once more from scratch with the same labels, steps and
learning rates to choose from. Measures both on held-out videos, asks transformers' pipeline about one of them, and
draws what the network reconstructs. Leaves in --output_dir: report.html (the result on one page), metrics.json,
pictures/, the checkpoints pretrained/, finetuned/ and from_scratch/, and videos/.

The same with your own videos, a folder with a folder for each class:
    videomae demo --data FOLDER --output_dir demo-of-mine

Its train/, val/ and test/ are used where they exist; otherwise a part of each class is held out. Frames and network
are larger then, and it takes longer.

Interrupted, the same command goes on after the last step that was finished.
"""

import argparse
import json
import logging
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from videomae import cli
from videomae.files import write_json

UNLABELLED, VALIDATION, TEST = 4000, 5, 50  # videos that the demo writes: altogether, and of each motion
QUICK = {"pretraining_steps": 2, "pretraining_batch": 4, "finetuning_steps": 2, "finetuning_batch": 4, "pictures": 1}
STEPS = 6


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder of your own videos (class/video.mp4), or a csv/txt list")
    parser.add_argument("--output_dir", type=Path, default=Path("demo"), help="a new folder (default: demo)")
    parser.add_argument("--seed", type=int, default=0, help="of the videos and the training (default: 0)")
    parser.add_argument("--quick", action="store_true", help="two steps of everything: does it run here?")
    return parser


def claim(folder: Path, settings: dict) -> None:
    """Make the folder this run's: a new or empty one, or one that the same command began. Raises ValueError."""
    note = folder / "settings.json"
    settings = json.loads(json.dumps(settings, default=str))  # as they will be read back
    if note.exists():
        if json.loads(note.read_text(encoding="utf-8")) != settings:
            raise ValueError(f"{folder} holds a demo with other settings: choose another --output_dir, or delete it")
    elif folder.exists() and any(folder.iterdir()):
        raise ValueError(f"{folder} is not empty, and not of a demo: choose another --output_dir")
    else:
        write_json(note, settings)


def once(folder: Path, step: Callable[[], dict]) -> dict:
    """The step's numbers; if an earlier run has finished it, those that are noted in its folder."""
    note = folder / "metrics.json"
    if note.exists():
        print(f"Already done: {folder}")
        return json.loads(note.read_text(encoding="utf-8"))
    numbers = step()
    write_json(note, numbers)
    return numbers


def say(number: int, text: str) -> None:
    print(f"\n[{number}/{STEPS}] {text}", flush=True)


def quieten(transformers) -> None:
    """What the libraries warn of (a fresh classifier, a decoder that is not needed) is what the demo says in words."""
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    logging.getLogger("videomae").setLevel(logging.ERROR)


def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)

    import torch
    import transformers

    import videomae
    from videomae import demo
    from videomae.report import write_report
    from videomae.synthetic import MotionSet

    quieten(transformers)
    torch.set_num_threads(max(1, torch.get_num_threads() - demo.WORKERS))  # the other cores decode
    recipe = demo.OWN_VIDEOS if arguments.data else demo.MOTIONS
    counts = {"unlabelled": UNLABELLED, "train": recipe.labels, "validation": VALIDATION, "test": TEST}
    if arguments.quick:
        recipe = replace(recipe, **QUICK)
        counts = dict.fromkeys(counts, 1)
    output, seed = arguments.output_dir, arguments.seed
    claim(output, {"data": arguments.data, "seed": seed, **asdict(recipe)})

    if arguments.data:
        say(1, f"The videos of {arguments.data}")
        parts = demo.own_parts(arguments.data, labels=recipe.labels, seed=seed)
    else:
        say(1, "Writing small videos in which one object moves. The class is the motion. (Half a minute.)")
        motions = MotionSet(**counts, size=recipe.image_size, num_frames=recipe.num_frames + 2, seed=seed)
        parts = demo.motion_parts(output / "videos", motions)
    data = parts.summary()
    print(
        f"{data['unlabelled']} videos without labels, {data['train']} with one of {len(data['classes'])} labels, "
        f"{data['validation']} to choose the learning rate on, {data['test']} held out to test on."
    )

    say(2, "Pre-training without labels: most of a video is hidden, and the network fills it in. (The longest step.)")
    pretrained = output / "pretrained"
    pretraining = once(pretrained, lambda: demo.pretrain(parts.unlabelled, recipe, pretrained, seed=seed))

    say(3, f"Fine-tuning it on {data['train']} labelled videos.")
    finetune = partial(demo.finetune, parts, recipe, pretrained, seed=seed)
    finetuned, from_scratch = output / "finetuned", output / "from_scratch"
    arms = {"finetuned": once(finetuned, lambda: finetune(finetuned, from_scratch=False))}

    say(4, "The same network from scratch: the same labels, steps and learning rates to choose from.")
    arms["from_scratch"] = once(from_scratch, lambda: finetune(from_scratch, from_scratch=True))

    say(5, "One held-out video through transformers' pipeline.")
    videomae.register()
    row = parts.test[seed % len(parts.test)]
    truth = data["classes"][row["label"]]
    labels = demo.ask_pipeline(finetuned, row["video"])
    print(f"{row['video']} shows {truth}; the network says {labels[0]['label']} ({100 * labels[0]['score']:.0f} %).")

    say(6, "Pictures of what the network reconstructs, curves, and the report.")
    pictures = output / "pictures"
    drawn = demo.draw_reconstructions(pretrained, parts.test, pictures, recipe, seed=seed)
    metrics = {
        "seed": seed,
        "data": data,
        "views": "x".join(map(str, recipe.views)),
        "finetuning_steps": recipe.finetuning_steps,
        "pretraining": pretraining,
        "arms": arms,
        "gain": arms["finetuned"]["top1"] - arms["from_scratch"]["top1"],
        "prediction": {"video": row["video"], "truth": truth, "labels": labels},
        "reconstructions": drawn,
        "seconds": sum(step["seconds"] for step in (pretraining, *arms.values())),
    }
    write_json(output / "metrics.json", metrics)
    strips = [pictures / picture["picture"] for picture in drawn]
    write_report(output / "report.html", metrics, curves=demo.draw_curves(metrics, pictures), reconstructions=strips)
    print(
        f"\nOf {data['test']} held-out videos {arms['finetuned']['top1']:.1f} % are right with pre-training, "
        f"{arms['from_scratch']['top1']:.1f} % from scratch.\nThe report: {output / 'report.html'}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
