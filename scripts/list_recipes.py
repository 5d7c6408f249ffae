# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""The rows of the papers that `--recipe` knows, with the numbers that their authors published.

All of them, or those whose name holds a word:
    videomae recipes
    videomae recipes --match ssv2

One of them: every flag, where it is from, and the commands from new weights to its accuracy:
    videomae recipes finetune_k400_base_1600

The whole table for another program:
    videomae recipes --json

Top-1 and top-5 are the authors', none is ours. Hours are computed, not measured: for one H200, from the network's
multiply-adds and an assumed utilisation (docs/reproduce.md). * marks settings that the authors did not publish.
"""

import argparse
import json
import math
import sys

from videomae import cli
from videomae.recipes import RECIPES, Recipe, commands, find_recipe

HEADER = ("recipe", "data", "epochs", "batch", "learning rate", "views", "top-1", "top-5", "H200 hours")


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", help="one recipe; default: a table of all")
    parser.add_argument("--match", default="", help="only those whose name holds this")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def as_json(recipe: Recipe, hours: float) -> dict:
    return {
        "name": recipe.name,
        "program": recipe.program,
        "video_set": recipe.video_set.name,
        "videos": recipe.video_set.videos or None,
        "start": recipe.start,
        "flags": dict(recipe.flags),
        "learning_rate": recipe.learning_rate,
        "views": recipe.views,
        "published_top1": recipe.top1,
        "published_top5": recipe.top5,
        "gpus_of_the_source": recipe.gpus,
        "computed_h200_hours": None if math.isnan(hours) else round(hours, 1),
        "status": recipe.status,
        "unpublished": recipe.unpublished,
        "source": recipe.source,
        "note": recipe.note,
        "commands": commands(recipe),
    }


def row(recipe: Recipe, hours: float) -> tuple[str, ...]:
    numbers = (recipe.views, recipe.top1, recipe.top5, None if math.isnan(hours) else f"{hours:,.0f}")
    return (
        recipe.name + ("*" if recipe.unpublished else ""),
        recipe.video_set.name,
        f"{recipe.flags['num_train_epochs']:g}",
        str(recipe.flags["total_batch"]),
        f"{recipe.learning_rate:.3g}",
        *("" if number is None else str(number) for number in numbers),
    )


def table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)


def page(recipe: Recipe, hours: float) -> str:
    """All that is known of one recipe."""
    facts = {"status": recipe.status, "why": recipe.unpublished, "source": recipe.source, "note": recipe.note}
    facts["GPUs of the source"] = recipe.gpus
    if recipe.top1 is not None:
        top5 = "" if recipe.top5 is None else f", top-5 {recipe.top5} %"
        facts["published"] = f"top-1 {recipe.top1} %{top5}, {recipe.views} views"
    if not math.isnan(hours):
        facts["one H200"] = f"{hours:,.0f} hours of training (computed)"
    facts["learning rate"] = f"{recipe.learning_rate:.4g} at the total batch"
    lines = [recipe.name, *(f"  {name}: {value}" for name, value in facts.items() if value)]
    lines += [
        "flags",
        *(f"  --{name} {words(value)}" for name, value in sorted(recipe.flags.items()) if value is not None),
    ]
    return "\n".join([*lines, "commands", *(f"  {command}" for command in commands(recipe))])


def words(value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    if arguments.name is not None:
        chosen = [find_recipe(arguments.name)]
    else:
        chosen = [recipe for name, recipe in RECIPES.items() if arguments.match in name]
    if not chosen:
        raise ValueError(f"no recipe's name holds {arguments.match!r}")

    from videomae.flops import hours_of

    hours = {recipe.name: hours_of(recipe) for recipe in chosen}
    if arguments.json:
        listed = [as_json(recipe, hours[recipe.name]) for recipe in chosen]
        print(json.dumps(listed if arguments.name is None else listed[0], indent=2))
    elif arguments.name is not None:
        print(page(chosen[0], hours[arguments.name]))
    else:
        print(table([HEADER, *(row(recipe, hours[recipe.name]) for recipe in chosen)]))
        print("\n* settings that the authors did not publish; hours are computed. `videomae recipes NAME` shows one.")
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
