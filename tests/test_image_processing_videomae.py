# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Frames to pixel values, and the views of a test."""

import functools
import http.server
import json
import logging
import threading

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.models.videomae.image_processing_videomae import VideoMAEImageProcessor as StockImageProcessor
from transformers.models.videomae.video_processing_videomae import VideoMAEVideoProcessor as StockVideoProcessor
from transformers.video_utils import VideoMetadata

from videomae.augmentation import whole_frame
from videomae.image_processing_videomae import VideoMAEImageProcessor, VideoMAEVideoProcessor, view_crop
from videomae.video import VideoDecodeError, VideoReader, read_frames, view_frame_indices

SETTINGS = {
    "size": {"shortest_edge": 24},
    "crop_size": {"height": 20, "width": 22},
    "num_frames": 6,
    "frame_stride": 2,
}
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@pytest.fixture
def processor():
    return VideoMAEVideoProcessor(**SETTINGS)


def noise(num_frames=6, height=37, width=53, channels=3, seed=0):
    """A uint8 video (T, H, W, C)."""
    return np.random.default_rng(seed).integers(0, 256, (num_frames, height, width, channels), dtype=np.uint8)


def channels_first(video):
    return torch.from_numpy(video).permute(0, 3, 1, 2)


def pixel_values(processor, videos, **settings):
    return processor(videos, return_tensors="pt", **settings)["pixel_values"]


def normalised(clip, mean=IMAGENET_MEAN, std=IMAGENET_STD):
    """uint8 (..., C, H, W), written out."""
    return (clip.float() / 255 - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]


# ---- crops ----


def test_test_crops_are_those_of_the_official_code(golden):
    for case in json.loads((golden / "official_test_views.json").read_text()):
        for view in case["views"]:
            corner = view_crop(
                case["height"], case["width"], size=view["size"][0], crop=view["crop"], num_crops=case["crops"]
            )
            assert corner == (view["top"], view["left"]), case


@pytest.mark.parametrize(("height", "width", "corner"), [(20, 33, (0, 6)), (41, 20, (10, 0)), (20, 20, (0, 0))])
def test_one_crop_is_the_centre(height, width, corner):
    assert view_crop(height, width, size=20, crop=0, num_crops=1) == corner


def test_a_window_that_is_not_square_moves_along_the_side_with_more_room_and_is_centred_across():
    corners = [view_crop(30, 44, size=(26, 18), crop=crop, num_crops=3) for crop in range(3)]
    assert corners == [(2, 0), (2, 13), (2, 26)]


def test_a_window_larger_than_the_frame_is_refused():
    with pytest.raises(ValueError, match="32x32 does not fit a frame of 30x44"):
        view_crop(30, 44, size=32, crop=0, num_crops=3)


@pytest.mark.parametrize("crop", [-1, 3])
def test_a_crop_that_does_not_exist_is_refused(crop):
    with pytest.raises(ValueError, match=f"got {crop}"):
        view_crop(20, 30, size=20, crop=crop, num_crops=3)


# ---- pixel values ----


def test_pixel_values_are_those_of_transformers_processors(processor):
    settings = {"size": processor.size, "crop_size": processor.crop_size}
    statistics = {"image_mean": IMAGENET_MEAN, "image_std": IMAGENET_STD}
    for shape in ((37, 53), (61, 40), (24, 24), (19, 23)):
        video = noise(6, *shape)
        ours = pixel_values(processor, video)
        for stock in (StockVideoProcessor, StockImageProcessor):
            theirs = pixel_values(stock(**settings, **statistics), list(video))
            torch.testing.assert_close(ours, theirs, atol=0, rtol=0)


def test_a_size_in_both_directions_is_honoured_as_in_transformers():
    settings = {"size": {"height": 20, "width": 30}, "do_center_crop": False, "do_normalize": False}
    ours, theirs = (pixel_values(cls(**settings), noise()) for cls in (VideoMAEVideoProcessor, StockVideoProcessor))
    assert ours.shape == (1, 6, 3, 20, 30)
    torch.testing.assert_close(ours, theirs, atol=0, rtol=0)


