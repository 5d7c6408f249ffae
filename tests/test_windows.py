# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Windows over time: their frames, their times, and clips that are those of each window read alone."""

from fractions import Fraction

import av
import numpy as np
import pytest
import torch

from videomae import VideoMAEVideoProcessor
from videomae.frames import open_video
from videomae.video import ShortVideoError, VideoDecodeError, VideoReader
from videomae.windows import sliding_windows, view_spans, window_clips, window_spans

SIZES = {"num_frames": 4, "window": 12, "stride": 5}


@pytest.fixture
def processor(tiny_config):
    return VideoMAEVideoProcessor.for_model(tiny_config(), frame_stride=3)


# ---- which frames ----


def test_windows_begin_a_stride_apart_and_look_at_every_third_frame():
    assert sliding_windows(25, **SIZES).tolist() == [[0, 3, 6, 9], [5, 8, 11, 14], [10, 13, 16, 19]]


def test_only_windows_that_lie_in_the_video_are_there():
    assert [len(sliding_windows(total, **SIZES)) for total in (12, 16, 17, 21, 22)] == [1, 1, 2, 2, 3]


@pytest.mark.parametrize(
    ("short_video", "frames"), [("repeat", [0, 3, 6, 6]), ("loop", [0, 3, 6, 0])], ids=["repeat", "loop"]
)
def test_a_video_shorter_than_a_window_has_one_that_is_filled_up(short_video, frames):
    assert sliding_windows(8, **SIZES, short_video=short_video).tolist() == [frames]


def test_the_frames_between_the_last_one_looked_at_and_the_end_of_the_window_need_not_be_there():
    assert sliding_windows(10, **SIZES, short_video="error").tolist() == [[0, 3, 6, 9]]
    with pytest.raises(ShortVideoError, match="it has 9 frames and a clip spans 10"):
        sliding_windows(9, **SIZES, short_video="error")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"window": 10}, "a window of 10 frames, wanted a multiple of the 4 that the model looks at: 8 or 12"),
        ({"window": 3}, "a window of 3 frames, wanted a multiple of the 4 that the model looks at: 4"),
        ({"stride": 0}, "a stride of 0 frames from one window to the next, wanted at least 1"),
    ],
)
def test_windows_that_can_not_be_are_errors(change, message):
    with pytest.raises(ValueError, match=message):
        sliding_windows(30, **SIZES | change)


# ---- when ----


@pytest.fixture
def uneven_clip(tmp_path):
    """40 frames, frame i at 5000 + 7 i² milliseconds."""
    path = tmp_path / "uneven.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        stream.codec_context.time_base = stream.time_base = Fraction(1, 1000)
        for number in range(40):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 5 * number, np.uint8), format="rgb24")
            frame.pts, frame.time_base = 5000 + 7 * number**2, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_times_are_those_of_the_frames_also_at_a_variable_rate(uneven_clip, processor):
    with open_video(uneven_clip) as video:
        span = window_spans(video, processor, window=12, stride=14)
        fps = video.info.fps
    assert span.frames[:, 0].tolist() == [0, 14, 28]
    expected = [[0, 7e-3 * 12**2], [7e-3 * 14**2, 7e-3 * 26**2], [7e-3 * 28**2, 7e-3 * 39**2 + 1 / fps]]
    np.testing.assert_allclose(span.seconds, expected, atol=2e-3)


def test_segments_are_those_of_the_test_views(tiny_clip, processor):
    with open_video(tiny_clip(num_frames=30, fps=10)) as video:
        span = view_spans(video, processor, num_segments=2)
        assert span.frames.tolist() == [processor.view_indices(video, segment, 2) for segment in (0, 1)]
    np.testing.assert_allclose(span.seconds, [[0, 1.0], [1.8, 2.8]])


def test_frames_without_times_have_none(tmp_path, processor):
    np.save(tmp_path / "clip.npy", np.zeros((20, 30, 40, 3), np.uint8))
    with open_video(tmp_path / "clip.npy") as video:
        assert window_spans(video, processor, window=12, stride=5).seconds is None


