# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""A row becomes a clip that depends on seed, epoch and index alone."""

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
    make_processor,
    sample_generator,
)
from videomae.listing import load_videos
from videomae.masking import drawn_running_cell_mask, tube_mask


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
