# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""How many clips a second the data path gives on somebody's own videos, and where the time goes.

`benchmark_data` measures three things, all in one run and in rounds of all loaders in turn (A B C A B C …), so that a
machine that is busy for a while slows all of them; what is reported are medians over the rounds:

- stages: the parts of a clip's time, one video after the other in this process;
- one worker: batches that one `DataLoader` worker hands over, this loader's and the peers';
- workers: batches of this loader with more and more workers.

In the first two every loader has one decoder thread and one torch thread. Files are read once before, so that they
come from the page cache where they fit into it: no loader waits for the disk because it came first.

Times are in milliseconds, rates in clips a second; a video gives `repeats` clips.
"""

import contextlib
import gc
import itertools
import os
import platform
import random
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import datasets
import torch
from torch.utils.data import DataLoader, Dataset

from . import data as data_module
from .children import available_cores
from .clips import PretrainingClips, TrainingClips
from .configuration_videomae import VideoMAEConfig
from .data import ClassificationCollator, PretrainingCollator, VideoDataset
from .frames import StoredFrames, open_video
from .image_processing_videomae import VideoMAEVideoProcessor
from .masking import tube_mask
from .peers import PEERS, Peer, PeerCollator, PeerDataset
from .stopwatch import OTHER, Stopwatch, Watched
from .video import VideoDecodeError, VideoReader

STAGES = ("open", "decode", "convert", "augment", "normalize", "collate", OTHER)
ROUNDS = 5
WORKER_ROUNDS = 3  # of the worker counts, of which no ratio is taken
DRAWS = 64  # clips of a video before the same ones come again
MASK_RATIO = 0.9
LONGEST_WAIT = 300  # seconds for a batch, after which a worker is taken for dead
PACKAGES = ("videomae", "torch", "torchvision", "av", "transformers", "decord", "pillow")

Progress = Callable[[Sequence], Iterable]


@dataclass(frozen=True)
class Loader:
    """A way from files to batches. Item i is of video i modulo their number."""

    name: str
    description: str
    dataset: Dataset
    collate: Callable[[list], Any]
    clips_per_item: int
    watched: list[Watched]


def default_worker_counts() -> list[int]:
    """0, 1, 2, 4 … and the number of cores."""
    cores = available_cores()
    return sorted({0, cores, *(2**power for power in range(cores.bit_length()) if 2**power <= cores)})


# ---- the videos ----


def choose_videos(videos: Sequence[Any], limit: int) -> list[Any]:
    """At most `limit` of the videos, drawn at random (the same ones on every call), in their order."""
    chosen = random.Random(0).sample(range(len(videos)), min(limit, len(videos)))
    return [videos[index] for index in sorted(chosen)]


def describe_videos(videos: Sequence[Any]) -> list[dict[str, Any]]:
    """What each video is, one dict each. Raises ValueError that names all that can not be read."""
    facts, complaints = [], []
    for source in videos:
        try:
            with open_video(source) as video:
                facts.append(asdict(video.info) | {"bytes": _size(source)})
        except VideoDecodeError as error:
            complaints.append(str(error))
    if complaints:
        raise ValueError(
            f"{len(complaints)} of {len(videos)} videos can not be read (`videomae scan` lists all such files, and "
            "--exclude leaves them out):\n" + "\n".join(complaints)
        )
    return facts


def _size(source: Any) -> int | None:
    """Bytes of a video file; None for what is no file."""
    return os.path.getsize(source) if isinstance(source, str) and os.path.isfile(source) else None


# ---- the loaders ----


def own_loader(
    name: str,
    videos: Sequence[Any],
    *,
    config: VideoMAEConfig,
    processor: VideoMAEVideoProcessor,
    repeats: int = 1,
    finetune: bool = False,
) -> Loader:
    """This package's loader, as `videomae pretrain` (or `finetune`) builds it."""
    if finetune:
        clips, collate = TrainingClips(processor, ["a video"], repeats=repeats), ClassificationCollator()
    else:
        mask = partial(tube_mask, config.grid, MASK_RATIO)
        clips, collate = PretrainingClips(processor, mask=mask, repeats=repeats), PretrainingCollator()
    rows = {"video": list(videos) * DRAWS, "label": [0] * len(videos) * DRAWS}
    watched = [
        Watched("open", data_module, "open_video"),
        Watched("open", VideoReader, "close"),
        Watched("decode", VideoReader, "read"),
        Watched("decode", StoredFrames, "read"),
        Watched("convert", VideoReader, "to_image"),
        Watched("augment", type(clips), "item"),
        Watched("collate", type(collate), "__call__"),
        *([] if finetune else [Watched("collate", clips, "mask")]),
    ]
    description = f"{'TrainingClips' if finetune else 'PretrainingClips'}, repeats={repeats}, uint8"
    return Loader(name, description, VideoDataset(datasets.Dataset.from_dict(rows), clips), collate, repeats, watched)


