# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""A row becomes a clip that depends on seed, epoch and index alone."""

import logging
import os
import pickle
from functools import partial
from pathlib import Path

import datasets
import pytest
import torch

from videomae import VideoMAEForPreTraining, VideoMAEVideoProcessor
from videomae.clips import PretrainingClips, TrainingClips, ValidationClips
from videomae.data import (
    ClassificationCollator,
    PretrainingCollator,
    UnreadableVideoError,
    VideoDataset,
    make_processor,
)
from videomae.listing import load_videos
from videomae.masking import drawn_running_cell_mask, tube_mask
from videomae.rand_augment import RandAugment


@pytest.fixture
def videos(tiny_clip):
    """A labelled table of five short videos whose frames tell their number."""
    for number in range(5):
        clip = tiny_clip(f"clips/{'ab'[number % 2]}/{number}.mp4", num_frames=30 + number)
    return load_videos(clip.parent.parent, "train")


@pytest.fixture
def processor(tiny_config):
    """4 frames of 24x32, every third."""
    return make_processor(tiny_config(), frame_stride=3)


@pytest.fixture
def pretraining(videos, tiny_config, processor):
    """`pretraining(videos=…, seed=…, …) -> VideoDataset` of masked clips."""
    clips = PretrainingClips(processor, mask=partial(tube_mask, tiny_config().grid, 0.75))
    return lambda **overrides: VideoDataset(**{"videos": videos, "clips": clips, **overrides})


@pytest.fixture
def training(videos, processor):
    """`training(**options of TrainingClips) -> VideoDataset` of drawn clips with labels."""
    return lambda **options: VideoDataset(videos, TrainingClips(processor, ["a", "b"], **options))


@pytest.fixture
def augmented(training):
    """Everything that is drawn, as the paper fine-tunes, in two repeats."""
    return lambda: training(augment=RandAugment(), erasing=0.5, repeats=2)


@pytest.fixture
def validation(videos, processor):
    return VideoDataset(videos, ValidationClips(processor))


def equal(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


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


@pytest.mark.parametrize("kind", ["pretraining", "training", "augmented"])
@pytest.mark.parametrize("persistent", [False, True])
def test_clips_are_equal_on_any_number_of_workers_and_in_later_epochs(request, kind, persistent):
    dataset = request.getfixturevalue(kind)()
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


def test_bytes_of_a_row_are_read_and_named_where_they_are_bad(videos, validation):
    files = [
        {"bytes": Path(path).read_bytes(), "path": f"in a table/{i}.mp4"} for i, path in enumerate(videos["video"])
    ]
    files[3]["bytes"] = files[3]["bytes"][:300]
    columns = {"video": files, "label": videos["label"]}
    features = datasets.Features(video=datasets.Video(decode=False), label=videos.features["label"])
    table = datasets.Dataset.from_dict(columns, features=features)
    dataset = VideoDataset(table, validation.clips, on_bad_video="skip")
    assert equal(dataset[0], validation[0]) and equal(dataset[3], validation[4])
    assert dataset.bad_videos == ["in a table/3.mp4"]


class _Memory:
    """A collator that tells the resident memory (bytes) and open files of its worker instead of the clips."""

    def __init__(self, collator):
        self.collator = collator

    def __call__(self, items):
        self.collator(items)
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir("/proc/self/fd"))


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="reads /proc")
@pytest.mark.parametrize(
    ("codec", "options", "kind"),
    [
        ("libx264", {"g": "1"}, "pretraining"),  # as prepared
        ("libx264", {"g": "12", "bf": "2"}, "augmented"),  # seeks
        ("mpeg4", {}, "pretraining"),  # is decoded from the beginning
    ],
)
def test_memory_and_open_files_of_a_worker_stay_what_they_are_over_twenty_thousand_clips(
    tiny_clip, request, codec, options, kind
):
    for number in range(20):
        clip = tiny_clip(f"many/{'ab'[number % 2]}/{number}.mp4", num_frames=20 + number, codec=codec, options=options)
    table = load_videos(clip.parents[1], "train").select([row % 20 for row in range(20_000)])
    dataset = VideoDataset(table, request.getfixturevalue(kind)().clips)
    collator = _Memory(PretrainingCollator() if kind == "pretraining" else ClassificationCollator())
    memory, files = zip(*torch.utils.data.DataLoader(dataset, 10, num_workers=1, collate_fn=collator), strict=True)
    settled = memory[200]  # after 2,000 videos
    assert max(memory[200:]) < 1.03 * settled and min(memory[200:]) > 0.97 * settled
    assert len(set(files[200:])) == 1


