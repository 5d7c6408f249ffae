# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""List files: official forms, JSON lines, columns of splits; what test_listing.py says of csv and txt holds, too."""

import json

import datasets
import pytest

from videomae.listing import class_names, load_training_videos, load_videos


def names(table):
    return [path.split("/data/")[-1] for path in table["video"]]


def complaint(source, **kwargs):
    with pytest.raises(ValueError) as error:
        load_videos(source, **kwargs)
    return str(error.value)


FRAMES = ("clip1/1.jpg", "clip1/2.jpg", "clip1/3.jpg", "clip2/1.jpg", "clip2/2.jpg")

# ---- official lists of three columns ----


@pytest.mark.parametrize("start", [0, 1])
def test_path_start_total_is_a_pre_training_list_of_videos_and_folders_of_frames(listed, start):
    table = load_videos(listed(f"a.mp4 0 -1\nclip1 {start} 3\nclip2/ {start} 2\n", "a.mp4", *FRAMES), "train")
    assert names(table) == ["a.mp4", "clip1", "clip2/"] and table.column_names == ["video"]


def test_folder_total_label_is_a_fine_tuning_list(listed):
    table = load_videos(listed("clip1 3 1\nclip2 2 0\n", *FRAMES), "train")
    assert names(table) == ["clip1", "clip2"] and table["label"] == [1, 0]
    assert names(load_videos(listed("clip1 3 1\nclip2 2 0\n"), "train", labels=False)) == ["clip1", "clip2"]


def test_part_of_a_folder_of_frames_is_not_read(listed):
    assert "line 2: a folder of 2 pictures, the list says 5" in complaint(listed("clip1 1 3\nclip2 1 5\n", *FRAMES))
    assert "line 1: a folder of 3 pictures, the list says 2" in complaint(listed("clip1 2 0\n", *FRAMES))
    assert "3 columns without a header" in complaint(listed("clip1 1 3\nclip2 2 2\n", *FRAMES))


def test_a_video_file_has_no_number_of_frames_in_them(listed):
    text = complaint(listed("clip1 0 3\na.mp4 0 40\n", "a.mp4", *FRAMES))
    assert "line 2: a file, the list says a folder of 40 pictures (a video file has `0 -1`)" in text


def test_missing_entries_of_official_lists_are_named_as_such(listed):
    assert "line 2: no such file" in complaint(listed("a.mp4 0 -1\nb.mp4 0 -1\n", "a.mp4"))
    assert "line 2: no such file" in complaint(listed("clip1 3 0\nclip7 8 1\n", *FRAMES))


def test_folders_of_frames_lie_in_any_list(listed):
    assert load_videos(listed("clip1 0\nclip2 1\n", *FRAMES), "train")["label"] == [0, 1]


# ---- paths ----


def test_a_name_without_an_extension_is_an_mp4_where_that_file_is_there(listed):
    source = listed("a 0\nb.1 0\nclip1 0\n", "a.mp4", "b.1", "clip1.mp4", *FRAMES)
    assert names(load_videos(source, "train")) == ["a.mp4", "b.1", "clip1"]
    text = complaint(listed("c 0\nd.1 0\n", "d.1.mp4"))
    assert "line 1: no such file: " in text and "line 2: no such file: " in text and ".mp4" not in text


def test_paths_start_from_root(listed, tmp_path):
    (tmp_path / "videos" / "k400").mkdir(parents=True)
    (tmp_path / "videos" / "k400" / "a.mp4").touch()
    table = load_videos(listed("k400/a.mp4 0\n"), "train", root=tmp_path / "videos")
    assert table["video"] == [str(tmp_path / "videos" / "k400" / "a.mp4")]


