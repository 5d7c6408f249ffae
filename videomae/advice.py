# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""What the numbers of `benchmark.benchmark_data` say: tables for a terminal, and advice in sentences.

Every sentence has the numbers that it rests on. Rates are clips a second.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from .benchmark import STAGES

ASSUMED_SPEED = 2000.0  # clips a second of pre-training: one GPU of today, ViT-B, nine of ten patches hidden
GAIN = 1.2  # a change that brings less is not worth advice
WAITING = 0.25  # share of a loader's time without computing that is worth a word; other programs take some, too


def report_text(report: Mapping[str, Any]) -> str:
    """The tables and the advice of a report that `benchmark_data` made and `advise` completed."""
    sections = [
        _heading(report),
        _stage_table(report["loaders"]),
        _one_worker_table(report),
        _worker_table(report["workers"]),
        "\n".join(f"left out: {name}: {reason}" for name, reason in report["left_out"].items()),
        "\n".join(f"- {sentence}" for sentence in report["advice"]),
    ]
    return "\n\n".join(section for section in sections if section)


def _heading(report: Mapping[str, Any]) -> str:
    setup, machine = report["setup"], report["machine"]
    kinds = Counter(f"{video['codec']} {video['width']}x{video['height']}" for video in report["videos"])
    load = f", load {machine['load_before'][0]:.1f} before" if machine["load_before"] else ""
    return (
        f"{len(report['videos'])} videos ({', '.join(f'{count} {kind}' for kind, count in kinds.items())}), "
        f"{setup['clips']} clips of {setup['num_frames']} frames at stride {setup['frame_stride']}, "
        f"{setup['size'][1]}x{setup['size'][0]}\n"
        f"{machine['cpu']}, {machine['cores']} cores{load}; medians of {setup['rounds']} rounds of all loaders in turn"
    )


def _stage_table(loaders: Mapping[str, Mapping]) -> str:
    head = ["ms a clip, one thread", *STAGES, "whole", "clips/s"]
    rows = [
        [
            name,
            *(f"{measured['stages'][stage]:.1f}" if measured["stages"][stage] else "-" for stage in STAGES),
            f"{measured['ms_per_clip']:.1f}",
            f"{1000 / measured['ms_per_clip']:.1f}",
        ]
        for name, measured in loaders.items()
    ]
    return _table(head, rows)


def _one_worker_table(report: Mapping[str, Any]) -> str:
    peers = sorted({peer for ratios in report["ratios"].values() for peer in ratios})
    head = ["one loader worker, one decoder thread", "clips/s", *(f"x {peer}" for peer in peers)]
    rows = []
    for name, measured in report["one_worker"].items():
        ratios = report["ratios"].get(name, {})
        shown = [f"{ratios[peer]:.2f}" if peer in ratios else "" for peer in peers]
        rows.append([name, f"{measured['clips_per_second']:.1f}", *shown])
    return _table(head, rows)


def _worker_table(workers: Mapping[str, Mapping]) -> str:
    counts = list(next(iter(workers.values())))
    head = ["clips/s with workers", *counts]
    rows = [
        [name, *(f"{rates[count]['clips_per_second']:.1f}" for count in counts)] for name, rates in workers.items()
    ]
    return _table(head, rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The first column is text, the others are numbers."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.rjust(width) if column else cell.ljust(width) for column, (cell, width) in enumerate(cells))
        for cells in (list(zip(line, widths, strict=True)) for line in lines)
    )


# ---- advice ----


def advise(report: Mapping[str, Any], *, model_speed: float, source: str) -> list[str]:
    """What to do about the data path of this report.

    Args:
        model_speed: clips a second that the training step takes.
        source: where that number is from, in words.
    """
    best = {name: _best(rates) for name, rates in report["workers"].items()}
    return [
        _on_the_bound(best, report["workers"], model_speed, source),
        *_on_workers(best, report["workers"]),
        *_on_preparing(report),
        *_on_repeats(report),
        *_on_the_largest_stage(report["loaders"]),
        *_on_waiting(report["loaders"]),
    ]


def _best(rates: Mapping[str, Mapping]) -> tuple[float, int]:
    """(the highest rate, the number of workers that gives it)."""
    return max((rate["clips_per_second"], -int(workers)) for workers, rate in rates.items())