def test_default_statistics_are_those_of_imagenet():
    for cls in (VideoMAEVideoProcessor, VideoMAEImageProcessor):
        assert tuple(cls().image_mean) == IMAGENET_MEAN and tuple(cls().image_std) == IMAGENET_STD


def test_every_way_to_hand_over_a_video_gives_the_same_pixels(processor):
    video = noise()
    expected = pixel_values(processor, video)
    same = {
        "channels first": channels_first(video),
        "contiguous channels first": channels_first(video).contiguous(),
        "batch of one": video[None],
        "list of arrays": list(video),
        "list of tensors": list(channels_first(video)),
        "list of images": [Image.fromarray(frame) for frame in video],
        "list of one list of images": [[Image.fromarray(frame) for frame in video]],
    }
    for name, form in same.items():
        assert torch.equal(pixel_values(processor, form), expected), name


def test_a_batch_may_hold_videos_of_different_sizes(processor):
    videos = [noise(height=37, width=53, seed=1), noise(height=60, width=31, seed=2)]
    batch = pixel_values(processor, videos)
    assert batch.shape == (2, 6, 3, 20, 22)
    for row, video in zip(batch, videos, strict=True):
        assert torch.equal(row, pixel_values(processor, video)[0])


def test_images_are_converted_to_rgb_by_their_mode(processor):
    palette = [Image.fromarray(frame).convert("P") for frame in noise()]
    expected = pixel_values(processor, [image.convert("RGB") for image in palette])
    assert torch.equal(pixel_values(processor, palette), expected)


def test_grey_arrays_become_rgb_where_the_checkpoint_has_three_channels(processor):
    grey = noise(channels=1)
    assert torch.equal(pixel_values(processor, grey), pixel_values(processor, grey.repeat(3, axis=3)))


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_as_many_channels_as_the_checkpoint_has_are_taken(channels):
    mean, std = np.linspace(0.2, 0.6, channels).tolist(), np.linspace(0.1, 0.3, channels).tolist()
    processor = VideoMAEVideoProcessor(**SETTINGS, image_mean=mean, image_std=std)
    video = noise(channels=channels)
    assert pixel_values(processor, video).shape == (1, 6, channels, 20, 22)
    expected = normalised(processor.resize_and_crop(channels_first(video)), mean, std)
    torch.testing.assert_close(pixel_values(processor, channels_first(video))[0], expected, atol=1e-5, rtol=0)


def test_a_channel_axis_that_can_not_be_told_is_asked_for(processor):
    with pytest.raises(ValueError, match=r"\(6, 37, 53, 7\).*input_data_format"):
        processor(noise(channels=7))
    values = pixel_values(processor, noise(channels=7), input_data_format="channels_last", do_normalize=False)
    assert values.shape == (1, 6, 7, 20, 22)


@pytest.mark.parametrize("nothing", [[], None, 3])
def test_what_is_not_a_video_is_refused(processor, nothing):
    with pytest.raises(ValueError, match="expected a video"):
        processor(nothing)


# ---- one resize for everything ----


def test_calls_crops_and_views_see_the_same_pixels(processor, tiny_clip):
    path = tiny_clip(num_frames=30, height=46, width=70)
    indices = view_frame_indices(30, num_frames=6, frame_stride=2, segment=0, num_segments=1, protocol="dense")
    clip = read_frames(path, indices)
    crop = processor.resize_and_crop(clip)
    assert crop.shape == (6, 3, 20, 22) and crop.dtype == torch.uint8
    assert torch.equal(processor.views(path, 1, 1), crop[None])
    for video in (path, clip):
        torch.testing.assert_close(pixel_values(processor, video)[0], normalised(crop), atol=1e-5, rtol=0)


def test_views_are_the_crops_of_the_segments_in_segment_major_order(processor):
    frames = channels_first(noise(num_frames=41, height=30, width=66))
    views = processor.views(frames, 3, 2)
    assert views.shape == (6, 6, 3, 20, 22) and views.dtype == torch.uint8
    for segment in range(3):
        indices = view_frame_indices(
            41, num_frames=6, frame_stride=2, segment=segment, num_segments=3, protocol="dense"
        )
        resized = processor.resize(frames[indices], processor.size, processor.resample)
        assert resized.shape[-2:] == (24, 52)
        for crop, left in enumerate((0, 30)):
            assert torch.equal(views[2 * segment + crop], resized[..., 2:22, left : left + 22])


