# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Folders and lists become tables, or one error that names what is wrong with them."""

import os

import pytest

from videomae.listing import (
    class_names,
    load_training_videos,
    load_videos,
    read_class_names,
)


def rows(table):
    names = table.features["label"].names if "label" in table.column_names else None
    return [(row["video"].split("/data/")[-1], names and names[row["label"]]) for row in table]


# ---- folders ----


def test_class_folders_give_sorted_labels_however_deep_the_videos_lie(folder):
    table = load_videos(
        folder("run/b.mp4", "run/deep/a.MP4", "jump/c.webm", "jump/notes.txt", ".cache/x.mp4"), "train"
    )
    assert rows(table) == [("jump/c.webm", "jump"), ("run/b.mp4", "run"), ("run/deep/a.MP4", "run")]
    assert class_names(table) == ["jump", "run"]


def test_videos_of_the_folder_itself_have_no_labels(folder):
    assert rows(load_videos(folder("b.mp4", "a.avi", "more/c.mkv"), "train")) == [
        ("a.avi", None),
        ("b.mp4", None),
        ("more/c.mkv", None),
    ]


@pytest.mark.parametrize("validation", ["val", "valid", "validation"])
def test_split_folders_share_the_classes_of_train(folder, validation):
    splits = load_videos(
        folder("train/b/1.mp4", "train/a/2.mp4", f"{validation}/b/3.mp4", "test/a/4.mp4", "misc/x.txt")
    )
    assert list(splits) == ["train", "validation", "test"]
    assert rows(splits["validation"]) == [(f"{validation}/b/3.mp4", "b")]
    assert splits["validation"].features == splits["train"].features


def test_a_class_called_test_is_a_class_where_there_is_no_train(folder):
    assert class_names(load_videos(folder("test/1.mp4", "trial/2.mp4"), "train")) == ["test", "trial"]


def test_a_class_called_train_lies_with_the_others_in_a_split(folder):
    assert class_names(load_videos(folder("train/train/1.mp4", "train/bus/2.mp4"), "train")) == ["bus", "train"]


def test_folder_names_are_names_also_where_they_look_like_numbers(folder):
    table = load_videos(folder("2020/1.mp4", "2019/2.mp4", "03/3.mp4"), "train")
    assert class_names(table) == ["03", "2019", "2020"] and table["label"] == [0, 1, 2]
    assert "label '2019' is unknown" in complaint(folder(), class_names=["03", "2020", "x"])


def test_without_labels_nothing_that_is_wrong_with_them_matters(folder, listed):
    root = folder("train/a/1.mp4", "train/empty/readme.txt", "val/b/2.mp4")
    train, validation = load_training_videos(root, labels=False)
    assert rows(train) == [("train/a/1.mp4", None)] and rows(validation) == [("val/b/2.mp4", None)]
    for text in ("a.mp4 7 70\nb.mp4 -1 x\n", "path,action\na.mp4,x\nb.mp4,\n", "a.mp4,0,x\nb.mp4,70,y\n"):
        table = load_videos(listed(text, "a.mp4", "b.mp4"), "train", labels=False)
        assert rows(table) == [("a.mp4", None), ("b.mp4", None)]


def test_given_class_names_set_the_numbers(folder):
    table = load_videos(folder("a/1.mp4", "b/2.mp4"), "train", class_names=["b", "x", "a"])
    assert table["label"] == [2, 0] and class_names(table) == ["b", "x", "a"]


def test_linked_folders_are_followed(folder, tmp_path):
    root = folder("a/1.mp4")
    (root / "b").symlink_to(tmp_path / "data" / "a")
    assert [label for _, label in rows(load_videos(root, "train"))] == ["a", "b"]


# ---- lists ----

