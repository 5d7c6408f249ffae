# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Folders and lists become tables; a row becomes a clip that depends on seed, epoch and index alone."""

import logging
import pickle
from functools import partial

import pytest
import torch

from videomae import VideoMAEForPreTraining, VideoMAEVideoProcessor, data
from videomae.data import (
    ClassificationCollator,
    ClassificationDataset,
    PretrainingCollator,
    PretrainingDataset,
    UnreadableVideoError,
    class_names,
    directional_classes,
    load_training_videos,
    load_videos,
    make_processor,
    read_class_names,
    sample_generator,
)
from videomae.masking import drawn_running_cell_mask, tube_mask


@pytest.fixture
def folder(tmp_path):
    """`folder(*paths) -> Path`: a folder with these files, empty ones: tables do not look inside."""

    def make(*paths):
        root = tmp_path / "data"
        for path in paths:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).touch()
        return root

    return make


@pytest.fixture
def listed(folder):
    """`listed(text, *videos, name="list.csv") -> Path`: a list beside these (empty) videos."""

    def make(text, *videos, name="list.csv"):
        path = folder(*videos) / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    return make


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


@pytest.mark.parametrize(
    "name",
    ["turn left", "Right", "swipe_left", "SwipeRight", "LEFT-TURN", "walk leftwards", "anticlockwise", "clockwise"],
)
def test_classes_that_a_mirror_changes_are_told_by_a_word_of_their_name(name):
    assert directional_classes(["leftover", "bright", name, "7", "copyright"]) == [name]


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
        ("01", ["1", "2", "3"], [0, 1]),  # one of them is no name: all are positions
    ],
)
def test_all_labels_of_a_list_are_positions_in_the_given_names_or_all_are_names(listed, labels, names, numbers):
    source = listed("a.mp4,{}\nb.mp4,{}\n".format(*labels), "a.mp4", "b.mp4")
    table = load_videos(source, "train", class_names=names)
    assert table["label"] == numbers and class_names(table) == names


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
    assert "the largest label is 70, but 69 below it have no video (1, 2," in complaint(
        listed("a.mp4 0\nb.mp4 70\n", "a.mp4", "b.mp4")
    )
    assert "label '-1' is out of range" in complaint(listed("a.mp4 0\nb.mp4 -1\n", "a.mp4", "b.mp4"))


def test_complaints_of_all_kinds_come_together(listed):
    text = complaint(listed("a.mp4,jump\nb.mp4,swim\n", "a.mp4"), class_names=["jump"])
    assert "2 problems" in text and "no such file" in text and "'swim' is unknown" in text


def test_a_split_that_is_not_there_is_an_error(folder):
    assert "no split 'test'; there is train" in complaint(folder("a/1.mp4"), split="test")


def test_unlabelled_videos_cannot_be_classified(folder):
    table = load_videos(folder("a.mp4"), "train")
    with pytest.raises(ValueError, match="the videos have no labels"):
        ClassificationDataset(table, make_processor, train=True)


def test_validation_videos_come_from_their_own_source_or_the_split(folder, tmp_path):
    root = folder("train/a/1.mp4", "train/b/2.mp4", "val/b/3.mp4")
    (tmp_path / "other" / "b").mkdir(parents=True)
    (tmp_path / "other" / "b" / "4.mp4").touch()
    assert rows(load_training_videos(root)[1]) == [("val/b/3.mp4", "b")]
    train, validation = load_training_videos(root / "train", tmp_path / "other")
    assert validation["video"] == [str(tmp_path / "other" / "b" / "4.mp4")] and validation.features == train.features
    assert load_training_videos(root / "train")[1] is None


# ---- clips ----


@pytest.fixture
def videos(tiny_clip):
    """A labelled table of five short videos whose frames tell their number."""
    for number in range(5):
        clip = tiny_clip(f"clips/{'ab'[number % 2]}/{number}.mp4", num_frames=30 + number)
    return load_videos(clip.parent.parent, "train")


@pytest.fixture
def pretraining(videos, tiny_config):
    """`pretraining(**overrides) -> PretrainingDataset` of 4 frames of 24x32, every third."""
    grid = tiny_config().grid
    sizes = {"size": (24, 32), "num_frames": 4, "frame_stride": 3, "mask": partial(tube_mask, grid, 0.75)}
    return lambda **overrides: PretrainingDataset(**{"videos": videos, **sizes, **overrides})