def _on_the_bound(best, workers, model_speed: float, source: str) -> str:
    enough = [
        (int(count), name, rate["clips_per_second"])
        for name, rates in workers.items()
        for count, rate in rates.items()
        if rate["clips_per_second"] >= model_speed
    ]
    wanted = f"the model takes {model_speed:,.0f} clips/s ({source})"
    if enough:
        # the plainest that is enough: `workers` lists originals before copies, fewer repeats before more
        name = next(loader for loader in workers if loader in {loader for _, loader, _ in enough})
        count, _, rate = min(each for each in enough if each[1] == name)
        return f"Not loader-bound: {wanted}, {name} with {_counted(count, 'worker')} give {rate:,.0f}."
    name = max(best, key=best.get)
    rate, negative_count = best[name]
    return (
        f"Loader-bound: {wanted}, the most that this machine gives is {rate:,.0f} ({name}, "
        f"{_counted(-negative_count, 'worker')}): the model would wait {100 * (1 - rate / model_speed):.0f} % of the "
        "time. More cores help in proportion."
    )


def _on_workers(best, workers) -> list[str]:
    name = next(iter(workers))
    rate, negative_count = best[name]
    most = max(map(int, workers[name]))
    if most <= -negative_count:
        return []
    last = workers[name][str(most)]["clips_per_second"]
    return [
        f"More than {_counted(-negative_count, 'worker')} bring nothing here: {rate:,.0f} clips/s, with {most} it is "
        f"{last:,.0f} ({name})."
    ]


def _on_preparing(report: Mapping[str, Any]) -> list[str]:
    rates = {name: measured["clips_per_second"] for name, measured in report["one_worker"].items()}
    pairs = [(name, name.replace("original", "prepared")) for name in rates if name.startswith("original")]
    pairs = [(original, prepared) for original, prepared in pairs if prepared in rates]
    if not pairs:
        return []
    original, prepared = pairs[0]
    gain = rates[prepared] / rates[original]
    size = _size_ratio(report["videos"])
    numbers = f"{rates[original]:.1f} to {rates[prepared]:.1f} clips/s a worker, the files {size:.1f} x the size"
    if gain < GAIN:
        return [f"`videomae prepare` would change little: {numbers}."]
    return [f"`videomae prepare` makes loading {gain:.1f} x as fast: {numbers}."]


def _size_ratio(videos: Sequence[Mapping]) -> float:
    return sum(video["prepared_bytes"] for video in videos) / sum(video["bytes"] for video in videos)


def _on_repeats(report: Mapping[str, Any]) -> list[str]:
    rates = {name: measured["clips_per_second"] for name, measured in report["one_worker"].items()}
    kind = "prepared" if "prepared" in rates else "original"
    repeated = [name for name in rates if name.startswith(f"{kind}, ")]
    if kind not in rates or not repeated:
        return []
    name = max(repeated, key=rates.get)
    count = name.removeprefix(f"{kind}, ").removesuffix(" repeats")
    gain = rates[name] / rates[kind]
    return [
        f"`--repeats {count}` gives {gain:.1f} x the clips: {rates[kind]:.1f} to {rates[name]:.1f} clips/s a worker "
        f"({kind}); a batch then has {count} clips of each video."
    ] * (gain >= GAIN)


def _on_the_largest_stage(loaders: Mapping[str, Mapping]) -> list[str]:
    name = next(name for name in loaders if name.startswith(("original", "prepared")))
    measured = loaders[name]
    stage = max(STAGES, key=measured["stages"].get)
    share = measured["stages"][stage] / measured["ms_per_clip"]
    return [
        f"Most of the time of {name} goes to '{stage}': {measured['stages'][stage]:.1f} of "
        f"{measured['ms_per_clip']:.1f} ms a clip ({100 * share:.0f} %)."
    ]


def _on_waiting(loaders: Mapping[str, Mapping]) -> list[str]:
    name = next(name for name in loaders if name.startswith(("original", "prepared")))
    measured = loaders[name]
    share = 1 - measured["core_ms_per_clip"] / measured["ms_per_clip"]
    if share < WAITING:
        return []
    return [
        f"{100 * share:.0f} % of the time of {name} was no computing ({measured['core_ms_per_clip']:.1f} of "
        f"{measured['ms_per_clip']:.1f} ms a clip were): other programs had the cores, or the disk is slow. Rates "
        "are lower for it; ratios were measured in turn and hold."
    ]


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


__all__ = ["ASSUMED_SPEED", "advise", "report_text"]
