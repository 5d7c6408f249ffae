# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""What a list of videos is told before a run: errors that would spoil it, and warnings."""

import json
import os

import datasets
import pytest

from videomae.checking import END_BYTES, check
from videomae.listing import load_videos, read_videos
from videomae.stored import VIDEO


@pytest.fixture
def files(tmp_path):
    """`files({path: content, …}) -> Path`: a folder with these files."""

    def write(contents):
        root = tmp_path / "data"
        for path, content in contents.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content if isinstance(content, bytes) else content.encode())
        return root

    return write


def many(pattern, count):
    """{path: content}: files of different content and size."""
    return {pattern.format(number): f"{pattern}{'x' * number}" for number in range(count)}


def kinds(report):
    return {(finding.level, finding.kind): finding.count for finding in report.findings}


def finding(report, kind):
    (found,) = [found for found in report.findings if found.kind == kind]
    return found


def told(root, few_videos=1):
    return check(load_videos(root), few_videos=few_videos)


def test_nothing_is_said_of_a_good_set(files):
    root = files(many("train/run/t{}.mp4", 5) | many("train/jump/u{}.mp4", 6) | many("val/run/v{}.mp4", 2))
    (root / "val/jump").mkdir()
    (root / "val/jump/w.mp4").write_text("w")
    report = check(load_videos(root))
    assert not report.findings and report.videos == {"train": 11, "validation": 3}
    assert report.classes["train"] == {"jump": 6, "run": 5}
    assert "train: 11 videos of 2 classes, from 5 (run) to 6 (jump)" in str(report)
    assert str(report).endswith("errors: 0, warnings: 0")


def test_a_split_may_be_none(files):
    assert check({"train": load_videos(files(many("{}.mp4", 3)), "train"), "validation": None}).videos == {"train": 3}


# ---- files and labels ----


def test_files_that_are_missing_or_empty_are_errors(files):
    root = files({"a.mp4": "a", "b.mp4": "", "b2.mp4": "", "c.mp4": "c"})
    videos = load_videos(root)
    (root / "c.mp4").unlink()
    report = check(videos)
    assert kinds(report) == {("error", "missing"): 1, ("error", "empty"): 2}
    assert finding(report, "missing").examples == [f"train: {root / 'c.mp4'}"]


def test_labels_that_are_missing_or_out_of_range_are_errors(files):
    root = files(many("{}.mp4", 4))
    features = datasets.Features({"video": datasets.Value("string"), "label": datasets.ClassLabel(names=["a", "b"])})
    rows = {"video": [str(root / f"{number}.mp4") for number in range(4)], "label": [0, 1, None, -1]}
    report = check({"train": datasets.Dataset.from_dict(rows, features=features)}, few_videos=1)
    assert kinds(report) == {("error", "unlabelled"): 2}
    # Only a table that was written with other classes has such numbers: `ClassLabel` itself refuses them.
    table = datasets.Dataset.from_dict(rows | {"label": [0, 1, 1, 2]})
    table.info.features["label"] = features["label"]
    report = check({"train": table}, few_videos=1)
    assert kinds(report) == {("error", "label range"): 1}
    assert finding(report, "label range").examples == [f"train: {root / '3.mp4'}: label 2, the classes are 0 to 1"]


def test_all_splits_are_labelled_or_none(files):
    root = files({"train/run/1.mp4": "1", "val/2.mp4": "22"})
    splits = {"train": load_videos(root / "train", "train"), "validation": load_videos(root / "val", "train")}
    assert kinds(check(splits, few_videos=1)) == {("error", "unlabelled split"): 1}


# ---- the same video twice ----


def test_the_same_content_in_two_splits_is_an_error(files):
    root = files({"train/run/a.mp4": "same", "train/run/b.mp4": "else", "val/run/c.mp4": "same"})
    report = told(root)
    assert kinds(report) == {("error", "leak by content"): 1}
    assert finding(report, "leak by content").examples == [
        f"train: {root / 'train/run/a.mp4'} = validation: {root / 'val/run/c.mp4'}"
    ]