def test_a_video_that_is_too_short_is_named(tiny_clip, tiny_config):
    processor = VideoMAEVideoProcessor.for_model(tiny_config(), short_video="error")
    with open_video(tiny_clip(num_frames=6)) as video, pytest.raises(VideoDecodeError, match="clip.mp4: it has 6"):
        window_spans(video, processor, window=12, stride=5)


# ---- clips ----


def each_alone(path, processor, frames):
    """Every window's frames read for it alone."""
    for numbers in frames.tolist():
        with open_video(path) as video:
            read = processor.fitted(video.read(numbers), video)
            yield processor.normalized_if_float(processor.resize_and_crop(read))


@pytest.mark.parametrize("name", ["kinetics_arm_wrestling.mp4", "mpeg4_320x240.avi", "av1_640x360.mkv"])
@pytest.mark.parametrize("framing", ["crop", "whole"])
def test_windows_are_those_that_are_read_one_by_one(clips, tiny_config, name, framing):
    processor = VideoMAEVideoProcessor.for_model(tiny_config(), framing=framing)
    with open_video(clips / name) as video:
        frames = window_spans(video, processor, window=12, stride=10).frames[:6]
        found = list(window_clips(video, processor, frames))
    assert len(found) == len(frames) == 6
    for clip, alone in zip(found, each_alone(clips / name, processor, frames), strict=True):
        assert clip.dtype == torch.uint8 and torch.equal(clip, alone)


@pytest.mark.parametrize("framing", ["crop", "whole"])
def test_windows_of_floats_are_those_that_are_read_one_by_one(tmp_path, tiny_config, framing):
    path = tmp_path / "clip.npy"
    np.save(path, np.random.default_rng(0).normal(5, 2, (40, 30, 44)).astype(np.float32))
    config = tiny_config(num_channels=1, image_mean=[5.0], image_std=[2.0])
    processor = VideoMAEVideoProcessor.for_model(config, framing=framing)
    with open_video(path) as video:
        frames = window_spans(video, processor, window=12, stride=5).frames
        found = list(window_clips(video, processor, frames))
    for clip, alone in zip(found, each_alone(path, processor, frames), strict=True):
        torch.testing.assert_close(clip, alone, atol=0, rtol=0)


def test_the_frames_of_a_window_are_in_its_clip(tiny_clip, tiny_config, frame_numbers):
    processor = VideoMAEVideoProcessor.for_model(tiny_config())
    with open_video(tiny_clip(num_frames=40)) as video:
        frames = window_spans(video, processor, window=12, stride=7).frames
        assert [frame_numbers(clip) for clip in window_clips(video, processor, frames)] == frames.tolist()


def test_each_frame_is_decoded_once_and_others_are_not_made_pictures(tiny_clip, processor, monkeypatch):
    made = []
    to_image = VideoReader.to_image
    monkeypatch.setattr(VideoReader, "to_image", lambda self, f, n: made.append(n) or to_image(self, f, n))
    with VideoReader(tiny_clip(num_frames=40)) as video:
        frames = window_spans(video, processor, window=12, stride=3).frames
        assert len(list(window_clips(video, processor, frames))) == 10
    assert made == list(range(0, 39, 3))


class LongVideo:
    """Many black frames; what `window_clips` uses of a reader."""

    path, num_frames = "<long>", 3000

    def stream(self, numbers):
        return ((number, torch.zeros(3, 24, 32, dtype=torch.uint8)) for number in numbers)


def test_no_more_frames_are_held_than_a_window_spans(processor):
    windows = window_clips(LongVideo(), processor, sliding_windows(3000, num_frames=4, window=12, stride=2))
    held = [len(windows.gi_frame.f_locals["held"]) for _ in windows]
    assert len(held) == 1495
    assert 4 < max(held) <= 12
