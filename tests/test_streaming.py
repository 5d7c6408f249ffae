# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Streams give the same samples in the same order, however many processes and workers read them, from any position."""

import io
import logging
import pickle
import re
import tarfile
from collections import Counter
from functools import partial

import datasets
import pytest
import torch
from accelerate.data_loader import BatchSamplerShard
from torch.utils.data import BatchSampler, DataLoader

from videomae import VideoMAEForPreTraining, VideoMAETrainer, streaming
from videomae.clips import PretrainingClips
from videomae.data import PretrainingCollator, UnreadableVideoError
from videomae.epochs import EpochSampler
from videomae.frames import open_video
from videomae.image_processing_videomae import VideoMAEVideoProcessor
from videomae.masking import tube_mask
from videomae.shards import TarShards
from videomae.streamed_rows import StreamedRows
from videomae.streaming import VideoStream, load_source
from videomae.training import VideoMAETrainingArguments

SHARD_SIZES = (5, 2, 9, 4)  # uneven
SAMPLES = sum(SHARD_SIZES)
BAD = b"this is no video"


def which(video, row, draw):
    """Clips that say which video they are of and what they drew; the videos are called 0.mp4, 1.mp4 …"""
    number = int(re.search(r"(\d+)\.mp4$", video.path)[1])
    drawn = [int(torch.randint(2**31, (), generator=draw(repeat))) for repeat in range(2)]
    return {"video": number, "drawn": drawn, "label": row.get("label")}


def dealt(sizes):
    """The numbers of the videos of each shard."""
    return [range(sum(sizes[:shard]), sum(sizes[: shard + 1])) for shard in range(len(sizes))]


def add(tar, name, content):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


@pytest.fixture
def video(tiny_clip):
    return tiny_clip(num_frames=3).read_bytes()


@pytest.fixture
def write_shards(tmp_path, video):
    """`write_shards(sizes, bad=()) -> folder`: tar shards of videos 0, 1, 2 …, and of class number % 3."""

    def write(sizes=SHARD_SIZES, bad=()):
        folder = tmp_path / "shards"
        folder.mkdir()
        for shard, videos in enumerate(dealt(sizes)):
            with tarfile.open(folder / f"{shard}.tar", "w") as tar:
                for number in videos:
                    add(tar, f"{number}.mp4", BAD if number in bad else video)
                    add(tar, f"{number}.cls", b"%d" % (number % 3))
        return folder

    return write


@pytest.fixture
def write_rows(tmp_path, video):
    """`write_rows(sizes, bad=()) -> datasets.IterableDataset`: the same videos in parquet files, streamed."""

    def write(sizes=SHARD_SIZES, bad=()):
        features = datasets.Features({"video": datasets.Video(), "label": datasets.ClassLabel(names=["a", "b", "c"])})
        files = []
        for shard, videos in enumerate(dealt(sizes)):
            rows = [{"path": f"{number}.mp4", "bytes": BAD if number in bad else video} for number in videos]
            columns = {"video": rows, "label": [number % 3 for number in videos]}
            files.append(str(tmp_path / f"{shard}.parquet"))
            datasets.Dataset.from_dict(columns, features=features).to_parquet(files[-1])
        return datasets.load_dataset("parquet", data_files=files, split="train", streaming=True)

    return write


@pytest.fixture
def tar_stream(write_shards):
    return partial(VideoStream, TarShards(write_shards()), which, seed=3)


@pytest.fixture(params=["tar", "one lane", "three lanes"])
def make_stream(request, write_shards, write_rows):
    """`make_stream(**settings) -> VideoStream` over every kind of source, 20 samples in 4 uneven shards."""
    if request.param == "tar":
        source = TarShards(write_shards())
    else:
        lanes = {"one lane": 1, "three lanes": 3}[request.param]
        source = StreamedRows(write_rows(), batch_size=3, lanes=lanes, num_samples=SAMPLES)
    return partial(VideoStream, source, which, seed=3)


def numbers(items):
    return [item["video"] for item in items]


def all_of(stream):
    return [stream[position] for position in range(len(stream))]


def as_list(items):
    return items


@pytest.fixture(autouse=True)
def as_many_workers_as_wanted(monkeypatch):
    """torch advises against more than there are cores."""
    monkeypatch.setattr(DataLoader, "check_worker_number_rationality", lambda loader: None)