def test_the_same_path_in_two_splits_is_an_error_and_told_once(files):
    root = files({"videos/a.mp4": "a", "train.csv": "videos/a.mp4,run\n", "val.csv": "videos/../videos/a.mp4,run\n"})
    assert kinds(told(root)) == {("error", "leak by path"): 1}


def test_the_same_video_twice_in_a_split_is_a_warning_and_with_two_labels_an_error(files):
    root = files({"run/a.mp4": "same", "run/b.mp4": "same", "jump/c.mp4": "other", "run/d.mp4": "other"})
    report = told(root)
    assert kinds(report) == {("warning", "twice by content"): 2, ("error", "labels by content"): 1}
    assert "jump/c.mp4" in finding(report, "labels by content").examples[0]
    (root / "list.csv").write_text("run/a.mp4,run\nrun/d.mp4,run\n./run/a.mp4,run\n")
    assert kinds(told(root / "list.csv")) == {("warning", "twice by path"): 1}


@pytest.mark.parametrize("at", [0, END_BYTES + 1, 3 * END_BYTES - 1], ids=["start", "middle", "end"])
def test_content_differs_wherever_a_byte_does(files, at):
    content = bytearray(3 * END_BYTES)
    root = files({"run/a.mp4": bytes(content), "run/b.mp4": bytes(content)})
    assert kinds(told(root)) == {("warning", "twice by content"): 1}
    content[at] = 1
    (root / "run/b.mp4").write_bytes(content)
    assert not told(root).findings


def test_the_middle_of_a_file_is_read_on_a_tie_alone(files, monkeypatch):
    from videomae import checking

    read = []
    whole = checking._whole
    monkeypatch.setattr(checking, "_whole", lambda video: (read.append(video.stem), whole(video))[1])
    told(files({"run/a.mp4": "same", "run/b.mp4": "same", "run/c.mp4": "lame", "run/d.mp4": "longer"}))
    assert sorted(read) == ["a", "b"]


def test_folders_of_frames_are_compared_by_their_pictures(files):
    clip = {"{}/1.jpg": "one", "{}/2.jpg": "two", "{}/3.jpg": "end"}

    def frames(folder, **changes):
        return {path.format(folder): changes.get(content, content) for path, content in clip.items()}

    root = files(frames("train/run/p") | frames("train/run/q", two="TWO") | frames("val/run/r"))
    report = told(root)
    assert kinds(report) == {("error", "leak by content"): 1} and "run/q" not in str(report)


def test_videos_within_a_table_are_compared_by_their_bytes(files):
    rows = [{"path": name, "bytes": data} for name, data in zip("aabc", (b"one", b"two", b"one", b""), strict=True)]
    table = datasets.Dataset.from_dict({"video": rows}).cast_column("video", VIDEO)
    report = check({"train": table})
    assert kinds(report) == {("warning", "twice by content"): 1, ("error", "empty"): 1}
    assert finding(report, "twice by content").examples == ["train: a = train: b"]
    assert kinds(check({"train": table.select([0, 1]), "test": table.select([2, 1])})) == {
        ("error", "leak by content"): 2
    }


# ---- names ----


@pytest.mark.parametrize(
    ("train", "validation", "source"),
    [
        ("-3B32lodo2M_000059_000069", "-3B32lodo2M_000012_000022", "-3B32lodo2M"),
        ("v_Archery_g07_c02", "v_Archery_g07_c05", "v_Archery_g07"),
        ("talk_3.5_9", "talk_10_12.25", "talk"),
    ],
)
def test_clips_that_were_cut_from_one_video_and_are_in_two_splits_are_a_warning(files, train, validation, source):
    root = files({f"train/run/{train}.mp4": "a", f"val/run/{validation}.mp4": "bb"})
    report = told(root)
    assert kinds(report) == {("warning", "leak by source"): 1}
    assert finding(report, "leak by source").examples[0].startswith(f"{source}: train: ")


@pytest.mark.parametrize(
    ("train", "validation"),
    [
        ("-3B32lodo2M_000059_000069", "-3B32lodo2N_000012_000022"),
        ("clip_9_2", "clip_8_1"),  # no range: the end comes first
        ("00012", "00012"),  # counted in each split
    ],
)
def test_names_that_say_nothing_are_no_warning(files, train, validation):
    assert not told(files({f"train/run/{train}.mp4": "a", f"val/run/{validation}.mp4": "bb"})).findings