LISTS = {
    "official": "a.mp4 0\nb c.mp4 1\n",
    "two spaces": "a.mp4  0\nb c.mp4  1\n",
    "comma": "a.mp4,0\nb c.mp4,1\n",
    "comma, quoted": '"a.mp4","0"\n"b c.mp4","1"\n',
    "tab": "a.mp4\t0\nb c.mp4\t1\n",
    "header": "path,label\na.mp4,0\nb c.mp4,1\n",
    "header, other columns": "id,class,fps,video_path\n7,0,25,a.mp4\n8,1,25,b c.mp4\n",
    "header, spaces": "video label\na.mp4 0\nb c.mp4 1\n",
    "header, spaces, three columns": "path frames label\na.mp4 32 0\nc.mp4 40 1\n",
    "empty lines and a byte order mark": "\ufeffa.mp4 0\n\n  \nb c.mp4 1\n\n",
}


@pytest.mark.parametrize("text", LISTS.values(), ids=LISTS.keys())
def test_lists_are_read_in_every_usual_form(listed, text):
    table = load_videos(listed(text, "a.mp4", "b c.mp4", "c.mp4"), "train")
    assert [label for _, label in rows(table)] == ["0", "1"] and table["label"] == [0, 1]
    assert [path for path, _ in rows(table)] in (["a.mp4", "b c.mp4"], ["a.mp4", "c.mp4"])


@pytest.mark.parametrize(
    "text", ["a.mp4 riding a bike\nb c.mp4 jump\n", "a.mp4,riding a bike\nb c.mp4,jump\n"], ids=["spaces", "commas"]
)
def test_labels_may_be_texts_with_spaces(listed, text):
    table = load_videos(listed(text, "a.mp4", "b c.mp4"), "train")
    assert class_names(table) == ["jump", "riding a bike"] and table["label"] == [1, 0]


@pytest.mark.parametrize("text", ["a.mp4\nb c.mp4\n", "path\na.mp4\nb c.mp4\n"])
def test_a_list_may_have_no_labels(listed, text):
    assert rows(load_videos(listed(text, "a.mp4", "b c.mp4"), "train")) == [("a.mp4", None), ("b c.mp4", None)]


def test_integer_labels_are_ordered_as_numbers(listed):
    names = [f"{number}.mp4" for number in range(12)]
    table = load_videos(listed("".join(f"{name} {11 - i}\n" for i, name in enumerate(names)), *names), "train")
    assert table["label"] == list(range(11, -1, -1))


def test_integer_labels_take_given_names(listed):
    table = load_videos(listed("a.mp4 1\n", "a.mp4"), "train", class_names=["jump", "run", "swim"])
    assert table["label"] == [1] and class_names(table) == ["jump", "run", "swim"]


@pytest.mark.parametrize(
    ("labels", "names", "numbers"),
    [
        ("03", ["jump", "run", "swim", "walk"], [0, 3]),  # some of the classes
        (["walk", "run"], ["jump", "run", "swim", "walk"], [3, 1]),
        ("20", ["2", "1", "0"], [0, 2]),  # names that happen to be integers
        (["07", "3"], ["3", "7"], [1, 0]),
    ],
)
def test_all_labels_of_a_list_are_positions_in_the_given_names_or_all_are_names(listed, labels, names, numbers):
    source = listed("a.mp4,{}\nb.mp4,{}\n".format(*labels), "a.mp4", "b.mp4")
    table = load_videos(source, "train", class_names=names)
    assert table["label"] == numbers and class_names(table) == names


def test_what_scan_and_prepare_write_beside_lists_is_no_split(listed):
    for name in ("val.csv", "test.csv"):
        folder = listed("a.mp4 0\n", "a.mp4", name=name).parent
    for name in ("scan.csv", "train.scan.csv", "bad.csv"):
        (folder / name).write_text("path,ok,reason\n")
    assert set(load_videos(folder)) == {"validation", "test"}


def test_a_folder_of_lists_is_the_official_layout(folder):
    root = folder("videos/a.mp4", "videos/b.mp4", "videos/c.mp4")
    (root / "train.csv").write_text("videos/a.mp4 1\nvideos/b.mp4 0\n")
    (root / "val.csv").write_text("videos/c.mp4 1\n")
    splits = load_videos(root)
    assert splits["train"]["label"] == [1, 0] and splits["validation"]["label"] == [1]


