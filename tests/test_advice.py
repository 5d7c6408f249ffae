# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""What the numbers of a benchmark say: each sentence has the numbers that it rests on."""

import pytest

from videomae.advice import advise, report_text
from videomae.benchmark import STAGES


def loader(whole, cores, **stages):
    stages = dict.fromkeys(STAGES, 0.0) | stages
    return {"description": "", "ms_per_clip": whole, "core_ms_per_clip": cores, "stages": stages}


def rate(value):
    return {"clips_per_second": value, "rounds": [value]}


@pytest.fixture
def report():
    return {
        "setup": {"clips": "pretraining", "num_frames": 16, "frame_stride": 4, "size": [224, 192], "rounds": 5},
        "machine": {"cpu": "a cpu", "cores": 4, "platform": "", "load_before": [0.2, 0.1, 0.1]},
        "videos": [{"codec": "h264", "width": 340, "height": 256, "bytes": 100, "prepared_bytes": 250}] * 3,
        "left_out": {"broken.avi": "official: no such codec"},
        "loaders": {
            "official": loader(100.0, 95.0, open=5.0, decode=80.0, augment=15.0),
            "original": loader(50.0, 48.0, open=5.0, decode=40.0, augment=5.0),
            "prepared": loader(12.5, 12.0, open=2.0, decode=6.0, augment=4.5),
            "prepared, 4 repeats": loader(5.0, 5.0, open=1.0, decode=2.0, augment=2.0),
        },
        "one_worker": {
            "official": rate(10.0),
            "original": rate(20.0),
            "prepared": rate(80.0),
            "prepared, 4 repeats": rate(200.0),
        },
        "ratios": {
            "original": {"official": 2.0},
            "prepared": {"official": 8.0},
            "prepared, 4 repeats": {"official": 20.0},
        },
        "workers": {
            "original": {"0": rate(21.0), "2": rate(39.0), "4": rate(36.0)},
            "prepared": {"0": rate(81.0), "2": rate(150.0), "4": rate(310.0)},
            "prepared, 4 repeats": {"0": rate(200.0), "2": rate(390.0), "4": rate(800.0)},
        },
    }


def sentences(report, speed):
    return advise(report, model_speed=speed, source="a guess")


def test_a_fast_model_waits_and_the_share_is_said(report):
    first = sentences(report, 1600)[0]
    assert first == (
        "Loader-bound: the model takes 1,600 clips/s (a guess), the most that this machine gives is 800 "
        "(prepared, 4 repeats, 4 workers): the model would wait 50 % of the time. More cores help in proportion."
    )


@pytest.mark.parametrize(
    ("speed", "enough"),
    [
        (30, "original with 2 workers give 39."),
        (100, "prepared with 2 workers give 150."),
        (300, "prepared with 4 workers give 310."),
        (350, "prepared, 4 repeats with 2 workers give 390."),
        (20, "original with 0 workers give 21."),
    ],
)
def test_the_plainest_loader_and_the_fewest_workers_that_keep_up_are_named(report, speed, enough):
    first = sentences(report, speed)[0]
    assert first.startswith(f"Not loader-bound: the model takes {speed} clips/s (a guess)")
    assert first.endswith(enough)


def test_workers_that_bring_nothing_are_said_where_there_are_any(report):
    text = "More than 2 workers bring nothing here: 39 clips/s, with 4 it is 36 (original)."
    assert text in sentences(report, 100)
    report["workers"]["original"]["4"] = rate(70.0)
    assert not any("bring nothing" in sentence for sentence in sentences(report, 100))


def test_preparing_is_advised_with_its_gain_and_its_space(report):
    text = "`videomae prepare` makes loading 4.0 x as fast: 20.0 to 80.0 clips/s a worker, the files 2.5 x the size."
    assert text in sentences(report, 100)
    report["one_worker"]["prepared"] = rate(22.0)
    assert any("`videomae prepare` would change little: 20.0 to 22.0" in each for each in sentences(report, 100))
    for part in ("one_worker", "workers", "loaders"):
        report[part] = {name: value for name, value in report[part].items() if "prepared" not in name}
    assert not any("videomae prepare" in sentence for sentence in sentences(report, 100))


def test_repeats_are_advised_where_they_gain(report):
    assert any("`--repeats 4` gives 2.5 x the clips: 80.0 to 200.0" in each for each in sentences(report, 100))
    report["one_worker"]["prepared, 4 repeats"] = rate(85.0)
    assert not any("--repeats" in sentence for sentence in sentences(report, 100))


def test_the_largest_stage_is_named(report):
    text = "Most of the time of original goes to 'decode': 40.0 of 50.0 ms a clip (80 %)."
    assert text in sentences(report, 100)


def test_time_without_computing_is_said(report):
    assert not any("no computing" in sentence for sentence in sentences(report, 100))
    report["loaders"]["original"]["core_ms_per_clip"] = 20.0
    assert any(each.startswith("60 % of the time of original was no computing") for each in sentences(report, 100))


def test_the_text_has_the_tables_what_was_left_out_and_the_advice(report):
    report["advice"] = sentences(report, 100)
    text = report_text(report)
    lines = text.splitlines()
    assert lines[0].startswith("3 videos (3 h264 340x256), pretraining clips of 16 frames at stride 4, 192x224")
    assert any(line.split()[:3] == ["official", "5.0", "80.0"] for line in lines)
    assert any(line.split() == ["prepared", "80.0", "8.00"] for line in lines)
    assert any(line.split() == ["original", "21.0", "39.0", "36.0"] for line in lines)
    assert "left out: broken.avi: official: no such codec" in lines
    assert lines[-1].startswith("- ")
