# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Videos that a file names are left out, counted and logged; the numbers of classes stay."""

import datasets
import pytest

from videomae.listing import class_names, load_training_videos, load_videos
from videomae.scanning import ScannedVideo, write_scan


@pytest.fixture
def data(folder):
    return folder("a/1.mp4", "a/2.mp4", "b/3.mp4", "c/4.mp4")


def names(table):
    return [path.split("/data/")[-1] for path in table["video"]]


SCAN = "path,frames,ok,reason\na/2.mp4,12,True,\nb/3.mp4,0,False,moov atom not found\nc/9.mp4,,False,gone\n"
EXCLUDED = {"scan.csv": SCAN, "bad.txt": "b/3.mp4\nc/9.mp4\n", "bad.csv": "path,reason\nb/3.mp4,black\nc/9.mp4,x\n"}


@pytest.mark.parametrize(("name", "text"), EXCLUDED.items())
def test_a_scan_or_a_list_of_paths_leaves_videos_out(data, name, text, caplog):
    (data / name).write_text(text)
    table = load_videos(data, "train", exclude=data / name)
    assert names(table) == ["a/1.mp4", "a/2.mp4", "c/4.mp4"]
    assert table["label"] == [0, 0, 2] and class_names(table) == ["a", "b", "c"]
    assert "1 of 4 videos left out (2 paths to exclude, 1 of them not there)" in caplog.text
    assert "train loses all videos of 1 classes: b" in caplog.text


def test_nothing_is_said_of_classes_that_keep_a_video(data, caplog):
    assert names(load_videos(data, "train", exclude=[data / "a" / "1.mp4"])) == ["a/2.mp4", "b/3.mp4", "c/4.mp4"]
    assert "loses" not in caplog.text


def test_paths_are_told_wherever_they_start_and_through_linked_folders(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "linked").symlink_to(data)
    assert len(load_videos("data", "train", exclude=["b/3.mp4"])) == 4  # from here, there is no such file
    for exclude in (["data/b/../b/3.mp4"], ["linked/b/3.mp4"], [data / "b" / "3.mp4"]):
        assert len(load_videos("data", "train", exclude=exclude)) == 3
        assert len(load_videos("linked", "train", exclude=exclude)) == 3
    monkeypatch.chdir(data)
    assert len(load_videos(".", "train", exclude=["b/3.mp4"])) == 3


def test_both_training_and_validation_videos_leave_them_out(folder):
    root = folder("train/a/1.mp4", "train/a/2.mp4", "val/a/3.mp4", "val/a/4.mp4")
    train, validation = load_training_videos(root, exclude=[root / "train/a/1.mp4", root / "val/a/4.mp4"])
    assert names(train) == ["train/a/2.mp4"] and names(validation) == ["val/a/3.mp4"]


def test_a_video_that_is_left_out_may_be_missing_or_mislabelled(listed):
    source = listed("a.mp4,x\ngone.mp4,x\nb.mp4,?\n", "a.mp4", "b.mp4")
    exclude = [source.parent / "gone.mp4", source.parent / "b.mp4"]
    assert names(load_videos(source, "train", class_names=["x"], exclude=exclude)) == ["a.mp4"]


def test_a_scan_may_have_lines_within_a_cell_and_names_that_are_no_utf_8(data, caplog):
    (data / "scan.csv").write_bytes(b'path,reason,ok\na/1.mp4,"two\nlines",False\ncaf\xe9.mp4,,False\n')
    assert names(load_videos(data, "train", exclude=data / "scan.csv")) == ["a/2.mp4", "b/3.mp4", "c/4.mp4"]
    assert "(2 paths to exclude, 1 of them not there)" in caplog.text


def test_what_scan_writes_is_read(data):
    rows = [ScannedVideo(str(data / "a/1.mp4"), reason="empty"), ScannedVideo(str(data / "b/3.mp4"), ok=True)]
    write_scan(data / "scan.csv", rows)
    assert names(load_videos(data, "train", exclude=data / "scan.csv")) == ["a/2.mp4", "b/3.mp4", "c/4.mp4"]


def test_videos_within_a_table_go_by_their_names(tmp_path):
    rows = [{"path": name, "bytes": name.encode()} for name in ("a.mp4", "b.mp4")]
    table = datasets.Dataset.from_dict({"video": rows, "label": ["x", "y"]})
    kept = load_videos(table, "train", exclude=["a.mp4"])
    assert kept["video"][:] == [rows[1]] and kept["label"] == [1]
    (tmp_path / "bad.txt").write_text("b.mp4\n")
    assert load_videos(table, "train", exclude=tmp_path / "bad.txt")["video"][:] == [rows[0]]


def test_a_split_without_any_video_left_is_an_error(data):
    with pytest.raises(ValueError, match="exclude leaves no video of the train split"):
        load_videos(data, exclude=[data / name for name in ("a/1.mp4", "a/2.mp4", "b/3.mp4", "c/4.mp4")])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (None, "scan.csv: no such file"),
        ("path,ok\na/1.mp4,perhaps\n", "the column ok holds 'perhaps'"),
        ("ok,path\nTrue,a/1.mp4\n\nFalse\n", "scan.csv, line 4: 1 columns, wanted ok and path .2.: 'False'"),
        ("path,ok\na/1.mp4\n", "scan.csv, line 2: 1 columns, wanted path and ok"),
    ],
)
def test_what_to_exclude_is_clear(data, text, found):
    if text:
        (data / "scan.csv").write_text(text)
    with pytest.raises(ValueError, match=f"exclude: .*{found}"):
        load_videos(data, exclude=data / "scan.csv")
