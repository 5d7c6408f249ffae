# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Tables of `datasets`, wherever they lie, are a source like any list; the videos in them are not decoded."""

from pathlib import Path

import datasets
import pytest

from videomae.listing import class_names, load_training_videos, load_videos
from videomae.stored import VIDEO
from videomae.video import VideoReader


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def two_clips(tiny_clip):
    """Paths of a clip of 5 and one of 7 frames."""
    return [str(tiny_clip("clips/a.mp4", num_frames=5)), str(tiny_clip("clips/b.mp4", num_frames=7))]


def contents(paths):
    return [Path(path).read_bytes() for path in paths]


def table(videos, labels=("run", "jump"), video_feature=None, label_feature=None):
    features = {"video": video_feature} if video_feature else {}
    found = datasets.Dataset.from_dict({"clip_id": [7, 8], "video": videos, "label": list(labels)})
    for name, feature in (features | ({"label": label_feature} if label_feature else {})).items():
        found = found.cast_column(name, feature)
    return found


def frames(row, tmp_path):
    """Number of frames of the video of a row, path or bytes."""
    path = tmp_path / "row.mp4"
    if not isinstance(row, str):
        path.write_bytes(row["bytes"])
    with VideoReader(row if isinstance(row, str) else path) as reader:
        return reader.num_frames


# ---- the column of videos ----


@pytest.mark.parametrize("feature", [None, datasets.Video(), VIDEO], ids=["string", "Video", "not decoded"])
def test_paths_become_paths_whatever_their_column_says(two_clips, feature):
    found = load_videos(table(two_clips, video_feature=feature), "train")
    assert found["video"] == two_clips and found.column_names == ["video", "label"]
    assert class_names(found) == ["jump", "run"] and found["label"] == [1, 0]


@pytest.mark.parametrize("kind", ["bytes", "path and bytes", "Video"])
def test_videos_within_the_table_stay_there_as_path_and_bytes(two_clips, tmp_path, kind):
    videos = contents(two_clips)
    if kind != "bytes":
        videos = [{"path": name, "bytes": data} for name, data in zip(("a.mp4", "b.mp4"), videos, strict=True)]
    found = load_videos(table(videos, video_feature=datasets.Video() if kind == "Video" else None), "train")
    assert found.features["video"] == VIDEO and [frames(row["video"], tmp_path) for row in found] == [5, 7]
    assert found[1]["video"]["path"] == (None if kind == "bytes" else "b.mp4")
    assert found["label"] == [1, 0] and found.features["label"].names == ["jump", "run"]


def test_one_video_within_the_table_keeps_all_rows_as_path_and_bytes(two_clips, tmp_path):
    videos = [{"path": two_clips[0], "bytes": None}, {"path": "b.mp4", "bytes": contents(two_clips)[1]}]
    found = load_videos(table(videos), "train")
    assert found[0]["video"] == videos[0] and frames(found[1]["video"], tmp_path) == 7


def test_the_column_may_have_any_of_the_usual_names(two_clips):
    found = datasets.Dataset.from_dict({"file_name": two_clips, "category": [1, 0]})
    assert load_videos(found, "train")["video"] == two_clips
    typed = datasets.Dataset.from_dict({"mp4": two_clips}).cast_column("mp4", datasets.Video())
    assert load_videos(typed, "train")["video"] == two_clips


def test_a_format_of_the_table_does_not_matter(two_clips):
    found = load_videos(table(two_clips).with_format("numpy", columns=["label"]), "train")
    assert found[0] == {"video": two_clips[0], "label": 1}


def test_rows_that_were_selected_keep_their_labels(two_clips, tmp_path):
    found = load_videos(table(contents(two_clips)).select([1, 0, 1]), "train")
    assert [frames(row["video"], tmp_path) for row in found] == [7, 5, 7] and found["label"] == [0, 1, 0]


# ---- labels ----


def test_a_class_label_keeps_its_numbers_and_names(two_clips):
    feature = datasets.ClassLabel(names=["walk", "run", "jump"])
    found = load_videos(table(two_clips, labels=[2, 1], label_feature=feature), "train")
    assert found["label"] == [2, 1] and found.features["label"] == feature
    given = load_videos(table(two_clips, labels=[2, 1], label_feature=feature), "train", class_names=["jump", "run"])
    assert given["label"] == [0, 1] and class_names(given) == ["jump", "run"]