def test_views_sample_as_the_checkpoint_says(tiny_clip, frame_numbers):
    path = tiny_clip(num_frames=40)
    for sampling in ("dense", "uniform"):
        processor = VideoMAEVideoProcessor(**SETTINGS, sampling=sampling)
        for segment, view in enumerate(processor.views(path, 2, 1)):
            assert frame_numbers(view) == view_frame_indices(
                40, num_frames=6, frame_stride=2, segment=segment, num_segments=2, protocol=sampling
            )


def test_all_views_come_from_one_decode(processor, tiny_clip, monkeypatch):
    reads = []
    read = VideoReader.read
    monkeypatch.setattr(VideoReader, "read", lambda reader, indices: reads.append(indices) or read(reader, indices))
    with VideoReader(tiny_clip(num_frames=40)) as reader:
        views = processor.views(reader, 5, 3)
    assert views.shape[0] == 15
    assert len(reads) == 1 and len(set(reads[0])) == len(reads[0])


# ---- files ----


def middle(total_frames):
    return view_frame_indices(total_frames, num_frames=6, frame_stride=2, segment=0, num_segments=1, protocol="dense")


def test_paths_bytes_and_file_objects_are_sampled_as_the_checkpoint_says(processor, tiny_clip):
    path = tiny_clip(num_frames=40)
    expected = pixel_values(processor, read_frames(path, middle(40)))
    assert expected.shape == (1, 6, 3, 20, 22)
    for source in (path, str(path), path.read_bytes(), [path]):
        assert torch.equal(pixel_values(processor, source), expected)
    with path.open("rb") as file:
        assert torch.equal(pixel_values(processor, file), expected)
    batch = pixel_values(processor, [path, tiny_clip("short.mp4", num_frames=3)])
    assert batch.shape == (2, 6, 3, 20, 22)  # the short video repeats its last frames


def test_a_call_as_the_pipeline_makes_it_gives_the_middle_view(processor, tiny_clip):
    """transformers' video-classification pipeline passes the model's `num_frames` and asks for sampling."""
    path = tiny_clip(num_frames=40)
    values = processor(str(path), num_frames=6, do_sample_frames=True, return_tensors="pt")["pixel_values"]
    assert torch.equal(values, pixel_values(processor, path))
    assert pixel_values(processor, path, num_frames=4).shape[1] == 4


def test_sampling_settings_can_be_given_per_call(processor, tiny_clip):
    batch = processor(tiny_clip(num_frames=40), num_frames=4, frame_stride=3, return_metadata=True)
    (metadata,) = batch["video_metadata"]
    assert metadata.frames_indices == [15, 18, 21, 24]
    batch = processor(tiny_clip(num_frames=40), num_frames=4, sampling="uniform", return_metadata=True)
    assert batch["video_metadata"][0].frames_indices == [5, 15, 25, 35]


def test_metadata_tell_what_was_read(processor, tiny_clip):
    (metadata,) = processor(tiny_clip(num_frames=40, fps=20), return_metadata=True)["video_metadata"]
    assert (metadata.total_num_frames, metadata.height, metadata.width) == (40, 48, 64)
    assert (metadata.fps, metadata.duration, metadata.frames_indices) == (20, 2, middle(40))


def test_frames_per_second_can_be_asked_for_instead(processor, tiny_clip):
    values = pixel_values(processor, tiny_clip(num_frames=40, fps=20), fps=5)
    assert values.shape[1] == 10
    with pytest.raises(ValueError, match="FPS"):
        processor.sample_frames(VideoMetadata(total_num_frames=8), fps=5)