def loaded(stream, *, batch_size=3, workers=0, skip=0):
    """Batches as a DataLoader gives them, from batch `skip` on."""
    batches = [list(range(i, i + batch_size)) for i in range(0, len(stream) - batch_size + 1, batch_size)]
    try:
        return list(DataLoader(stream, batch_sampler=batches[skip:], num_workers=workers, collate_fn=as_list))
    except UnreadableVideoError as error:
        raise error.with_traceback(None) from None  # it would keep the loader alive, and its workers waiting


# ---- order ----


def test_an_epoch_of_tar_shards_has_every_sample_once(tar_stream):
    for window in (1, 6, 1024):
        assert sorted(numbers(all_of(tar_stream(window=window)))) == list(range(SAMPLES))


def test_an_epoch_of_one_lane_of_rows_has_every_sample_once(write_rows):
    stream = VideoStream(StreamedRows(write_rows(), batch_size=3, lanes=1, num_samples=SAMPLES), which, window=6)
    assert sorted(numbers(all_of(stream))) == list(range(SAMPLES))


def test_batches_take_turns_through_the_lanes(write_rows):
    source = StreamedRows(write_rows([4, 4]), batch_size=2, lanes=2, num_samples=8)
    found = numbers(all_of(VideoStream(source, which, window=2)))  # windows of one sample: none is shuffled
    assert found in ([0, 1, 4, 5, 2, 3, 6, 7], [4, 5, 0, 1, 6, 7, 2, 3])


def test_equal_shards_in_lanes_give_every_sample_once(write_rows):
    source = StreamedRows(write_rows([6, 6, 6, 6]), batch_size=3, lanes=2, num_samples=24)
    assert sorted(numbers(all_of(VideoStream(source, which, window=8)))) == list(range(24))


def test_every_epoch_and_seed_has_another_order_and_the_same_again(make_stream):
    stream = make_stream()
    epochs = []
    for epoch in (0, 1, 0):
        stream.set_epoch(epoch)
        epochs.append(all_of(stream))
    assert epochs[0] == epochs[2] == all_of(make_stream())
    fresh = make_stream()
    fresh.set_epoch(1)
    assert epochs[1] == all_of(fresh)
    assert numbers(epochs[0]) != numbers(epochs[1])
    assert numbers(epochs[0]) != numbers(all_of(make_stream(seed=4)))


def test_shards_are_shuffled_and_samples_only_in_their_window(tar_stream):
    shards = dealt(SHARD_SIZES)
    orders = set()
    for epoch in range(8):
        stream = tar_stream(window=1)
        stream.set_epoch(epoch)
        found = numbers(all_of(stream))
        order = sorted(shards, key=lambda shard, found=found: found.index(shard[0]))
        orders.add(str(order))
        assert found == [number for shard in order for number in shard]
        stream = tar_stream(window=6)
        stream.set_epoch(epoch)
        shuffled = numbers(all_of(stream))
        assert shuffled != found
        moves = [[found.index(number) - first for number in shuffled[first : first + 6]] for first in (0, 6, 12, 18)]
        assert [sorted(window) for window in moves] == [[0, 1, 2, 3, 4, 5]] * 3 + [[0, 1]]
        assert moves[0] != moves[1]
    assert len(orders) > 2


def test_windows_are_shuffled_anew_in_every_epoch_and_lane(write_rows):
    source = StreamedRows(write_rows([6, 6]), batch_size=6, lanes=2, num_samples=12)
    stream = VideoStream(source, which, window=12)
    moves = set()
    for epoch in range(4):
        stream.set_epoch(epoch)
        found = numbers(all_of(stream))
        moves |= {tuple(number % 6 for number in lane) for lane in (found[:6], found[6:])}
    assert len(moves) == 8


def test_without_shuffling_every_epoch_is_the_order_of_the_source(make_stream):
    stream = make_stream(shuffle=False, window=6)
    stream.set_epoch(5)
    assert numbers(all_of(stream)) == list(range(SAMPLES))


def test_a_clip_depends_on_seed_epoch_sample_and_repeat_alone(make_stream):
    stream = make_stream(window=3)
    drawn = {item["video"]: item["drawn"] for item in all_of(stream)}
    assert len({draw for both in drawn.values() for draw in both}) == 2 * len(drawn)
    reordered = {item["video"]: item["drawn"] for item in all_of(make_stream(window=9, shuffle=False))}
    common = drawn.keys() & reordered.keys()
    assert len(common) > 9 and all(drawn[number] == reordered[number] for number in common)
    stream.set_epoch(1)
    again = {item["video"]: item["drawn"] for item in all_of(stream)}
    assert not any(drawn[number] == again[number] for number in drawn.keys() & again.keys())