@pytest.mark.parametrize(("missing", "told"), [(2, False), (3, True)])
def test_where_paths_start_from_is_told_where_most_are_missing(listed, tmp_path, missing, told):
    there = ["1.mp4", "2.mp4"]
    source = listed("".join(f"{name} 0\n" for name in [*there, *"abc"[:missing]]), *there)
    hint = f"list.csv were looked for in {source.parent}; --data_root FOLDER (in Python root=) names another folder"
    text = complaint(source)
    assert f"{missing} problems" in text and text.endswith(hint) == told
    assert f"looked for in {tmp_path};" in complaint(source, root=tmp_path)


def test_a_full_path_starts_nowhere_else(listed):
    assert "looked for" not in complaint(listed("/nowhere/a.mp4 0\n"))


def test_root_is_no_setting_of_a_folder(folder):
    assert "a folder has no use for --data_root /videos (root=)" in complaint(folder("a/1.mp4"), root="/videos")


def test_a_folder_may_have_its_list_within(folder):
    root = folder("train/1.mp4", "train/2.mp4", "train/unlisted.mp4", "val/3.mp4")
    (root / "train" / "metadata.csv").write_text("file_name,label\n1.mp4,jump\n2.mp4,run\n")
    (root / "val" / "metadata.jsonl").write_text('{"file_name": "3.mp4", "label": "run"}\n')
    train, validation = load_training_videos(root)
    assert names(train) == ["train/1.mp4", "train/2.mp4"] and validation["label"] == [1]
    (root / "val" / "metadata.csv").touch()
    assert "metadata.csv, metadata.jsonl both list its videos" in complaint(root)


# ---- columns of text ----


@pytest.mark.parametrize(
    "text",
    [
        "path;label\nmy clips/a.mp4;pick up\nb.mp4;drop\n",
        "label;path\npick up;my clips/a.mp4\ndrop;b.mp4\n",
        "my clips/a.mp4;pick up\nb.mp4;drop\n",
        '"my clips/a.mp4";"pick up"\n"b.mp4";"drop"\n',
    ],
    ids=["header", "label first", "no header", "quotes"],
)
def test_semicolons_separate_columns(listed, text):
    table = load_videos(listed(text, "my clips/a.mp4", "b.mp4"), "train")
    assert names(table) == ["my clips/a.mp4", "b.mp4"]
    assert class_names(table) == ["drop", "pick up"] and table["label"] == [1, 0]


def test_semicolons_leave_commas_to_labels(listed):
    table = load_videos(listed("b.mp4;pick up, drop\na.mp4;run, jump\n", "a.mp4", "b.mp4"))
    assert class_names(table["train"]) == ["pick up, drop", "run, jump"]
    assert load_videos(listed("path;label\na.mp4;0,5\n"), "train").num_rows == 1


def test_semicolons_separate_folders_of_frames_from_labels(listed):
    table = load_videos(listed("clip1;pick up\nclip2;drop\n", *FRAMES), "train")
    assert names(table) == ["clip1", "clip2"] and class_names(table) == ["drop", "pick up"]


@pytest.mark.parametrize("text", ["a;1.mp4,x\nb;2.mp4,y\n", "a;1.mp4\tx\nb;2.mp4\ty\n", "a;1.mp4 x\nb;2.mp4 y\n"])
def test_a_name_may_hold_semicolons_where_another_separator_fits(listed, text):
    table = load_videos(listed(text, "a;1.mp4", "b;2.mp4"), "train")
    assert names(table) == ["a;1.mp4", "b;2.mp4"] and class_names(table) == ["x", "y"]
    assert names(load_videos(listed("a;1.mp4\nb;2.mp4\n"), "train")) == ["a;1.mp4", "b;2.mp4"]


@pytest.mark.parametrize("separator", [",", ";", "\t", " "])
def test_a_line_without_its_label_is_told_by_its_columns(listed, separator):
    source = listed("path,label\na.avi,a\nb.mp4\n".replace(",", separator), "a.avi", "b.mp4")
    assert complaint(source).endswith("1 problem\n- " + f"{source}, line 3: 1 column, the header has 2")
    assert names(load_videos(source, "train", labels=False)) == ["a.avi", "b.mp4"]