@pytest.mark.slow  # the worker imports everything anew
def test_a_data_set_can_be_sent_to_a_worker_that_does_not_fork(pretraining):
    dataset = pretraining()
    dataset.set_epoch(2)
    context = torch.multiprocessing.get_context("spawn")
    loader = torch.utils.data.DataLoader(dataset, 5, num_workers=1, multiprocessing_context=context)
    (batch,) = loader
    assert torch.equal(batch["pixel_values"][3], dataset[3]["pixel_values"])


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
    with pytest.raises(UnreadableVideoError, match="none of the 2 videos can be used"):
        dataset[0]


def test_an_unknown_policy_is_an_error(pretraining):
    with pytest.raises(ValueError, match="on_bad_video is 'ignore'"):
        pretraining(on_bad_video="ignore")


def test_a_short_video_is_left_out_as_what_it_is(videos, tiny_config, caplog):
    processor = make_processor(tiny_config(), frame_stride=11, short_video="error")  # 34 frames; the videos have 30 on
    clips = PretrainingClips(processor, mask=partial(tube_mask, tiny_config().grid, 0.75))
    dataset = VideoDataset(videos, clips, on_bad_video="skip", max_bad_share=0.6)
    dataset[0]
    assert dataset.bad_videos == videos["video"][:2] and "a clip spans" in caplog.text
    dataset = VideoDataset(videos, clips, on_bad_video="skip")
    with pytest.raises(UnreadableVideoError, match="2 of 5 videos can not be used .2 are shorter than a clip"):
        dataset[0]


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


def test_a_decoder_mask_sets_the_decoded_positions(processor, videos):
    grid = (2, 2, 4)
    mask, decoder_mask = partial(tube_mask, grid, 0.75), partial(drawn_running_cell_mask, grid, 0.5)
    dataset = VideoDataset(videos, PretrainingClips(processor, mask=mask, decoder_mask=decoder_mask))
    batch = PretrainingCollator()([dataset[0], dataset[1]])
    assert batch["decoded_positions"][1].tolist() == dataset[1]["bool_decoded_pos"].nonzero().flatten().tolist()


def test_a_classification_batch_keeps_the_order(validation):
    batch = ClassificationCollator()([validation[4], validation[0]])
    assert batch["labels"].tolist() == [1, 0]
    assert torch.equal(batch["pixel_values"][1], validation[0]["pixel_values"])


def test_the_repeats_of_a_video_follow_each_other_in_a_batch(training, pretraining, processor, tiny_config):
    dataset = training(repeats=3)
    batch = ClassificationCollator()([dataset[4], dataset[0]])
    assert batch["labels"].tolist() == [1, 1, 1, 0, 0, 0]
    for pixels, clip in zip(batch["pixel_values"], dataset[4], strict=False):
        assert torch.equal(pixels, clip["pixel_values"])
    clips = PretrainingClips(processor, mask=partial(tube_mask, tiny_config().grid, 0.75), repeats=2)
    items = [pretraining(clips=clips)[index] for index in (2, 3)]
    batch = PretrainingCollator()(items)
    assert batch["pixel_values"].shape == (4, 4, 3, 24, 32) and batch["decoded_positions"].shape == (4, 18)
    masked = batch["decoded_positions"][3].tolist()
    assert masked == items[1][1]["bool_masked_pos"].nonzero().flatten().tolist()


def test_clips_of_two_types_are_no_batch(validation):
    bytes_, floats = validation[0], validation[1]
    floats["pixel_values"] = floats["pixel_values"].float()
    with pytest.raises(ValueError, match="clips of float32 and uint8 in one batch"):
        ClassificationCollator()([bytes_, floats])


def test_a_batch_stays_channels_last_in_memory(training):
    """The order in which frames are decoded: anything else is a transposition of every clip."""
    for repeats in (1, 2):
        dataset = training(repeats=repeats)
        batch = ClassificationCollator()([dataset[0], dataset[1]])
        assert batch["pixel_values"].movedim(-3, -1).is_contiguous()


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