def test_splits_with_the_same_classes_in_another_order_agree(two_clips):
    train = table(two_clips, labels=[0, 1], label_feature=datasets.ClassLabel(names=["run", "jump"]))
    other = table(two_clips, labels=[0, 1], label_feature=datasets.ClassLabel(names=["jump", "run"]))
    splits = load_videos(datasets.DatasetDict(train=train, val=other))
    assert splits["validation"]["label"] == [1, 0] and class_names(splits["validation"]) == ["run", "jump"]


def test_one_split_may_number_its_classes_and_another_name_them(two_clips):
    named = table(two_clips, labels=[1, 0], label_feature=datasets.ClassLabel(names=["run", "jump"]))
    splits = load_videos(
        datasets.DatasetDict(train=table(two_clips, labels=[1, 0]), test=named), class_names=["run", "jump"]
    )
    assert splits["train"]["label"] == [1, 0] and splits["test"]["label"] == [1, 0]


def test_integers_are_numbers_of_classes_whatever_the_type_of_the_column(two_clips):
    assert class_names(load_videos(table(two_clips, labels=[2, 0]), "train", class_names=list("abc"))) == list("abc")
    for labels in (["1", "0"], [1, 0]):
        assert class_names(load_videos(table(two_clips, labels=labels), "train")) == ["0", "1"]


@pytest.mark.parametrize(
    ("labels", "kind"), [([0.5, 2], "float64"), ([["run"], ["run", "jump"]], "List"), ([[0], []], "List")]
)
def test_other_labels_stay_as_they_are(two_clips, labels, kind):
    source = table(two_clips, labels=labels)
    found = load_videos(source, "train")
    assert found["label"][:] == labels and found.features["label"] == source.features["label"]
    assert kind in str(found.features["label"])
    with pytest.raises(ValueError, match="wanted one class a video"):
        class_names(found)


def test_a_label_of_minus_one_or_none_is_missing(two_clips):
    hidden = table(two_clips, labels=[0, -1], label_feature=datasets.ClassLabel(names=["run"]))
    with pytest.raises(ValueError, match="b.mp4: label '' is missing"):
        load_videos(hidden)
    with pytest.raises(ValueError, match="b.mp4: label '' is missing"):
        load_videos(table(two_clips, labels=["run", None]))
    assert load_videos(hidden, "train", labels=False).column_names == ["video"]


# ---- splits ----


def test_splits_of_a_dict_take_our_names(two_clips):
    part = table(two_clips)
    splits = load_videos(datasets.DatasetDict(train=part, valid=part, test=part, extra=part))
    assert list(splits) == ["train", "validation", "test", "extra"]
    with pytest.raises(ValueError, match="two of the splits train, val, valid are the same one"):
        load_videos(datasets.DatasetDict(train=part, val=part, valid=part))


def test_a_column_may_name_the_split(two_clips):
    divided = table(two_clips, labels=["run", "run"]).add_column("Split", ["val", "train"])
    train, validation = load_training_videos(divided)
    assert train["video"] == two_clips[1:] and validation["video"] == two_clips[:1]
    with pytest.raises(ValueError, match="column Split: dev; a split is one of train, val"):
        load_videos(table(two_clips).add_column("Split", ["dev", "train"]))


# ---- where tables lie ----


def test_what_save_to_disk_wrote_is_a_source(two_clips, tmp_path):
    one = table(contents(two_clips))
    one.save_to_disk(tmp_path / "one")
    datasets.DatasetDict(train=one, test=one.select([1])).save_to_disk(tmp_path / "many")
    assert load_videos(tmp_path / "one", "train")["label"] == [1, 0]
    splits = load_videos(tmp_path / "many")
    assert {split: len(part) for split, part in splits.items()} == {"train": 2, "test": 1}
    assert frames(splits["test"][0]["video"], tmp_path) == 7