def test_columns_that_nobody_reads_may_be_missing(listed):
    source = listed("path,label,fps,split\na.mp4,x,25,train\nb.mp4,x,25\n", "a.mp4", "b.mp4")
    assert "line 3: 3 columns, the header has 4" in complaint(source)
    assert len(load_videos(listed("path,label,fps\na.mp4,x,25\nb.mp4,x\n"), "train")) == 2


def test_a_line_without_its_label_is_told_without_a_header(listed):
    source = listed("a.avi,a\nb.mp4\n", "a.avi", "b.mp4")
    assert complaint(source).endswith(f"1 problem\n- {source.parent}/b.mp4: label '' is missing")


# ---- splits ----


def test_a_column_names_the_split(listed):
    text = "split,path,label\nVAL,c.mp4,run\ntrain,a.mp4,run\nTrain,b.mp4,jump\ntest,d.mp4,jump\n"
    splits = load_videos(listed(text, "a.mp4", "b.mp4", "c.mp4", "d.mp4"))
    assert {split: names(table) for split, table in splits.items()} == {
        "train": ["a.mp4", "b.mp4"],
        "validation": ["c.mp4"],
        "test": ["d.mp4"],
    }
    assert [class_names(table) for table in splits.values()] == [["jump", "run"]] * 3


def test_paths_and_splits_alone_are_unlabelled(listed):
    splits = load_videos(listed("path,split\na.mp4,train\nb.mp4,val\n", "a.mp4", "b.mp4"))
    assert [table.column_names for table in splits.values()] == [["video"], ["video"]]


def test_a_split_that_is_none_is_an_error_with_its_line(listed):
    text = complaint(listed("path,split\na.mp4,train\nb.mp4,dev\nc.mp4,\n", "a.mp4", "b.mp4", "c.mp4"))
    assert "2 problems" in text and "line 3: split 'dev' is none of train, val," in text and "line 4: split ''" in text


def test_the_name_of_a_list_and_its_column_of_splits_agree(folder):
    root = folder("a.mp4", "b.mp4", "c.mp4")
    (root / "train.csv").write_text("path,split\na.mp4,train\nb.mp4,val\n")
    (root / "val.csv").write_text("path,split\nc.mp4,val\n")
    assert "train.csv: is the train split by its name, and its column split says train, validation" in complaint(root)
    (root / "train.csv").write_text("path,split\na.mp4,train\n")
    assert names(load_videos(root, "validation")) == ["c.mp4"]


# ---- JSON lines ----


def json_list(listed, *rows, videos=("a.mp4", "b.mp4")):
    text = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    return listed(text, *videos, name="list.jsonl")


@pytest.mark.parametrize(("labels", "classes"), [((1, 0), ["0", "1"]), (("run", "jump"), ["jump", "run"])])
def test_json_lines_have_the_columns_of_a_csv(listed, labels, classes):
    rows = [
        {"fps": 25, "video_path": name, "class": label} for name, label in zip(["a.mp4", "b.mp4"], labels, strict=True)
    ]
    table = load_videos(json_list(listed, *rows), "train")
    assert names(table) == ["a.mp4", "b.mp4"] and table["label"] == [1, 0] and class_names(table) == classes


def test_json_lines_name_splits_and_need_no_labels(listed):
    splits = load_videos(json_list(listed, {"path": "b.mp4", "split": "val"}, "", {"path": "a.mp4", "split": "train"}))
    assert {split: names(table) for split, table in splits.items()} == {"train": ["a.mp4"], "validation": ["b.mp4"]}


def test_lines_that_are_no_object_are_errors_with_their_numbers(listed):
    text = complaint(json_list(listed, {"path": "a.mp4"}, "{path: b.mp4}", "", "[1]", {"path": 7}, {}))
    assert "list.jsonl, line 2: not JSON (Expecting property name" in text and "line 4: wanted a JSON object" in text
    assert "line 5: no path" in text and "line 6: no path" in text and "4 problems" in text
    assert "none of the columns clip is known as the path" in complaint(json_list(listed, {"clip": "a.mp4"}))
    assert "the list is empty" in complaint(json_list(listed))