def peer_loader(peer: Peer, paths: Sequence[str]) -> Loader:
    dataset = PeerDataset(list(paths) * DRAWS, peer)
    return Loader(peer.name, peer.description, dataset, PeerCollator(), 1, peer.watched())


def usable_peers(
    videos: Sequence[Any], *, config: VideoMAEConfig, processor: VideoMAEVideoProcessor
) -> tuple[list[Peer], dict[str, str], dict[int, str]]:
    """(peers, peers that can not be measured, videos that a peer can not read), the latter two with the reason."""
    peers, unusable, unread = [], {}, {}
    for peer_class in PEERS:
        try:
            peer = peer_class(processor, partial(tube_mask, config.grid, MASK_RATIO))
        except ImportError as error:
            unusable[peer_class.name] = str(error)
            continue
        failures = _failures(peer, videos)
        if len(failures) == len(videos):
            unusable[peer.name] = f"reads none of the videos: {failures[0]}"
        else:
            peers.append(peer)
            unread |= {index: f"{peer.name}: {reason}" for index, reason in failures.items()}
    return peers, unusable, unread


def _failures(peer: Peer, videos: Sequence[Any]) -> dict[int, str]:
    """{number of a video: why the peer gives no clip of it}. A second clip of the others is then not the first."""
    failures = {}
    for index, video in enumerate(videos):
        try:
            if not isinstance(video, str):
                raise ValueError("no file with a path")
            PeerCollator()([peer(video, torch.Generator().manual_seed(0))])
        except Exception as error:  # another library's reader may raise anything
            failures[index] = f"{type(error).__name__}: {str(error).strip().splitlines()[-1] if str(error) else ''}"
    return failures


# ---- measuring ----


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """One torch thread, and decoders with the one thread that they get where every core has a process."""
    before, threads = os.environ.get("LOCAL_WORLD_SIZE"), torch.get_num_threads()
    os.environ["LOCAL_WORLD_SIZE"] = str(available_cores())
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        if before is None:
            del os.environ["LOCAL_WORLD_SIZE"]
        else:
            os.environ["LOCAL_WORLD_SIZE"] = before


def time_stages(
    loaders: Sequence[Loader], *, num_videos: int, seconds: float, progress: Progress = iter
) -> dict[str, dict[str, Any]]:
    """{loader: what a clip costs}, measured for about `seconds` each, in this process.

    "ms_per_clip" is by the clock on the wall, "core_ms_per_clip" what all threads of the process computed; where the
    former is much larger, the loader waited for the disk or for other programs. "by_video" is by the clock, too.
    """
    rounds: dict[str, list[dict]] = {loader.name: [] for loader in loaders}
    with one_thread():
        for loader in loaders:
            _time_pass(loader, num_videos, 0)  # reads the files, and imports what the first clip needs
        for number, loader in progress(list(itertools.product(range(ROUNDS), loaders))):
            rounds[loader.name].append(_time_round(loader, num_videos, number, seconds / ROUNDS))
    return {name: _median_of_rounds(measured) for name, measured in rounds.items()}


def _time_round(loader: Loader, num_videos: int, number: int, seconds: float) -> dict[str, Any]:
    """Milliseconds a clip: of the whole, of the cores, by stage and by video; over at least one clip of each video."""
    stopwatch, by_video, passes = Stopwatch(), [0.0] * num_videos, 0
    cores_began, began = time.process_time(), time.perf_counter()
    with stopwatch.watching(loader.watched):
        while passes == 0 or time.perf_counter() - began < seconds:
            times = _time_pass(loader, num_videos, number + ROUNDS * passes)
            by_video = [total + spent for total, spent in zip(by_video, times, strict=True)]
            passes += 1
    whole, cores = time.perf_counter() - began, time.process_time() - cores_began
    clips = passes * loader.clips_per_item
    return {
        "ms_per_clip": 1000 * whole / (clips * num_videos),
        "core_ms_per_clip": 1000 * cores / (clips * num_videos),
        "stages": {stage: 1000 * stopwatch.seconds.get(stage, 0.0) / (clips * num_videos) for stage in STAGES},
        "by_video": [1000 * spent / clips for spent in by_video],
    }