def test_parquet_is_a_source_as_a_file_and_as_a_folder(two_clips, tmp_path):
    (tmp_path / "set" / "data").mkdir(parents=True)
    one = table(contents(two_clips), video_feature=VIDEO)
    one.to_parquet(tmp_path / "set" / "data" / "train-00000-of-00001.parquet")
    one.select([1]).to_parquet(tmp_path / "set" / "data" / "test-00000-of-00001.parquet")
    splits = load_videos(tmp_path / "set", class_names=["jump", "run"])
    assert {split: part["label"][:] for split, part in splits.items()} == {"train": [1, 0], "test": [0]}
    found = load_videos(tmp_path / "set" / "data" / "train-00000-of-00001.parquet", "train")
    assert [frames(row["video"], tmp_path) for row in found] == [5, 7]


def test_paths_in_parquet_start_from_its_folder_or_root(two_clips, tmp_path):
    table(["clips/a.mp4", "clips/b.mp4"]).to_parquet(tmp_path / "list.parquet")
    assert load_videos(tmp_path / "list.parquet", "train")["video"] == two_clips
    (tmp_path / "lists").mkdir()
    (tmp_path / "list.parquet").rename(tmp_path / "lists" / "list.parquet")
    assert load_videos(tmp_path / "lists" / "list.parquet", "train", root=tmp_path)["video"] == two_clips
    with pytest.raises(ValueError, match="list.parquet, row 0: no such file: .*lists/clips/a.mp4"):
        load_videos(tmp_path / "lists" / "list.parquet")


def test_a_data_set_of_the_hub_is_downloaded(tiny_clip, tmp_path, monkeypatch):
    """`load_dataset` takes a folder where the Hub's name stands: the same way, without a network."""
    for name in ("train/run/1.mp4", "train/jump/2.mp4", "test/run/3.mp4"):
        tiny_clip(f"owner/name/{name}", num_frames=3)
    monkeypatch.chdir(tmp_path)
    splits = load_videos("hf:owner/name")
    assert {split: part["label"][:] for split, part in splits.items()} == {"train": [0, 1], "test": [1]}
    assert splits["test"]["video"] == [str(tmp_path / "owner/name/test/run/3.mp4")]
    asked = []
    monkeypatch.setattr(datasets, "load_dataset", lambda *names: asked.append(names) or splits)
    load_videos("hf:owner/name:clips")
    assert asked == [("owner/name", "clips")]


def test_a_data_set_that_cannot_be_had_is_one_sentence():
    with pytest.raises(ValueError) as error:
        load_videos("hf:owner/nothing")
    assert "hf:owner/nothing: no such data set can be loaded (HF_HUB_OFFLINE is set" in str(error.value)
    assert "\n" not in str(error.value)


# ---- what is wrong with them ----


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ({"clip": ["a.mp4"], "label": [0]}, "none of the columns clip, label is known as the path"),
        ({"video": ["a.mp4"], "action": ["run"]}, "none of the columns video, action is known as the label"),
        ({"video": [1.5]}, r"the column video is Value\('float64'\), wanted Video, paths, bytes or both"),
        ({"video": [None, ""]}, "2 problems\n- the data set, row 0: no video\n- the data set, row 1: no video"),
        ({"video": ["gone.mp4"]}, "the data set, row 0: no such file: gone.mp4"),
        ({"video": []}, "the data set: no videos"),
    ],
)
def test_columns_and_rows_that_are_no_videos_are_errors(columns, found):
    texts = (
        datasets.Features({"video": datasets.Value("string")}) if columns.get("video") in ([], [None, ""]) else None
    )
    source = datasets.Dataset.from_dict(columns, features=texts)
    with pytest.raises(ValueError, match=found):
        load_videos(source)


def test_two_columns_of_videos_are_an_error(two_clips):
    found = datasets.Dataset.from_dict({"front": two_clips, "rear": two_clips})
    found = found.cast_column("front", VIDEO).cast_column("rear", VIDEO)
    with pytest.raises(ValueError, match="the columns front, rear all hold videos"):
        load_videos(found)


def test_a_stream_is_no_table(two_clips):
    with pytest.raises(ValueError, match="the data set is a stream"):
        load_videos(table(two_clips).to_iterable_dataset())