def test_absolute_paths_stay_and_others_are_relative_to_the_list(listed, tmp_path):
    (tmp_path / "far.mp4").touch()
    table = load_videos(listed(f"a.mp4\n{tmp_path / 'far.mp4'}\n", "a.mp4"), "train")
    assert table["video"] == [str(tmp_path / "data" / "a.mp4"), str(tmp_path / "far.mp4")]


# ---- what is wrong with them ----


def complaint(source, **kwargs):
    with pytest.raises(ValueError) as error:
        load_videos(source, **kwargs)
    return str(error.value)


def test_a_name_that_is_not_utf_8_is_an_error_and_may_be_left_out(folder):
    name = os.fsdecode(b"caf\xe9.mp4")
    root = folder("a.mp4", name)
    assert "caf\\udce9.mp4': the name is not UTF-8; rename the video" in complaint(root)
    assert len(load_videos(root, "train", exclude=[root / name])) == 1


def test_a_class_folder_without_videos_is_named(folder):
    assert "data/b: a class folder without videos" in complaint(folder("a/1.mp4", "b/readme.txt"))


def test_a_folder_without_videos_is_an_error(folder):
    assert "data: no videos (" in complaint(folder("readme.txt"))


def test_a_source_that_is_missing_or_no_list_is_an_error(folder, tmp_path):
    assert "no such folder or list" in complaint(tmp_path / "nothing")
    assert "list ending in .csv" in complaint(folder("a.mp4") / "a.mp4")


def test_a_class_called_train_and_folders_beside_the_splits_are_told_apart_by_the_user(folder):
    text = complaint(folder("bus/1.mp4", "car/deep/2.mp4", "train/3.mp4", "notes/readme.txt"))
    assert "data: train would be taken for a split, and the videos of bus, car left out" in text
    assert "move them into" in text and "data/train" in text and "notes" not in text


def test_loose_videos_beside_the_splits_are_not_left_out_silently(folder):
    assert "the videos of 1.mp4 left out" in complaint(folder("1.mp4", "train/a/2.mp4", "val/a/3.mp4"))


@pytest.mark.parametrize("parts", [("train/a/1.mp4", "val/a/2.mp4", "valid/a/3.mp4"), ("val.csv", "valid.txt")])
def test_a_split_that_is_there_twice_is_an_error(folder, parts):
    text = complaint(folder(*parts))
    assert "val" in text and "are both the validation split" in text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("filename,action\na.mp4,jump\n", "none of the columns filename, action is known as the label"),
        ("clip,label\na.mp4,jump\n", "none of the columns clip, label is known as the path"),
        ("a.mp4 32 7\n", "3 columns without a header (a.mp4 | 32 | 7)"),
        ("a.mp4 32 7\nmy b.mp4 40 jump high\n", "3 columns without a header (a.mp4 | 32 | 7)"),
        ("folder 32 7\n", "3 columns without a header (folder | 32 | 7)"),
        ("a.mp4,pick up, drop\n", "3 columns without a header (a.mp4 | pick up | drop)"),
    ],
)
def test_columns_that_are_not_known_are_named_beside_those_that_are(listed, text, found):
    message = complaint(listed(text, "a.mp4"))
    assert found in message and "path, video, video_path" in message and "label, class, class_name" in message


def test_a_line_with_more_columns_than_the_header_is_an_error(listed):
    text = complaint(listed("path,label\na.mp4,pick up, drop\n", "a.mp4"))
    assert "list.csv, line 2: 3 columns, the header has 2" in text


def test_a_folder_in_a_list_is_no_video(listed):
    assert "line 1: a folder, wanted a video" in complaint(listed("frames 0\n", "frames/1.jpg"))


def test_a_list_or_class_file_that_is_not_utf_8_is_named(listed):
    file = listed("")
    file.write_bytes("a.mp4 böse\n".encode("utf-16"))
    assert f"{file}: not UTF-8 text" in complaint(file)
    with pytest.raises(ValueError, match="list.csv: not UTF-8 text"):
        read_class_names(file)


def test_class_names_are_the_lines_of_a_file(listed):
    assert read_class_names(listed("\ufeffriding a bike\n jump \n\n")) == ["riding a bike", "jump"]