def test_labels_come_with_their_videos(make_stream):
    assert all(item["label"] == item["video"] % 3 for item in all_of(make_stream()))


def test_an_epoch_may_be_shorter_than_the_source(make_stream):
    stream = make_stream(samples_per_epoch=7)
    assert len(stream) == 7 and all_of(stream) == all_of(make_stream())[:7]
    with pytest.raises(IndexError, match="position 7 of an epoch of 7 samples"):
        stream[7]


# ---- workers, processes, resume ----


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_batches_are_the_same_for_any_number_of_workers(make_stream, workers):
    stream = make_stream()
    loader = partial(loaded, workers=workers)
    alone = loaded(stream)
    assert len(alone) == 6 and loader(stream) == alone


def test_workers_that_stay_learn_of_the_next_epoch(make_stream):
    stream = make_stream()
    sampler = EpochSampler(stream, total_batch=3, seed=0, shuffle=False)
    loader = DataLoader(stream, 3, sampler=sampler, num_workers=2, persistent_workers=True, collate_fn=as_list)
    for epoch in (0, 1, 2):
        sampler.set_epoch(epoch)
        batches = list(loader)
        assert stream.epoch == epoch and batches == loaded(stream)


def test_a_stream_that_was_read_can_be_sent_to_a_spawned_worker(make_stream):
    stream = make_stream()
    batches = loaded(stream)
    assert loaded(pickle.loads(pickle.dumps(stream))) == batches


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_take_equal_shares_of_every_step(make_stream, processes):
    """As accelerate deals them out: four shards, uneven, on two and three processes."""
    stream = make_stream()
    sampler = EpochSampler(stream, total_batch=3 * processes, seed=0, shuffle=False)
    shares = []
    for rank in range(processes):
        batches = BatchSamplerShard(BatchSampler(sampler, 3, drop_last=False), processes, rank)
        shares.append(list(DataLoader(stream, batch_sampler=batches, num_workers=2, collate_fn=as_list)))
    alone = loaded(stream)
    assert len({len(share) for share in shares}) == 1
    together = [batch for step in zip(*shares, strict=True) for batch in step]
    assert len(together) == SAMPLES // (3 * processes) * processes and together == alone[: len(together)]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_resume_at_any_batch_goes_on_as_if_nothing_had_happened(make_stream, workers):
    whole = loaded(make_stream())
    for skip in range(6):
        assert loaded(make_stream(), skip=skip, workers=workers if skip in (1, 4) else 0) == whole[skip:]


def test_nothing_before_the_position_is_opened(make_stream, monkeypatch):
    opened = []
    monkeypatch.setattr(streaming, "open_video", lambda video: opened.append(video["path"]) or open_video(video))
    found = numbers(make_stream()[position] for position in (13, 14))
    assert [int(re.search(r"(\d+)\.mp4$", path)[1]) for path in opened] == found


class CountedRows(StreamedRows):
    """Remembers which rows were read."""

    def _samples(self, shards):
        for number, load in super()._samples(shards):
            self.read[number] += 1
            yield number, load


@pytest.mark.parametrize(("processes", "workers"), [(1, 2), (2, 1), (2, 2), (1, 4), (4, 1)])
def test_with_enough_lanes_every_row_is_read_by_one_worker_only(write_rows, processes, workers):
    source = CountedRows(write_rows([3] * 8), batch_size=3, num_samples=24, lanes=4)
    source.read = Counter()
    for rank in range(processes):
        for worker in range(workers):
            stream = VideoStream(source, which, window=4)
            for batch in range(rank, 8, processes)[worker::workers]:
                for position in range(3 * batch, 3 * batch + 3):
                    stream[position]
    assert len(source.read) == 24 and max(source.read.values()) == 1


def test_a_forked_worker_opens_its_own_files(write_rows, monkeypatch):
    source = CountedRows(write_rows([3]), batch_size=3, num_samples=3)
    source.read = Counter()
    stream = VideoStream(source, which)
    assert stream[1] == stream[1] and set(source.read.values()) == {1}
    monkeypatch.setattr(streaming.os, "getpid", lambda: -1)
    stream[1]
    assert set(source.read.values()) == {2}


# ---- videos that do not decode ----


