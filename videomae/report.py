# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""The page that `videomae demo` leaves: one html file that needs no other, with its pictures inside."""

import base64
import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template

from .files import replacing

ARM_NAMES = {"finetuned": "pre-trained, then fine-tuned", "from_scratch": "fine-tuned from scratch"}

PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>videomae demo</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: .3rem .8rem; border-bottom: 1px solid #ccc; text-align: left; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
img { max-width: 100%; height: auto; }
code { background: #f3f3f3; padding: .1rem .3rem; }
.gain { font-size: 1.3rem; }
</style>
</head>
<body>
<h1>What pre-training is worth</h1>
<p>A small VideoMAE learned from $unlabelled videos without labels: most of each video was hidden, and the network
filled it in. Then it was taught $classes classes with only $labels labelled videos. The same network without
pre-training got the same labels, the same $steps steps and the same learning rates to choose from. The training is
short on purpose: with more steps the network from scratch comes nearer.</p>
<p class="gain">On $test videos that neither has seen: <strong>$pretrained %</strong> right with pre-training,
<strong>$scratch %</strong> without.</p>
$results
<p>Each video was looked at in $views views (segments x crops) and their probabilities averaged. The learning rate was
chosen on $validation other videos.</p>
<h2>What the network reconstructs</h2>
<p>Held-out videos. The network sees only what is not grey in the second row.</p>
$reconstructions
<h2>The loss while learning</h2>
$curves
<h2>One prediction</h2>
<p><code>$video</code>$truth, through transformers' <code>pipeline("video-classification")</code>:</p>
$prediction
<h2>Go on</h2>
<p>In this folder: <code>pretrained</code>, <code>finetuned</code> and <code>from_scratch</code> are checkpoints,
<code>metrics.json</code> has all numbers. With the folder as the current one:</p>
<pre>videomae predict finetuned VIDEO.mp4
videomae reconstruct pretrained VIDEO.mp4
videomae demo --data FOLDER_OF_YOUR_VIDEOS --output_dir demo-of-mine</pre>
<p>Seed $seed; $minutes minutes of training.</p>
</body>
</html>
""")


def write_report(
    path: str | os.PathLike, metrics: Mapping, *, curves: Sequence[Path], reconstructions: Sequence[Path]
) -> None:
    """Write the page of a demo: its `metrics.json` in words, with its pictures (png or gif) inside."""
    data, arms, prediction = metrics["data"], metrics["arms"], metrics["prediction"]
    values = {
        "unlabelled": f"{data['unlabelled']:,}",
        "classes": len(data["classes"]),
        "labels": data["train"],
        "steps": metrics["finetuning_steps"],
        "validation": data["validation"],
        "test": data["test"],
        "pretrained": f"{arms['finetuned']['top1']:.1f}",
        "scratch": f"{arms['from_scratch']['top1']:.1f}",
        "views": metrics["views"],
        "video": prediction["video"],
        "truth": f", which shows “{prediction['truth']}”",
        "seed": metrics["seed"],
        "minutes": f"{metrics['seconds'] / 60:.1f}",
    }
    page = PAGE.substitute(
        {name: escape(str(value)) for name, value in values.items()},
        results=_results(arms),
        prediction=_table(
            ("label", "probability"),
            [(entry["label"], f"{100 * entry['score']:.1f} %") for entry in prediction["labels"]],
        ),
        curves="\n".join(map(_picture, curves)),
        reconstructions="\n".join(map(_picture, reconstructions)),
    )
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _results(arms: Mapping) -> str:
    rows = [
        (
            name,
            *(f"{arms[arm][metric]:.1f} %" for metric in ("top1", "top5", "mean_class_accuracy")),
            f"{arms[arm]['learning_rate']:g} of {', '.join(arms[arm]['validation_top1'])}",
        )
        for arm, name in ARM_NAMES.items()
    ]
    return _table(("", "top-1", "top-5", "mean of the classes", "learning rate"), rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The first column is text, the others are numbers."""
    lines = ["<tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in head) + "</tr>"]
    for first, *numbers in rows:
        cells = "".join(f'<td class="number">{escape(cell)}</td>' for cell in numbers)
        lines.append(f"<tr><td>{escape(first)}</td>{cells}</tr>")
    return "<table>\n" + "\n".join(lines) + "\n</table>"


def _picture(path: Path) -> str:
    content = base64.b64encode(path.read_bytes()).decode("ascii")
    kind = path.suffix.lower().removeprefix(".")
    return f'<p><img alt="{escape(path.stem)}" src="data:image/{kind};base64,{content}"></p>'


__all__ = ["write_report"]
