# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Rows of streamed data sets: which columns count, how shards are dealt out, and rows that are no video."""

import datasets
import pytest

from videomae.streamed_rows import ROWS_OF_A_SHARD, StreamedRows
from videomae.video import VideoDecodeError

STRING, NUMBER, VIDEO = datasets.Value("string"), datasets.Value("int64"), datasets.Video(decode=False)


def rows_of(features, **columns):
    return datasets.Dataset.from_dict(columns, features=datasets.Features(features)).to_iterable_dataset()


def counted(shards, rows=1):
    """A stream of so many shards of so many rows; the videos are called after both."""

    def generate(part):
        for shard in part:
            for row in range(rows):
                yield {"video": f"{shard}-{row}.mp4"}

    features = datasets.Features({"video": STRING})
    return datasets.IterableDataset.from_generator(
        generate, features=features, gen_kwargs={"part": list(range(shards))}
    )


def window_of(source, shards, position, window=8):
    first, samples = source.lane(shards, window).window_at(position)
    return first, [load() for _, load in samples]


def test_a_lane_reads_its_shards_in_windows_and_begins_again():
    lane = StreamedRows(counted(4, rows=3), batch_size=2).lane([2, 0], window=4)
    windows = []
    for position in range(14):
        first, samples = lane.window_at(position)
        assert first <= position < first + len(samples)
        windows.append((first, [load()["video"] for _, load in samples]))
    one, two = ["2-0.mp4", "2-1.mp4", "2-2.mp4", "0-0.mp4"], ["0-1.mp4", "0-2.mp4"]
    assert windows == [(0, one)] * 4 + [(4, two)] * 2 + [(6, one)] * 4 + [(10, two)] * 2 + [(12, one)] * 2


def test_a_lane_can_go_back_and_ahead():
    lane = StreamedRows(counted(2, rows=9), batch_size=2).lane([1, 0], window=4)
    ahead = [lane.window_at(position)[0] for position in (13, 2, 17, 5)]
    assert ahead == [12, 0, 16, 4]


def test_samples_are_numbered_by_shard_and_row_whatever_the_order():
    source = StreamedRows(counted(3, rows=2), batch_size=2)
    _, samples = source.lane([2, 1], window=8).window_at(0)
    found = [number for number, _ in samples]
    assert found == [2 * ROWS_OF_A_SHARD, 2 * ROWS_OF_A_SHARD + 1, ROWS_OF_A_SHARD, ROWS_OF_A_SHARD + 1]
    assert source.name(found[1]) == "shard 2 of 3, row 1"


def test_the_length_of_a_stream_is_what_its_card_says():
    rows = counted(3)
    assert StreamedRows(rows, batch_size=3).num_samples is None
    rows.info.splits = datasets.SplitDict({"train": datasets.SplitInfo("train", num_examples=17)})
    assert StreamedRows(rows, batch_size=3).num_samples == 17
    assert StreamedRows(rows, batch_size=3, num_samples=11).num_samples == 11


@pytest.mark.parametrize(("shards", "lanes"), [(1, 1), (3, 1), (6, 2), (8, 8), (100, 8), (128, 16), (1001, 16)])
def test_lanes_get_about_equally_many_shards(shards, lanes):
    assert StreamedRows(counted(shards), batch_size=3).lanes == lanes


@pytest.mark.parametrize(
    ("features", "settings", "message"),
    [
        ({"name": STRING}, {}, "the columns name: 0 of them hold videos, wanted one"),
        ({"video": STRING, "mp4": STRING}, {}, "the columns video, mp4: 2 of them hold videos, wanted one"),
        ({"video": STRING, "label": NUMBER}, {}, "the column 'label' does not name its classes"),
        ({"video": STRING, "label": NUMBER, "class": NUMBER}, {}, "label, class are all labels, wanted one"),
        ({"video": STRING}, {"lanes": 2}, "lanes is 2, wanted 1 to 1, the number of shards"),
    ],
)
def test_streams_that_are_not_clear_raise(features, settings, message):
    columns = {name: ["1"] if feature == STRING else [1] for name, feature in features.items()}
    with pytest.raises(ValueError, match=message):
        StreamedRows(rows_of(features, **columns), batch_size=3, **settings)


def test_a_stream_of_unknown_columns_raises():
    rows = datasets.IterableDataset.from_generator(lambda: iter([{"video": "a.mp4"}]))
    with pytest.raises(ValueError, match="columns are not known"):
        StreamedRows(rows, batch_size=3)


@pytest.mark.parametrize(
    ("kind", "labels", "class_names", "numbers"),
    [
        (STRING, ["sit", "run"], ["run", "sit"], [1, 0]),
        (NUMBER, [1, 0], ["run", "sit"], [1, 0]),
        (datasets.ClassLabel(names=["a", "b"]), [1, 0], None, [1, 0]),
    ],
)
def test_labels_are_numbers_or_names(kind, labels, class_names, numbers):
    rows = rows_of({"video": STRING, "label": kind}, video=["0.mp4", "1.mp4"], label=labels)
    source = StreamedRows(rows, batch_size=1, class_names=class_names)
    assert [row["label"] for row in window_of(source, [0], 0)[1]] == numbers
    assert source.class_names == (class_names or ["a", "b"])
    without = StreamedRows(rows, batch_size=1, labels=False)
    assert window_of(without, [0], 0)[1] == [{"video": "0.mp4"}, {"video": "1.mp4"}]


@pytest.mark.parametrize(("kind", "label"), [(STRING, "sit"), (STRING, None), (NUMBER, 2), (NUMBER, -1)])
def test_a_label_that_is_no_class_raises_with_its_row(kind, label):
    rows = rows_of({"video": STRING, "label": kind}, video=["0.mp4"], label=[label])
    source = StreamedRows(rows, batch_size=1, class_names=["run", "walk"])
    with pytest.raises(ValueError, match=f"shard 0 of 1, row 0: label '{label or ''}' is "):
        window_of(source, [0], 0)


def test_a_video_column_keeps_its_bytes_and_gets_a_name():
    videos = [{"path": "a.mp4", "bytes": b"1"}, {"path": None, "bytes": b"2"}]
    source = StreamedRows(rows_of({"clip": VIDEO, "path": STRING}, clip=videos, path=["x", "y"]), batch_size=1)
    _, (one, two) = window_of(source, [0], 0)
    assert one == {"video": videos[0]}
    assert two == {"video": {"path": "shard 0 of 1, row 1", "bytes": b"2"}}


def test_a_row_without_a_video_does_not_decode():
    source = StreamedRows(rows_of({"video": VIDEO}, video=[None]), batch_size=1)
    with pytest.raises(VideoDecodeError, match="shard 0 of 1, row 0: no video in this row"):
        window_of(source, [0], 0)


def test_a_lane_without_rows_raises():
    with pytest.raises(ValueError, match="a lane of it is empty"):
        window_of(StreamedRows(counted(2, rows=0), batch_size=1), [0, 1], 0)