def test_a_video_that_does_not_decode_is_an_error_that_names_shard_and_member(write_shards):
    stream = VideoStream(TarShards(folder := write_shards(bad=[6])), which)
    with pytest.raises(UnreadableVideoError, match=rf"{folder}/1.tar/6.mp4: .*on_bad_video='skip'"):
        all_of(stream)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_the_next_video_of_the_window_stands_in_for_a_bad_one(write_shards, write_rows, workers, caplog):
    bad = [6, 12]
    for source in (TarShards(write_shards(bad=bad)), StreamedRows(write_rows(bad=bad), batch_size=3, num_samples=20)):
        settings = {"on_bad_video": "skip", "max_bad_share": 0.1, "window": 8, "seed": 3}
        stream = VideoStream(source, which, **settings)
        with caplog.at_level(logging.WARNING, "videomae.bad_videos"):
            found = loaded(stream)
        assert [record.message for record in caplog.records if "left out" in record.message]
        assert not set(bad) & {number for batch in found for number in numbers(batch)}
        assert loaded(again := VideoStream(source, which, **settings), workers=workers) == found
        assert again.bad_videos == stream.bad_videos and len(stream.bad_videos) == 2
        good = [number for number in range(SAMPLES) if number not in bad]
        counts = Counter(number for batch in found for number in numbers(batch))
        assert isinstance(source, StreamedRows) or set(counts) <= set(good) and max(counts.values()) == 2


def test_a_stand_in_is_drawn_as_the_video_it_stands_in_for(write_shards):
    folder = write_shards(bad=[6])
    stream = VideoStream(TarShards(folder), which, on_bad_video="skip")
    found = all_of(stream)
    for shard in folder.iterdir():
        shard.unlink()
    folder.rmdir()
    undamaged = all_of(VideoStream(TarShards(write_shards()), which))
    changed = [(item, other) for item, other in zip(found, undamaged, strict=True) if item != other]
    ((stand_in, original),) = changed
    assert original["video"] == 6 and stand_in["drawn"] == original["drawn"]
    assert stream.bad_videos == [f"{folder}/1.tar/6.mp4"]


def test_too_many_bad_videos_are_an_error_across_workers(write_shards):
    source = TarShards(write_shards(bad=range(0, 20, 5)))
    for workers in (0, 2):
        stream = VideoStream(source, which, on_bad_video="skip", max_bad_share=0.1)
        with pytest.raises(UnreadableVideoError, match="3 of 20 videos do not decode, 2 may be skipped"):
            loaded(stream, workers=workers)


def test_a_bad_video_is_read_once_and_counted_once(write_shards, monkeypatch):
    source = TarShards(write_shards(bad=[6]))
    read = []
    row = source.row
    monkeypatch.setattr(source, "row", lambda sample: read.append(sample) or row(sample))
    stream = VideoStream(source, which, on_bad_video="skip", max_bad_share=0.05)
    for epoch in range(3):
        stream.set_epoch(epoch)
        all_of(stream)
    assert read.count(6) == 1 and len(stream.bad_videos) == 1


def test_a_window_of_bad_videos_is_an_error(write_shards):
    source = TarShards(write_shards(bad=[0, 1, 2, 3, 4]))
    stream = VideoStream(source, which, shuffle=False, window=5, on_bad_video="skip", max_bad_share=1)
    with pytest.raises(UnreadableVideoError, match="none of the videos of a window can be used"):
        stream[1]


def test_a_truncated_shard_is_told_at_once_or_counted(write_shards):
    folder = write_shards()
    shard = folder / "2.tar"
    content = shard.read_bytes()
    start = content.index(b"13.mp4")  # the seventh of this shard's nine
    shard.write_bytes(content[: start + 700])
    source = TarShards(folder)
    with pytest.raises(
        UnreadableVideoError, match=rf"1 samples do not decode .*--on_bad.*\n- {shard}/13: 13.mp4 claims"
    ):
        VideoStream(source, which)
    stream = VideoStream(source, which, on_bad_video="skip")
    found = numbers(all_of(stream))
    assert len(found) == 5 + 2 + 7 + 4 and 13 not in found and stream.bad_videos == [f"{shard}/13"]


# ---- settings ----


def test_all_complaints_about_a_stream_come_in_one_error(write_rows):
    source = StreamedRows(write_rows(), batch_size=3, lanes=4)
    with pytest.raises(ValueError) as complaints:
        VideoStream(source, which, on_bad_video="ignore", window=3)
    assert str(complaints.value).splitlines()[1:] == [
        "- on_bad_video is 'ignore', wanted 'error' or 'skip'",
        "- window (--shuffle_window) is 3, wanted at least one sample for each of the 4 lanes",
        "- samples_per_epoch is wanted: the source does not say how many samples it has",
    ]