@pytest.fixture
def classification(videos, tiny_config):
    processor = make_processor(tiny_config(), frame_stride=3)
    return lambda **overrides: ClassificationDataset(**{"videos": videos, "processor": processor, **overrides})


def equal(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("position", range(4))
def test_each_of_the_four_numbers_changes_the_generator(position):
    numbers = [1, 2, 3, 4]
    first = torch.rand(3, generator=sample_generator(*numbers))
    assert torch.equal(first, torch.rand(3, generator=sample_generator(*numbers)))
    numbers[position] += 1
    assert not torch.equal(first, torch.rand(3, generator=sample_generator(*numbers)))


def test_a_pre_training_item_is_a_uint8_clip_at_the_stride_with_a_mask(pretraining, frame_numbers):
    dataset = pretraining()
    for index in range(len(dataset)):
        item = dataset[index]
        assert item["pixel_values"].shape == (4, 3, 24, 32) and item["pixel_values"].dtype == torch.uint8
        assert item["bool_masked_pos"].shape == (24,) and int(item["bool_masked_pos"].sum()) == 18
        numbers = frame_numbers(item["pixel_values"])
        assert {b - a for a, b in zip(numbers, numbers[1:], strict=False)} == {3}


def test_a_decoder_mask_comes_along_where_it_is_asked_for(pretraining):
    mask = partial(drawn_running_cell_mask, (2, 2, 4), 0.5)
    item = pretraining(mask=partial(tube_mask, (2, 2, 4), 0.75), decoder_mask=mask)[0]
    assert item["bool_decoded_pos"].sum() == 8


def test_epoch_seed_and_index_change_the_clip_and_nothing_else_does(pretraining):
    dataset = pretraining()
    torch.manual_seed(1)
    first = dataset[0]
    torch.manual_seed(2)
    assert equal(first, dataset[0]) and equal(first, pretraining()[0])
    assert not equal(first, dataset[1]) and not equal(first, pretraining(seed=1)[0])
    dataset.set_epoch(1)
    assert not equal(first, dataset[0])
    dataset.set_epoch(0)
    assert equal(first, dataset[0])


@pytest.mark.parametrize("kind", ["pretraining", "classification"])
@pytest.mark.parametrize("persistent", [False, True])
def test_clips_are_equal_on_any_number_of_workers_and_in_later_epochs(request, kind, persistent):
    make = request.getfixturevalue(kind)
    dataset = make() if kind == "pretraining" else make(train=True)
    collator = PretrainingCollator() if kind == "pretraining" else ClassificationCollator()
    epochs = {}
    for workers in (0, 1, 4):
        loader = torch.utils.data.DataLoader(
            dataset, 2, collate_fn=collator, num_workers=workers, persistent_workers=persistent and workers > 0
        )
        for epoch in (0, 1):
            dataset.set_epoch(epoch)
            batches = list(loader)
            assert all(map(equal, batches, epochs.setdefault(epoch, batches)))
    assert not equal(epochs[0][0], epochs[1][0])


@pytest.mark.slow  # the worker imports everything anew
def test_a_data_set_can_be_sent_to_a_worker_that_does_not_fork(pretraining):
    dataset = pretraining()
    dataset.set_epoch(2)
    context = torch.multiprocessing.get_context("spawn")
    loader = torch.utils.data.DataLoader(dataset, 5, num_workers=1, multiprocessing_context=context)
    (batch,) = loader
    assert torch.equal(batch["pixel_values"][3], dataset[3]["pixel_values"])


def test_a_validation_clip_is_the_middle_one_and_never_changes(classification, frame_numbers):
    dataset = classification(train=False)
    item = dataset[0]
    assert item["pixel_values"].shape == (4, 3, 24, 32) and item["labels"].dtype == torch.int64
    assert frame_numbers(item["pixel_values"]) == [9, 12, 15, 18]  # 30 frames, every third, views start at 0 .. 6
    dataset.set_epoch(1)
    assert equal(item, dataset[0])
    assert [int(dataset[index]["labels"]) for index in range(5)] == [0, 0, 0, 1, 1]


def test_training_clips_are_drawn_anew_in_every_epoch(classification, frame_numbers):
    dataset = classification(train=True)
    starts = set()
    for epoch in range(12):
        dataset.set_epoch(epoch)
        starts.add(frame_numbers(dataset[0]["pixel_values"])[0])
    assert len(starts) > 5


def test_flips_can_be_switched_off(classification, monkeypatch):
    monkeypatch.setattr(data, "horizontal_flip", lambda clip, generator: clip * 0)
    assert not classification(train=True)[0]["pixel_values"].any()
    assert classification(train=True, flip=False)[0]["pixel_values"].any()
    assert classification(train=False)[0]["pixel_values"].any()


@pytest.mark.parametrize("kind", ["pretraining", "classification"])
def test_another_crop_takes_the_place_of_the_paper_s(request, kind):
    seen = []

    def crop(clip, *, size, generator):
        seen.append((tuple(clip.shape[-2:]), tuple(size), int(torch.randint(1000, (), generator=generator))))
        return clip[..., : size[0], : size[1]]

    arguments = {"train": True} if kind == "classification" else {}
    dataset = request.getfixturevalue(kind)(crop=crop, **arguments)
    assert dataset[0]["pixel_values"].shape == (4, 3, 24, 32)
    dataset[0], dataset[1]
    assert seen[0] == seen[1] and seen[0][:2] == ((48, 64), (24, 32))
    assert seen[2][2] != seen[0][2]


def test_uniform_sampling_comes_from_the_processor(videos, tiny_config, frame_numbers):
    processor = make_processor(tiny_config(), sampling="uniform")
    item = ClassificationDataset(videos, processor, train=False)[0]
    assert frame_numbers(item["pixel_values"]) == [3, 11, 18, 26]


# ---- damaged videos ----


@pytest.fixture
def damaged(videos):
    """The same table with the videos 1 and 2 spoilt."""
    for index in (1, 2):
        with open(videos[index]["video"], "r+b") as file:
            file.truncate(300)
    return videos


def test_a_damaged_video_ends_the_run_with_its_name(damaged, pretraining):
    with pytest.raises(UnreadableVideoError, match=f"{damaged[1]['video']}: .*on_bad_video='skip'"):
        pretraining()[1]


def test_the_error_of_a_worker_is_as_clear(damaged, pretraining):
    loader = torch.utils.data.DataLoader(pretraining(), num_workers=1, collate_fn=PretrainingCollator())
    with pytest.raises(UnreadableVideoError) as error:
        list(loader)
    assert str(error.value).startswith(damaged[1]["video"]) and "Traceback" not in str(error.value)
    assert str(pickle.loads(pickle.dumps(error.value))) == str(error.value)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_skipped_video_is_replaced_by_the_next_that_decodes_counted_and_logged(
    damaged, pretraining, workers, caplog
):
    dataset = pretraining(on_bad_video="skip", max_bad_share=0.5)
    loader = torch.utils.data.DataLoader(dataset, num_workers=workers, collate_fn=PretrainingCollator())
    with caplog.at_level(logging.WARNING):
        batches = list(loader)
    assert len(batches) == 5
    assert dataset.bad_videos == [damaged[1]["video"], damaged[2]["video"]]
    if workers == 0:  # the log of a worker process is its own
        assert [record.args[:2] for record in caplog.records] == [(1, 5), (2, 5)]
    again = pretraining(on_bad_video="skip", max_bad_share=0.5)
    assert torch.equal(batches[1]["pixel_values"][0], again[1]["pixel_values"])


def test_the_stand_in_keeps_the_randomness_of_the_row_it_stands_for(damaged, pretraining):
    dataset = pretraining(on_bad_video="skip", max_bad_share=0.5)
    assert not equal(dataset[2], dataset[3])  # both show video 3


@pytest.mark.parametrize(("share", "counts"), [(0.2, (2, 1)), (0.01, (2, 1)), (0.0, (1, 0))])
def test_too_many_damaged_videos_are_an_error(damaged, pretraining, share, counts):
    dataset = pretraining(on_bad_video="skip", max_bad_share=share)
    with pytest.raises(UnreadableVideoError, match="{} of 5 videos do not decode, {} may be skipped".format(*counts)):
        dataset[1]


def test_no_readable_video_at_all_is_an_error(damaged, pretraining):
    dataset = pretraining(videos=damaged.select([1, 2]), on_bad_video="skip", max_bad_share=1.0)
    with pytest.raises(UnreadableVideoError, match="none of the 2 videos decodes"):
        dataset[0]


def test_validation_never_skips(damaged, classification):
    dataset = classification(train=False, on_bad_video="skip", max_bad_share=1.0)
    with pytest.raises(UnreadableVideoError):
        dataset[1]


def test_an_unknown_policy_is_an_error(pretraining):
    with pytest.raises(ValueError, match="on_bad_video is 'ignore'"):
        pretraining(on_bad_video="ignore")


# ---- batches ----


def test_a_pre_training_batch_goes_into_the_model(pretraining, tiny_config):
    dataset = pretraining()
    batch = PretrainingCollator()([dataset[0], dataset[1], dataset[2]])
    assert batch["pixel_values"].shape == (3, 4, 3, 24, 32) and batch["pixel_values"].dtype == torch.uint8
    assert batch["visible_positions"].shape == (3, 6) and batch["decoded_positions"].shape == (3, 18)
    for row, item in enumerate(dataset[index]["bool_masked_pos"] for index in range(3)):
        assert batch["decoded_positions"][row].tolist() == item.nonzero().flatten().tolist()
        assert batch["visible_positions"][row].tolist() == (~item).nonzero().flatten().tolist()
    assert VideoMAEForPreTraining(tiny_config())(**batch).loss.isfinite()


def test_a_decoder_mask_sets_the_decoded_positions(pretraining):
    grid = (2, 2, 4)
    dataset = pretraining(
        mask=partial(tube_mask, grid, 0.75), decoder_mask=partial(drawn_running_cell_mask, grid, 0.5)
    )
    batch = PretrainingCollator()([dataset[0], dataset[1]])
    assert batch["decoded_positions"][1].tolist() == dataset[1]["bool_decoded_pos"].nonzero().flatten().tolist()


def test_a_classification_batch_keeps_the_order(classification):
    dataset = classification(train=False)
    batch = ClassificationCollator()([dataset[4], dataset[0]])
    assert batch["labels"].tolist() == [1, 0] and torch.equal(batch["pixel_values"][1], dataset[0]["pixel_values"])


# ---- processor ----


def test_the_processor_fits_the_model(tiny_config):
    config = tiny_config(image_mean=[0.1, 0.2, 0.3])
    processor = make_processor(config, frame_stride=5, sampling="uniform")
    assert (processor.num_frames, processor.frame_stride, processor.sampling) == (4, 5, "uniform")
    assert (processor.crop_size.height, processor.crop_size.width) == (24, 32)
    assert list(processor.image_mean) == [0.1, 0.2, 0.3]


def test_a_checkpoint_s_processor_keeps_its_sampling_and_statistics(tiny_config, tmp_path):
    stored = make_processor(tiny_config(image_mean=[0.4] * 3, image_std=0.2), frame_stride=5, sampling="uniform")
    stored.save_pretrained(tmp_path)
    config = tiny_config(num_frames=8)
    processor = make_processor(config, tmp_path)
    assert (processor.num_frames, processor.frame_stride, processor.sampling) == (8, 5, "uniform")
    assert list(config.image_mean) == list(processor.image_mean) == [0.4] * 3
    assert config.image_std == processor.image_std == (0.2, 0.2, 0.2)
    assert make_processor(tiny_config(), tmp_path, frame_stride=2).frame_stride == 2


def test_the_processor_of_a_checkpoint_keeps_its_own_preprocessing(tiny_config, tmp_path):
    """Fine-tuning sees what pre-training saw: a short side of 40 around a crop of 24 stays in proportion."""
    config = tiny_config()
    stored = VideoMAEVideoProcessor.for_model(config, size={"shortest_edge": 40}, resample=3, frame_stride=3)
    stored.save_pretrained(tmp_path)
    same = make_processor(config, tmp_path)
    assert (same.size.shortest_edge, same.resample, same.frame_stride) == (40, 3, 3)
    larger = make_processor(tiny_config(image_size=[48, 64]), tmp_path, frame_stride=2)
    assert (larger.size.shortest_edge, larger.crop_size.height, larger.frame_stride) == (80, 48, 2)