def test_the_same_name_in_two_splits_is_a_warning_unless_a_split_has_it_twice(files):
    root = files({"train/run/cat.mp4": "a", "val/run/cat.avi": "bb", "val/run/dog.mp4": "ccc"})
    assert kinds(told(root)) == {("warning", "leak by name"): 1}
    (root / "train/jump").mkdir()
    (root / "train/jump/cat.mp4").write_text("dddd")
    assert ("warning", "leak by name") not in kinds(told(root))


# ---- classes ----


def test_classes_with_few_videos_or_none_are_warnings(files):
    root = files(many("train/run/t{}.mp4", 5) | many("train/jump/u{}.mp4", 4) | many("val/run/v{}.mp4", 1))
    report = check(load_videos(root, class_names=["jump", "run", "swim"]))
    assert finding(report, "few videos").examples == ["jump: 4"]
    absent = [found for found in report.findings if found.kind == "absent class"]
    assert [found.message for found in absent] == [
        "classes without a video in train",
        "classes without a video in validation",
    ]
    assert [found.examples for found in absent] == [["swim"], ["jump", "swim"]]


# ---- what the listing complains of ----


def test_every_fault_of_a_list_is_told_once(files):
    root = files({"a.mp4": "a", "b.mp4": "bb", "c.mp4": "bb"})
    (root / "list.jsonl").write_text(
        '{"path": "a.mp4", "label": "run"}\n{"path": "gone.mp4", "label": "run"}\n{broken\n'
        '{"path": "b.mp4", "label": "swim"}\n{"path": "c.mp4", "label": "run"}\n{"path": "a.mp4"}\n'
    )
    found = read_videos(root / "list.jsonl", class_names=["run"])
    report = check(found.splits, found.complaints, few_videos=1)
    assert kinds(report) == {
        ("error", "listed file"): 1,
        ("error", "listed label"): 2,
        ("error", "listed line"): 1,
        ("warning", "twice by path"): 1,  # the label of one of the two is missing: no contradiction
        ("warning", "twice by content"): 1,
    }
    assert found.splits["train"]["label"] == [0, 0, None, None, 0, None]


def test_a_complaint_goes_with_its_row_where_others_are_left_out(files):
    root = files({"a.mp4": "a", "b.mp4": "bb"})
    (root / "list.csv").write_text("a.mp4,run\ngone.mp4,run\nb.mp4,swim\n")
    found = read_videos(root / "list.csv", class_names=["run"], exclude=[root / "a.mp4"])
    assert [(one.row, one.kind) for one in found.complaints["train"]] == [(0, "file"), (1, "label")]
    report = check(found.splits, found.complaints, ["look elsewhere"], few_videos=1)
    assert kinds(report) == {("error", "listed file"): 1, ("error", "listed label"): 1, ("warning", "hint"): 1}


def test_names_that_are_no_utf_8_are_findings_too(files):
    root = files({os.fsdecode(b"caf\xe9.mp4"): "a", "b.mp4": "bb"})
    found = read_videos(root)
    assert kinds(check(found.splits, found.complaints)) == {("error", "listed file"): 1}


# ---- the report ----


def test_what_is_printed_is_bounded_and_errors_come_first(files):
    root = files({f"run/{number:03}.mp4": "" for number in range(300)} | {"jump/a.mp4": "a", "jump/b.mp4": "a"})
    report = check(load_videos(root))
    text = str(report)
    assert len(text.splitlines()) < 20 and "… and 295 more" in text
    assert text.index("error: empty videos: 300") < text.index("warning: classes with fewer than 5 videos in train: 1")
    assert [len(report.errors), len(report.warnings)] == [1, 2] and text.endswith("errors: 1, warnings: 2")


def test_a_report_is_written_as_json(files):
    report = told(files({"run/a.mp4": "", "run/b.mp4": "b"}))
    found = json.loads(json.dumps(report.to_dict()))
    assert found["videos"] == {"train": 2} and found["classes"] == {"train": {"run": 2}}
    assert [(one["level"], one["kind"], one["count"]) for one in found["findings"]] == [("error", "empty", 1)]