@pytest.mark.parametrize(("text", "found"), [("\n", "it is empty"), ("a\n\nb\na\n", "found a, an empty line")])
def test_a_class_file_has_each_class_once(listed, text, found):
    with pytest.raises(ValueError, match=f"list.csv: wanted one class a line, each of them once; {found}"):
        read_class_names(listed(text))


def test_an_empty_list_is_an_error(listed):
    assert "the list is empty" in complaint(listed("\n"))
    assert "the list is empty" in complaint(listed("path,label\n"))


def test_files_missing_from_a_list_are_counted_and_the_first_few_shown(listed):
    text = complaint(listed("".join(f"{number}.mp4 0\n" for number in range(9)), "3.mp4"))
    assert "list.csv: 8 problems" in text and "line 1: no such file: " in text and "… and 3 more" in text
    assert "3.mp4" not in text.split("line 5")[0].split("line 3")[1]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["jump", "swim"], "label 'swim' is unknown; the classes are jump, run"),
        (["jump", "1"], "label '1' is unknown; the classes are jump, run"),
        (["0", "2"], "label '2' is out of range; the classes are 0 to 1"),
        (["0", "-1"], "label '-1' is out of range; the classes are 0 to 1"),
        (["jump", ""], "label '' is missing"),
    ],
)
def test_a_label_outside_the_given_classes_is_named_with_its_video(listed, labels, message):
    source = listed("a.mp4,{}\nb.mp4,{}\n".format(*labels), "a.mp4", "b.mp4")
    assert f"b.mp4: {message}" in complaint(source, class_names=["jump", "run"])


def test_a_validation_label_that_training_does_not_have_is_an_error(folder):
    text = complaint(folder("train/a/1.mp4", "val/b/2.mp4"))
    assert "val/b/2.mp4: label 'b' is unknown; the classes are a" in text


def test_integer_labels_with_gaps_or_below_zero_are_errors(listed):
    text = complaint(listed("a.mp4 0\nb.mp4 70\n", "a.mp4", "b.mp4"))
    assert "the largest label is 70, but 69 classes below it have no video: 1, 2, 3, 4, 5 …; if they exist" in text
    text = complaint(listed("a.mp4 1\nb.mp4 2\n", "a.mp4", "b.mp4"))
    assert "but 1 class below it has no video: 0; if it exists, give the class names (--class_names FILE" in text
    assert "label '-1' is out of range" in complaint(listed("a.mp4 0\nb.mp4 -1\n", "a.mp4", "b.mp4"))


def test_complaints_of_all_kinds_come_together(listed):
    text = complaint(listed("a.mp4,jump\nb.mp4,swim\n", "a.mp4"), class_names=["jump"])
    assert "2 problems" in text and "no such file" in text and "'swim' is unknown" in text


def test_a_split_that_is_not_there_is_an_error(folder):
    assert "no split 'test'; there is train" in complaint(folder("a/1.mp4"), split="test")


@pytest.mark.parametrize("split", ["validation", "val", "Valid"])
def test_a_split_is_asked_for_as_it_may_be_called(folder, split):
    assert rows(load_videos(folder("train/a/1.mp4", "val/a/2.mp4"), split)) == [("val/a/2.mp4", "a")]


def test_unlabelled_videos_have_no_class_names(folder):
    with pytest.raises(ValueError, match="the videos have no labels"):
        class_names(load_videos(folder("a.mp4"), "train"))


def test_validation_videos_come_from_their_own_source_or_the_split(folder, tmp_path):
    root = folder("train/a/1.mp4", "train/b/2.mp4", "val/b/3.mp4")
    (tmp_path / "other" / "b").mkdir(parents=True)
    (tmp_path / "other" / "b" / "4.mp4").touch()
    assert rows(load_training_videos(root)[1]) == [("val/b/3.mp4", "b")]
    train, validation = load_training_videos(root / "train", tmp_path / "other")
    assert validation["video"] == [str(tmp_path / "other" / "b" / "4.mp4")] and validation.features == train.features
    assert load_training_videos(root / "train")[1] is None