def _time_pass(loader: Loader, num_videos: int, draw: int) -> list[float]:
    """Seconds that an item of each video takes."""
    times = []
    for video in range(num_videos):
        began = time.perf_counter()
        loader.collate([loader.dataset[(draw * num_videos + video) % len(loader.dataset)]])
        times.append(time.perf_counter() - began)
    return times


def _median_of_rounds(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """The medians of all numbers of the rounds, which have the same shape; and each round's whole."""
    return _median(rounds) | {"rounds": [measured["ms_per_clip"] for measured in rounds]}


def _median(values: list[Any]) -> Any:
    if isinstance(values[0], Mapping):
        return {key: _median([value[key] for value in values]) for key in values[0]}
    if isinstance(values[0], list):
        return [_median(list(column)) for column in zip(*values, strict=True)]
    return statistics.median(values)


def time_workers(
    settings: Sequence[tuple[Loader, int]],
    *,
    batch_size: int,
    seconds: float,
    rounds: int,
    progress: Progress = iter,
) -> dict[tuple[str, int], list[float]]:
    """{(loader, number of workers): clips a second in each round}, for about `seconds` each.

    `batch_size` is in videos. Nothing is done with the batches, so that the workers set the pace.
    """
    # transformers' reader closes nothing. A worker that collects such a container, forked with it but without the
    # decoder's threads, would wait for them for ever.
    gc.collect()
    rates: dict[tuple[str, int], list[float]] = {(loader.name, workers): [] for loader, workers in settings}
    for _, (loader, workers) in progress(list(itertools.product(range(rounds), settings))):
        rates[loader.name, workers].append(_throughput(loader, workers, batch_size, seconds / rounds))
    return rates


def _throughput(loader: Loader, num_workers: int, batch_size: int, seconds: float) -> float:
    """Clips a second of a new `DataLoader`, once every worker has given a batch."""
    endless = itertools.cycle(range(len(loader.dataset)))
    batches = iter(
        DataLoader(
            loader.dataset,
            batch_size,
            sampler=endless,
            collate_fn=loader.collate,
            num_workers=num_workers,
            timeout=LONGEST_WAIT if num_workers else 0,
        )
    )
    turn = max(num_workers, 1)  # a batch of each worker: they may come in bursts
    for _ in range(turn):
        next(batches)
    count, began = 0, time.perf_counter()
    while count == 0 or time.perf_counter() - began < seconds:
        for _ in range(turn):
            next(batches)
        count += turn * batch_size * loader.clips_per_item
    return count / (time.perf_counter() - began)


# ---- the whole of it ----


def benchmark_data(
    videos: Sequence[Any],
    *,
    config: VideoMAEConfig,
    processor: VideoMAEVideoProcessor,
    prepare: Callable[[list[str]], dict[str, str]] | None = None,
    repeats: Sequence[int] = (1, 4),
    finetune: bool = False,
    worker_counts: Sequence[int] = (0, 1),
    batch_size: int = 8,
    seconds: float = 5.0,
    progress: Progress = iter,
) -> dict[str, Any]:
    """Measure the data path on these videos; see the top of this file for how.

    Args:
        videos: what `open_video` takes. All of them are decoded in every round: a handful is enough.
        prepare: gives {path: path of the prepared copy} for those of the paths that have one.
        repeats: clips of one decode, a loader each.
        finetune: measure fine-tuning's clips; the peers make those of pre-training and are then left out.
        worker_counts: numbers of `DataLoader` workers that this loader is measured with.
        batch_size: videos of a batch.
        seconds: measuring time of each loader and number of workers.

    Returns:
        what `write_json` writes: "setup", "machine", "versions", "videos", "left_out", "loaders" (see `time_stages`),
        "one_worker" and "workers" (clips a second), "ratios" (how many times as many clips a second one worker gives,
        by loader and peer).

    Raises:
        ValueError: no video, or some that can not be read: all are named.
    """
    if not videos:
        raise ValueError("no videos to measure")
    load = os.getloadavg() if hasattr(os, "getloadavg") else None
    facts = describe_videos(videos)
    videos, facts, peers, prepared, left_out = _comparable(
        list(videos), facts, prepare, finetune, config=config, processor=processor
    )
    sources = {"original": videos} | ({"prepared": prepared} if prepared else {})
    own = [
        own_loader(
            name if count == 1 else f"{name}, {count} repeats",
            files,
            config=config,
            processor=processor,
            repeats=count,
            finetune=finetune,
        )
        for name, files in sources.items()
        for count in repeats
    ]
    loaders = [*(peer_loader(peer, videos) for peer in peers), *own]
    stages = time_stages(loaders, num_videos=len(videos), seconds=seconds, progress=progress)
    timing = {"batch_size": batch_size, "seconds": seconds, "progress": progress}
    with one_thread():
        one_worker = time_workers([(loader, 1) for loader in loaders], rounds=ROUNDS, **timing)
    workers = time_workers(list(itertools.product(own, worker_counts)), rounds=WORKER_ROUNDS, **timing)
    return {
        "subject": "data",
        "setup": {
            "clips": "finetuning" if finetune else "pretraining",
            "num_frames": processor.num_frames,
            "frame_stride": processor.frame_stride,
            "size": [processor.crop_size.height, processor.crop_size.width],
            "batch_size": batch_size,
            "rounds": ROUNDS,
            "seconds": seconds,
        },
        "machine": _machine(load),
        "versions": _versions(),
        "videos": facts,
        "left_out": left_out,
        "loaders": {loader.name: {"description": loader.description} | stages[loader.name] for loader in loaders},
        "one_worker": {name: _rate(rates) for (name, _), rates in one_worker.items()},
        "ratios": _ratios(one_worker, [loader.name for loader in own], [peer.name for peer in peers]),
        "workers": {
            loader.name: {str(count): _rate(workers[loader.name, count]) for count in worker_counts} for loader in own
        },
    }


def _comparable(videos, facts, prepare, finetune, *, config, processor):
    """The videos that everything to be measured can read, and what was left out for that: {name: reason}."""
    left_out, unread, peers = {}, {}, []
    if finetune:
        left_out |= {peer.name: "makes clips for pre-training only" for peer in PEERS}
    else:
        peers, left_out, unread = usable_peers(videos, config=config, processor=processor)
    copies = prepare([video for video in videos if isinstance(video, str)]) if prepare else {}
    kept = [index for index, video in enumerate(videos) if index not in unread]
    if copies:
        unread |= {index: "has no prepared copy" for index in kept if videos[index] not in copies}
        kept = [index for index in kept if index not in unread]
    left_out |= {facts[index]["path"]: reason for index, reason in unread.items()}
    if not kept:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise ValueError(f"no video that all loaders can read: {reasons}")
    prepared = [copies[videos[index]] for index in kept] if copies else []
    facts = [facts[index] | ({"prepared_bytes": _size(copies[videos[index]])} if copies else {}) for index in kept]
    return [videos[index] for index in kept], facts, peers, prepared, left_out


def _rate(rounds: list[float]) -> dict[str, Any]:
    return {"clips_per_second": statistics.median(rounds), "rounds": rounds}


def _ratios(rates: Mapping[tuple[str, int], list[float]], own: list[str], peers: list[str]) -> dict[str, dict]:
    """{loader: {peer: median over the rounds of the loader's rate divided by the peer's}}."""
    return {
        name: {
            peer: statistics.median(a / b for a, b in zip(rates[name, 1], rates[peer, 1], strict=True))
            for peer in peers
        }
        for name in own
    }


def _machine(load: tuple[float, ...] | None) -> dict[str, Any]:
    return {
        "cpu": _cpu_model(),
        "cores": available_cores(),
        "platform": platform.platform(),
        "load_before": list(load) if load else None,  # running processes, averages of 1, 5 and 15 minutes
    }


def _cpu_model() -> str:
    with contextlib.suppress(OSError):  # Linux alone has this file
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _versions() -> dict[str, str | None]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    return found


__all__ = ["Loader", "benchmark_data", "choose_videos", "default_worker_counts"]
