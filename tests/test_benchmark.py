# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""The benchmark of the data path: its report, that stages add up, and what it refuses. No time is asserted."""

import json
import os

import pytest

from videomae import benchmark
from videomae.benchmark import STAGES, benchmark_data, choose_videos, own_loader, time_stages
from videomae.data import make_processor
from videomae.files import write_json
from videomae.frames import decoder_threads
from videomae.peers import TransformersSteps


@pytest.fixture
def setup(tiny_config):
    config = tiny_config()
    return {"config": config, "processor": make_processor(config, frame_stride=2)}


@pytest.fixture
def two_videos(tiny_clip):
    return [str(tiny_clip("a.mp4", num_frames=12)), str(tiny_clip("b.mp4", num_frames=14))]


QUICK = {"seconds": 0.01, "batch_size": 3, "repeats": (1, 2), "worker_counts": (0, 1)}


def test_the_report_has_every_part_and_is_json(two_videos, setup, tiny_clip, tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "ROUNDS", 2)
    copies = {two_videos[0]: str(tiny_clip("copy.mp4", num_frames=12, options={"g": "1"}))}
    report = benchmark_data(two_videos, prepare=lambda paths: copies, **setup, **QUICK)
    report = json.loads(write_json(tmp_path / "report.json", report).read_text())

    own = ["original", "original, 2 repeats", "prepared", "prepared, 2 repeats"]
    assert set(own) < set(report["loaders"])
    assert {"transformers"} <= set(report["loaders"]) - set(own) <= {"transformers", "official"}
    assert set(report["one_worker"]) == set(report["loaders"])
    assert set(report["ratios"]) == set(report["workers"]) == set(own)
    assert set(report["workers"]["prepared"]) == {"0", "1"}
    assert report["workers"]["prepared"]["1"]["clips_per_second"] > 0
    assert len(report["one_worker"]["original"]["rounds"]) == report["setup"]["rounds"]
    for peer, ratio in report["ratios"]["prepared"].items():
        assert ratio > 0
        assert peer in report["loaders"]
    assert report["setup"] | {"size": [24, 32], "num_frames": 4, "frame_stride": 2} == report["setup"]
    assert {"cpu", "cores", "platform", "load_before"} == set(report["machine"])
    assert report["versions"]["av"]
    (video,) = report["videos"]  # the one that everything can read: b.mp4 has no copy
    assert video["path"] == two_videos[0]
    assert video["bytes"] == os.path.getsize(two_videos[0])
    assert video["prepared_bytes"] == os.path.getsize(copies[two_videos[0]])
    assert two_videos[1] in report["left_out"]


def test_stages_add_up_to_the_whole_and_videos_too(two_videos, setup):
    loaders = [own_loader("one", two_videos, **setup), own_loader("three", two_videos, repeats=3, **setup)]
    for measured in time_stages(loaders, num_videos=2, seconds=0.05).values():
        stages, whole = measured["stages"], measured["ms_per_clip"]
        assert set(stages) == set(STAGES)
        assert sum(stages.values()) == pytest.approx(whole, rel=0.3)  # each is a median of its own
        assert sum(measured["by_video"]) / 2 == pytest.approx(whole, rel=0.3)
        assert min(stages[stage] for stage in ("open", "decode", "convert", "augment", "collate")) > 0
        assert stages["normalize"] == 0  # ours stays uint8


def test_fine_tuning_measures_its_own_clips_and_no_peers(two_videos, setup, monkeypatch):
    monkeypatch.setattr(benchmark, "ROUNDS", 1)
    report = benchmark_data(two_videos, finetune=True, **setup, **QUICK | {"repeats": (1,)})
    assert list(report["loaders"]) == ["original"]
    assert report["left_out"]["transformers"] == "makes clips for pre-training only"
    assert report["setup"]["clips"] == "finetuning"


def test_items_go_through_the_videos_in_turn_and_draw_anew(two_videos, setup):
    dataset = own_loader("one", two_videos, **setup).dataset
    assert [row["video"] for row in dataset.videos.select(range(3))] == [*two_videos, two_videos[0]]
    masks = {tuple(dataset[index]["bool_masked_pos"].tolist()) for index in range(0, 12, 2)}
    assert len(masks) > 1


def test_videos_that_can_not_be_read_are_all_named(two_videos, tmp_path, setup):
    bad = [tmp_path / "bad.mp4", tmp_path / "worse.mp4"]
    for path in bad:
        path.write_bytes(b"no video")
    with pytest.raises(ValueError, match="2 of 3 videos can not be read") as error:
        benchmark_data([*map(str, bad), two_videos[0]], **setup)
    assert all(str(path) in str(error.value) for path in bad)


def test_no_videos_are_an_error(setup):
    with pytest.raises(ValueError, match="no videos"):
        benchmark_data([], **setup)


def test_a_peer_that_reads_nothing_is_left_out_with_its_reason(two_videos, setup, monkeypatch):
    class Broken:
        name = "broken"

        def __init__(self, processor, mask):
            pass

        def __call__(self, path, generator):
            raise RuntimeError("first line\nno such codec")

    class Missing(Broken):
        name = "missing"

        def __init__(self, processor, mask):
            raise ImportError("No module named 'missing'")

    monkeypatch.setattr(benchmark, "PEERS", (Broken, Missing))
    peers, unusable, unread = benchmark.usable_peers(two_videos, **setup)
    assert (peers, unread) == ([], {})
    assert unusable["broken"] == "reads none of the videos: RuntimeError: no such codec"
    assert unusable["missing"] == "No module named 'missing'"


def test_videos_that_a_peer_can_not_read_are_left_out_for_all(two_videos, setup, monkeypatch):
    load = TransformersSteps.load

    def load_the_first(peer, path, generator):
        if not path.endswith("a.mp4"):
            raise ValueError("not this one")
        return load(peer, path, generator)

    monkeypatch.setattr(TransformersSteps, "load", load_the_first)
    monkeypatch.setattr(benchmark, "PEERS", (TransformersSteps,))
    monkeypatch.setattr(benchmark, "ROUNDS", 1)
    report = benchmark_data(two_videos, **setup, **QUICK | {"repeats": (1,), "worker_counts": (0,)})
    assert [video["path"] for video in report["videos"]] == two_videos[:1]
    assert report["left_out"] == {two_videos[1]: "transformers: ValueError: not this one"}


def test_the_choice_of_videos_is_the_same_on_every_call_and_keeps_their_order():
    names = [f"{number:03}.mp4" for number in range(50)]
    chosen = choose_videos(names, 7)
    assert chosen == choose_videos(names, 7) == sorted(chosen)
    assert len(set(chosen)) == 7
    assert choose_videos(names[:3], 7) == names[:3]


def test_worker_counts_end_with_the_cores(monkeypatch):
    for cores, counts in ((1, [0, 1]), (2, [0, 1, 2]), (6, [0, 1, 2, 4, 6]), (8, [0, 1, 2, 4, 8])):
        monkeypatch.setattr(benchmark, "available_cores", lambda cores=cores: cores)
        assert benchmark.default_worker_counts() == counts


@pytest.mark.parametrize("before", [None, "3"])
def test_comparisons_have_one_decoder_thread_and_leave_no_trace(monkeypatch, before):
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    if before:
        monkeypatch.setenv("LOCAL_WORLD_SIZE", before)
    with benchmark.one_thread():
        assert decoder_threads() == 1
    assert os.environ.get("LOCAL_WORLD_SIZE") == before