def test_arrays_are_sampled_only_on_request_and_never_stretched(processor):
    video = noise(num_frames=15)
    assert pixel_values(processor, video).shape[1] == 15
    assert torch.equal(
        pixel_values(processor, video, do_sample_frames=True), pixel_values(processor, video[middle(15)])
    )
    with pytest.raises(ValueError, match="6 frames are to be sampled from a video of 5"):
        processor(noise(num_frames=5), do_sample_frames=True)


def test_files_and_frames_do_not_mix_in_a_batch(processor, tiny_clip):
    with pytest.raises(ValueError, match="1 of 2 videos are files"):
        processor([tiny_clip(), noise()])


def test_a_damaged_file_is_named(processor, tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(VideoDecodeError, match="text.mp4"):
        processor(tmp_path / "text.mp4")


@pytest.fixture
def server(tmp_path):
    """The address of a web server with the files of `tmp_path`."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_addresses_are_fetched(processor, tiny_clip, server):
    path = tiny_clip(num_frames=40)
    assert torch.equal(pixel_values(processor, f"{server}/{path.name}"), pixel_values(processor, path))


def test_an_address_that_does_not_answer_with_a_video_is_named(processor, tmp_path, server):
    (tmp_path / "text.mp4").write_text("no video")
    for address, reason in ((f"{server}/missing.mp4", "404"), (f"{server}/text.mp4", "not a video")):
        with pytest.raises(VideoDecodeError, match=reason) as caught:
            processor(address)
        assert caught.value.path == address


# ---- saved settings ----


def test_settings_survive_saving(tmp_path):
    processor = VideoMAEVideoProcessor(
        **{**SETTINGS, "frame_stride": 3}, sampling="uniform", image_mean=[0.1, 0.2, 0.3], image_std=[0.4, 0.5, 0.6]
    )
    processor.save_pretrained(tmp_path)
    loaded = VideoMAEVideoProcessor.from_pretrained(tmp_path)
    assert loaded.to_dict() == processor.to_dict()
    assert (loaded.num_frames, loaded.frame_stride, loaded.sampling) == (6, 3, "uniform")


def test_what_we_save_opens_in_transformers(processor, tmp_path):
    processor.save_pretrained(tmp_path)
    assert torch.equal(
        pixel_values(StockVideoProcessor.from_pretrained(tmp_path), noise()), pixel_values(processor, noise())
    )


def test_an_old_preprocessor_config_loads_with_its_own_statistics_and_our_defaults(tmp_path):
    StockImageProcessor(
        size={"shortest_edge": 24}, crop_size={"height": 20, "width": 22}, image_mean=[0.1, 0.2, 0.3]
    ).save_pretrained(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["preprocessor_config.json"]
    for cls in (VideoMAEVideoProcessor, VideoMAEImageProcessor):
        processor = cls.from_pretrained(tmp_path)
        assert tuple(processor.image_mean) == (0.1, 0.2, 0.3)
        assert processor.crop_size == {"height": 20, "width": 22}
    video_processor = VideoMAEVideoProcessor.from_pretrained(tmp_path)
    assert (video_processor.num_frames, video_processor.frame_stride, video_processor.sampling) == (16, 4, "dense")


def test_files_of_transformers_4_load(golden):
    processor = VideoMAEVideoProcessor.from_pretrained(golden / "hub_v4_classifier")
    assert processor.size == {"shortest_edge": 48} and tuple(processor.image_mean) == IMAGENET_MEAN
    assert pixel_values(processor, noise(height=60, width=90)).shape == (1, 6, 3, 48, 48)


def test_the_image_processor_takes_lists_of_frames(processor):
    settings = {"size": processor.size, "crop_size": processor.crop_size}
    values = pixel_values(VideoMAEImageProcessor(**settings), list(noise()))
    assert torch.equal(values, pixel_values(processor, noise()))


@pytest.mark.parametrize(("height", "width"), [(48, 48), (90, 40), (40, 90), (37, 61)])
def test_a_window_that_is_not_square_is_covered_by_any_video(height, width):
    """A portrait video is enlarged until a landscape window fits: no black bars, also in the test views."""
    processor = VideoMAEVideoProcessor(
        size={"shortest_edge": 24}, crop_size={"height": 24, "width": 32}, num_frames=4, frame_stride=1
    )
    clip = torch.full((4, 3, height, width), 200, dtype=torch.uint8)
    assert processor.resize_and_crop(clip).shape == (4, 3, 24, 32)
    assert (processor.resize_and_crop(clip) == 200).all()
    assert (processor.views(clip, 2, 3) == 200).all()
    pixels = processor(clip, do_normalize=False, return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(pixels, torch.full((1, 4, 3, 24, 32), 200 / 255))


@pytest.mark.parametrize("num_channels", [1, 4, 5])
def test_the_processor_of_a_network_knows_its_channels(num_channels):
    from videomae import VideoMAEConfig

    config = VideoMAEConfig(num_channels=num_channels, image_size=32, num_frames=4)
    processor = VideoMAEVideoProcessor.for_model(config)
    clip = torch.randint(0, 256, (4, num_channels, 40, 50), dtype=torch.uint8)
    assert processor(clip, return_tensors="pt")["pixel_values"].shape == (1, 4, num_channels, 32, 32)


def test_a_saved_folder_also_serves_those_who_know_image_processors_only(tmp_path):
    VideoMAEVideoProcessor(image_mean=[0.1, 0.2, 0.3], crop_size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    frames = VideoMAEImageProcessor.from_pretrained(tmp_path)
    assert list(frames.image_mean) == [0.1, 0.2, 0.3] and frames.crop_size["height"] == 32
    written = json.loads((tmp_path / "preprocessor_config.json").read_text())
    assert written["image_processor_type"] == "VideoMAEImageProcessor"


# ---- framing, short videos, sources ----


def test_a_whole_frame_is_the_same_wherever_it_is_looked_at(tiny_clip):
    path = tiny_clip(num_frames=20, height=36, width=64)
    whole = VideoMAEVideoProcessor(
        num_frames=4, frame_stride=2, crop_size={"height": 24, "width": 24}, framing="whole", do_normalize=False
    )
    indices = whole.sample_frames(VideoMetadata(total_num_frames=20))
    expected = whole_frame(read_frames(path, indices), size=(24, 24))
    assert expected.shape == (4, 3, 24, 24) and (expected[:, :, 0] == 128).all()  # bars above and below
    assert torch.equal(whole.resize_and_crop(read_frames(path, indices)), expected)
    assert torch.equal(whole.views(path, 1, 1)[0], expected)
    torch.testing.assert_close(pixel_values(whole, path)[0], expected / 255)


def test_a_whole_frame_has_no_several_crops(tiny_clip):
    with pytest.raises(ValueError, match="3 crops asked for, but this checkpoint looks at the whole frame"):
        VideoMAEVideoProcessor(framing="whole").views(tiny_clip(), 1, 3)


def test_saving_whole_framing_warns_that_plain_transformers_cuts(tmp_path, caplog):
    logging.getLogger().warning_once.cache_clear()  # each warning comes once a process
    for _ in range(2):
        VideoMAEVideoProcessor(framing="whole").save_pretrained(tmp_path)
    assert caplog.text.count("framing 'whole'") == 1
    assert "plain transformers does not know framing 'whole'" in caplog.text
    assert VideoMAEVideoProcessor.from_pretrained(tmp_path).framing == "whole"


def test_unknown_settings_are_told_together():
    with pytest.raises(ValueError, match="sampling is 'sparse', wanted 'dense' or 'uniform'; framing is 'all'"):
        VideoMAEVideoProcessor(sampling="sparse", framing="all")


def test_the_policy_for_short_videos_holds_wherever_frames_are_chosen(tiny_clip, frame_numbers):
    path = tiny_clip(num_frames=5)
    sizes = {"num_frames": 4, "frame_stride": 2, "do_normalize": False, "do_rescale": False}
    for policy, numbers in (("repeat", [0, 2, 4, 4]), ("loop", [0, 2, 4, 0])):
        processor = VideoMAEVideoProcessor(short_video=policy, **sizes)
        assert frame_numbers(processor.views(path, 2, 1)[1]) == numbers
        assert frame_numbers(pixel_values(processor, path)[0]) == numbers
    refusing = VideoMAEVideoProcessor(short_video="error", **sizes)
    for look in (lambda: refusing.views(path, 1, 1), lambda: refusing(path)):
        with pytest.raises(VideoDecodeError, match="clip.mp4: it has 5 frames and a clip spans 7"):
            look()


def test_folders_of_frames_arrays_and_rows_of_tables_are_read_like_files(processor, tiny_clip, tmp_path):
    path = tiny_clip(num_frames=20)
    frames = read_frames(path, range(20)).permute(0, 2, 3, 1).numpy()
    np.save(tmp_path / "clip.npy", frames)
    (tmp_path / "clip").mkdir()
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(tmp_path / "clip" / f"{number}.png")
    expected = pixel_values(processor, path)
    row = {"path": "in a table.mp4", "bytes": path.read_bytes()}
    for source in (tmp_path / "clip.npy", tmp_path / "clip", row):
        assert torch.equal(pixel_values(processor, source), expected)
        assert torch.equal(processor.views(source, 2, 3), processor.views(path, 2, 3))


@pytest.mark.parametrize(("num_segments", "num_crops"), [(1, 1), (1, 4), (2, 1), (4, 2), (7, 5), (31, 1)])
@pytest.mark.parametrize("sampling", ["dense", "uniform"])
def test_any_number_of_segments_and_crops_is_spread_from_end_to_end(sampling, num_segments, num_crops):
    processor = VideoMAEVideoProcessor(**SETTINGS, sampling=sampling)
    frames = torch.arange(60, dtype=torch.uint8).view(60, 1, 1, 1).expand(60, 3, 24, 80).clone()
    frames[..., 0, :, :] = torch.arange(80, dtype=torch.uint8)  # columns in red, frames in blue
    views = processor.views(frames, num_segments, num_crops)
    assert views.shape == (num_segments * num_crops, 6, 3, 20, 22)
    by_place = views.view(num_segments, num_crops, *views.shape[1:])
    starts, lefts = by_place[:, 0, 0, 2, 0, 0].tolist(), by_place[0, :, 0, 0, 0, 0].tolist()
    first, last = (0, 48) if sampling == "dense" else (0, 10 * (num_segments - 1) // num_segments)
    middle = (first + last) // 2 if sampling == "dense" else 5
    assert starts == sorted(starts) and lefts == sorted(lefts) and len(set(lefts)) == num_crops
    assert (starts[0], starts[-1]) == ((first, last) if num_segments > 1 else (middle, middle))
    assert (lefts[0], lefts[-1]) == ((0, 58) if num_crops > 1 else (29, 29))


# ---- the authors' resize ----


def test_without_antialiasing_frames_are_those_of_plain_bilinear_interpolation(tmp_path):
    plain = VideoMAEVideoProcessor(**SETTINGS | {"frame_stride": 1}, antialias=False)
    frames = channels_first(noise(height=96, width=131))
    wanted = torch.nn.functional.interpolate(frames.float(), size=(24, 32), mode="bilinear", antialias=False)
    top, left = view_crop(24, 32, size=(20, 22), crop=0, num_crops=1)
    wanted = wanted[..., top : top + 20, left : left + 22]
    found = plain.resize_and_crop(frames)
    assert (found.float() - wanted).abs().max() <= 1
    filtered = VideoMAEVideoProcessor(**SETTINGS).resize_and_crop(frames).float()
    assert filtered.std() < 0.5 * found.float().std()  # noise is averaged away where the frame becomes smaller
    for processor in (plain, VideoMAEVideoProcessor.from_pretrained(plain.save_pretrained(tmp_path) and tmp_path)):
        assert processor.antialias is False
        torch.testing.assert_close(pixel_values(processor, [frames])[0], normalised(found))
        assert torch.equal(processor.views(frames, 1, 1)[0], found)


def test_views_without_antialiasing_share_one_resize():
    plain = VideoMAEVideoProcessor(**SETTINGS | {"frame_stride": 1}, antialias=False)
    frames = channels_first(noise(height=96, width=131))
    assert torch.equal(plain.views(frames, 1, 3)[1], plain.resize_and_crop(frames))
