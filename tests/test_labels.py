# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""The same labels get the same numbers, wherever the videos lie."""

import io
import tarfile

import datasets
import pytest

from videomae.labels import are_measured, class_numbers, find_class_names, label_text
from videomae.listing import load_videos
from videomae.shards import TarShards
from videomae.streamed_rows import StreamedRows


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ({"run", "jump", ""}, ["jump", "run"]),
        ({"1", "0", "10", "2", "3", "4", "5", "6", "7", "8", "9"}, list(map(str, range(11)))),
        ({"00", "01"}, ["0", "1"]),
        ({"1", "run"}, ["1", "run"]),
        (set(), []),
    ],
)
def test_class_names_are_the_sorted_labels_or_the_integers_up_to_the_largest(labels, names):
    assert find_class_names(labels) == (names, None)


def test_names_of_folders_are_no_integers():
    assert find_class_names({"10", "9"}, integers=False) == (["10", "9"], None)
    assert class_numbers({"1", "0"}, ["run", "jump"], integers=False) == {}


def test_integers_that_are_not_there_are_told_without_counting_up_to_them():
    names, wrong = find_class_names({"0", "2", "999999999"})
    assert names == ["0", "2", "999999999"] and "999999997 classes below it have no video: 1, 3, 4, 5, 6 …" in wrong


@pytest.mark.parametrize(
    ("labels", "class_names", "numbers"),
    [
        (["run", "swim"], ["jump", "run"], {"run": 1}),
        (["1", "0", "02"], ["jump", "run"], {"1": 1, "0": 0}),
        (["1", "jump"], ["jump", "run"], {"jump": 0}),
        (["0", "1"], ["1", "2", "3"], {"1": 0}),  # the same label is never a position here and a name there
        (["07", "sit"], ["7", "sit"], {"sit": 1}),
        (["07", "2"], ["7", "sit"], {"07": 0}),
    ],
)
def test_a_label_is_a_name_or_among_integers_a_position(labels, class_names, numbers):
    assert class_numbers(labels, class_names) == numbers


def test_every_label_has_a_text():
    assert [label_text(label) for label in (None, "x", 3, True, 0.5)] == ["", "x", "3", "true", "0.5"]
    assert are_measured(["0.5", "2"]) and not are_measured(["1", "2"]) and not are_measured(["0.5", "x"])


# ---- lists, tables, shards and streams ----


def from_list(folder, labels, class_names):
    (folder / "list.csv").write_text("".join(f"{number}.mp4,{label}\n" for number, label in enumerate(labels)))
    for number in range(len(labels)):
        (folder / f"{number}.mp4").touch()
    table = load_videos(folder / "list.csv", "train", class_names=class_names)
    return table["label"][:], table.features["label"].names


def from_table(labels, class_names):
    rows = [{"path": f"{number}.mp4", "bytes": b"x"} for number in range(len(labels))]
    table = load_videos(datasets.Dataset.from_dict({"video": rows, "label": labels}), "train", class_names=class_names)
    return table["label"][:], table.features["label"].names


def from_shards(folder, labels, class_names):
    with tarfile.open(folder / "0.tar", "w") as tar:
        for number, label in enumerate(labels):
            for extension, content in (("mp4", b"x"), ("cls", str(label).encode())):
                info = tarfile.TarInfo(f"{number}.{extension}")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    shards = TarShards([str(folder / "0.tar")], class_names=class_names)
    return [shards.row(i)["label"] for i in range(len(labels))], shards.class_names


def from_stream(labels, class_names):
    table = datasets.Dataset.from_dict({"video": ["0.mp4"] * len(labels), "label": labels})
    source = StreamedRows(table.to_iterable_dataset(), batch_size=1, class_names=class_names)
    _, samples = source.lane([0], window=len(labels)).window_at(0)
    return [load()["label"] for _, load in samples], source.class_names


@pytest.mark.parametrize(
    ("labels", "class_names"),
    [
        ([1, 0, 2], None),
        (list(range(11)), None),
        (["run", "jump", "run"], None),
        (["2", "0", "1"], None),
        ([1, 0], ["run", "jump"]),
        (["1", "0"], ["run", "jump"]),
        ([2, 30], ["30", "sit", "2"]),
        (["jump", "run"], ["run", "sit", "jump"]),
    ],
)
def test_the_same_labels_get_the_same_numbers_from_every_kind_of_source(tmp_path, labels, class_names):
    numbers, names = from_list(tmp_path, labels, class_names)
    assert [names[number] for number in numbers] == list(map(str, labels)) or numbers == list(map(int, labels))
    assert from_table(labels, class_names) == (numbers, names)
    assert from_shards(tmp_path, labels, class_names) == (numbers, names)
    assert from_stream(labels, names) == (numbers, names)  # a stream does not know its classes in advance


def test_the_classes_of_a_column_keep_their_names_when_others_are_given():
    feature = datasets.ClassLabel(names=["run", "jump"])
    table = datasets.Dataset.from_dict(
        {"video": ["0.mp4"] * 2, "label": [0, 1]},
        features=datasets.Features({"video": datasets.Value("string"), "label": feature}),
    )
    source = StreamedRows(table.to_iterable_dataset(), batch_size=1, class_names=["jump", "run"])
    _, samples = source.lane([0], window=2).window_at(0)
    assert [load()["label"] for _, load in samples] == [1, 0]