@pytest.mark.parametrize("label", ["run", 0, ["run"]])
def test_a_line_that_is_no_object_is_told_once(listed, label):
    text = complaint(json_list(listed, {"path": "a.mp4", "label": label}, "{", {"label": label}))
    assert "2 problems" in text and "line 2: not JSON" in text and "line 3: no path" in text


def test_a_label_missing_in_one_object_is_an_error(listed):
    text = complaint(json_list(listed, {"path": "a.mp4", "label": 0}, {"path": "b.mp4", "label": None}))
    assert "b.mp4: label '' is missing" in text


# ---- labels that are no class a video ----


@pytest.mark.parametrize(
    ("labels", "kind"), [([["run", "jump"], []], "string"), ([[2, 0], [1]], "int64")], ids=["names", "numbers"]
)
def test_several_labels_a_video_stay_lists(listed, labels, kind):
    rows = [{"path": name, "label": label} for name, label in zip(["a.mp4", "b.mp4"], labels, strict=True)]
    table = load_videos(json_list(listed, *rows), "train")
    assert table["label"] == labels and table.features["label"] == datasets.List(datasets.Value(kind))
    with pytest.raises(ValueError, match="the labels are several classes a video .*, wanted one class a video"):
        class_names(table)


@pytest.mark.parametrize("other", ["run", ["run", 1], [1]], ids=["text", "mixed", "integers"])
def test_lists_of_labels_are_all_of_texts_or_all_of_integers(listed, other):
    source = json_list(listed, {"path": "a.mp4", "label": ["jump"]}, {"path": "b.mp4", "label": other})
    assert f"line 2: label {other!r}: wanted a list, as on other lines" in complaint(source)


def test_numbers_that_are_not_all_integers_are_measured(listed):
    table = load_videos(listed("a.mp4 0.5\nb.mp4 -3\n", "a.mp4", "b.mp4"), "train")
    assert table["label"] == [0.5, -3.0] and table.features["label"] == datasets.Value("float32")
    with pytest.raises(ValueError, match="the labels are no classes .*, wanted one class a video"):
        class_names(table)
    rows = [{"path": "a.mp4", "label": 1}, {"path": "b.mp4", "label": 0.25}]
    assert load_videos(json_list(listed, *rows), "train")["label"] == [1.0, 0.25]


def test_given_names_may_look_like_numbers(listed):
    table = load_videos(listed("a.mp4 2.5\nb.mp4 5\n", "a.mp4", "b.mp4"), "train", class_names=["5", "2.5"])
    assert table["label"] == [1, 0]


def test_measured_labels_hold_for_all_splits_and_none_is_missing(listed):
    splits = load_videos(listed("path,label,split\na.mp4,1.5,train\nb.mp4,2,val\n", "a.mp4", "b.mp4"))
    assert splits["validation"]["label"] == [2.0]
    assert "b.mp4: label is missing" in complaint(listed("path,label\na.mp4,1.5\nb.mp4,\n", "a.mp4", "b.mp4"))


def test_class_names_are_for_one_class_a_video(listed):
    source = json_list(listed, {"path": "a.mp4", "label": ["jump"]})
    assert "class_names are given, but the labels are not one class" in complaint(source, class_names=["jump"])


def test_splits_have_labels_of_one_kind(folder):
    root = folder("a.mp4", "b.mp4")
    (root / "train.jsonl").write_text('{"path": "a.mp4", "label": ["run"]}')
    (root / "val.csv").write_text("b.mp4,run\n")
    text = complaint(root)
    assert "the labels of the splits differ in kind (train: List(Value('string'))" in text
    assert "validation: one class a video" in text