@pytest.mark.parametrize("samples", [0, 21])
def test_an_epoch_has_no_more_samples_than_the_source(tar_stream, samples):
    with pytest.raises(ValueError, match=f"samples_per_epoch is {samples}, wanted at least 1 and at most 20"):
        tar_stream(samples_per_epoch=samples)


# ---- sources ----


def test_a_webdataset_stream_of_datasets_gives_the_samples_of_the_tar_shards(write_shards):
    folder = write_shards()
    files = sorted(map(str, folder.iterdir()))
    rows = datasets.load_dataset("webdataset", data_files=files, split="train", streaming=True)
    source = StreamedRows(rows, batch_size=3, lanes=1, num_samples=SAMPLES, class_names=["a", "b", "c"])
    streamed = all_of(VideoStream(source, which, shuffle=False))
    tars = all_of(VideoStream(TarShards(folder), which, shuffle=False))
    assert [(item["video"], item["label"]) for item in streamed] == [(item["video"], item["label"]) for item in tars]


def test_a_source_is_loaded_by_name(write_shards, write_rows, tmp_path):
    shards = load_source(f"{write_shards()}/{{0..2}}.tar", batch_size=3, class_names=["c", "b", "a"])
    assert isinstance(shards, TarShards) and shards.num_shards == 3 and shards.class_names == ["c", "b", "a"]
    write_rows()
    rows = load_source(f"hf:{tmp_path}", batch_size=5, labels=False)
    assert isinstance(rows, StreamedRows) and rows.num_shards == 4 and rows.batch_size == 5
    assert rows.class_names is None
    with pytest.raises(ValueError, match=f"hf:{tmp_path}: no split 'test'; there is train"):
        load_source(f"hf:{tmp_path}", "test", batch_size=3)
    with pytest.raises(ValueError, match=f"hf:{tmp_path}/nothing: cannot be streamed: "):
        load_source(f"hf:{tmp_path}/nothing", batch_size=3)


# ---- training ----


@pytest.fixture
def pretrain(tiny_config, tmp_path):
    """`pretrain(stream, **arguments, resume_from_checkpoint=None) -> trainer`, after three epochs of three steps."""
    config = tiny_config()

    def train(source, *, resume_from_checkpoint=None, **overrides):
        clips = PretrainingClips(VideoMAEVideoProcessor.for_model(config), mask=partial(tube_mask, config.grid, 0.75))
        args = VideoMAETrainingArguments(
            **{
                "output_dir": str(tmp_path / "run"),
                "use_cpu": True,
                "disable_tqdm": True,
                "num_train_epochs": 3,
                "warmup_epochs": 1,
                "per_device_train_batch_size": 3,
                "gradient_accumulation_steps": 2,
                "base_learning_rate": 0.1,
                "dataloader_num_workers": 0,
                "save_strategy": "no",
                "save_total_limit": 9,
                "logging_steps": 1,
            }
            | overrides
        )
        torch.manual_seed(0)
        model = VideoMAEForPreTraining(config)
        trainer = VideoMAETrainer(
            model, args, data_collator=PretrainingCollator(), train_dataset=VideoStream(source, clips, window=6)
        )
        trainer.train(resume_from_checkpoint=resume_from_checkpoint)
        return trainer

    return train


@pytest.mark.parametrize(("kind", "workers"), [("tar", 2), ("rows", 0)])
def test_a_run_that_is_resumed_in_the_middle_of_an_epoch_ends_with_the_same_weights(
    pretrain, write_shards, write_rows, tmp_path, kind, workers
):
    def source():
        if kind == "tar":
            return TarShards(tmp_path / "shards", labels=False)
        return StreamedRows(rows, batch_size=3, labels=False, lanes=2, num_samples=SAMPLES)

    rows = write_rows() if kind == "rows" else write_shards()
    whole = pretrain(source(), save_strategy="steps", save_steps=1, dataloader_num_workers=workers)
    assert whole.state.global_step == 9
    resumed = pretrain(
        source(), resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-5"), dataloader_num_workers=workers
    )
    for name, parameter in whole.model.named_parameters():
        assert torch.equal(parameter, resumed.model.get_parameter(name)), name
    losses = [[line["loss"] for line in t.state.log_history if "loss" in line] for t in (whole, resumed)]
    assert losses[0] == losses[1] and len(set(losses[0])) == 9
