# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
import numpy as np
import pytest

from videomae.annotation import annotated_video
from videomae.frame_streams import StreamFrame
from videomae.video import VideoReader


def grey_frames(count, *, height=90, width=160, step=1 / 25):
    return [StreamFrame(i, i * step, np.full((height, width, 3), 120, np.uint8)) for i in range(count)]


def bright(frame):
    """Where a frame (3, H, W) is white or black, not grey."""
    grey = frame.float().mean(0)
    return (grey - 120).abs() > 60


def test_the_caption_is_burnt_in_from_where_it_is_set(tmp_path):
    with annotated_video(tmp_path / "out.mp4", 25) as video:
        for frame in video.passing(grey_frames(10)):
            if frame.number == 3:
                video.caption = "waving 0.93"
    with VideoReader(tmp_path / "out.mp4") as reader:
        frames = reader.read(range(10))
        assert reader.info.fps == 25
    assert not any(bright(frame).any() for frame in frames[:4])
    for frame in frames[4:]:
        rows, columns = bright(frame).nonzero(as_tuple=True)
        assert rows.min() > 70 and columns.min() == 0 and columns.max() < 120  # the lower left corner
        assert frame.max() > 200  # white letters


def test_times_and_even_sides(tmp_path):
    frames = grey_frames(4, height=35, width=47)
    times = [0.0, 0.04, 0.12, 0.16]  # a frame was dropped
    with annotated_video(tmp_path / "out.mp4", 25) as video:
        for frame, time in zip(frames, times, strict=True):
            video.write(frame._replace(time=time))
    with VideoReader(tmp_path / "out.mp4") as reader:
        assert (reader.info.height, reader.info.width) == (34, 46)
        assert reader.seconds(range(4)) == pytest.approx(times)


@pytest.mark.parametrize("fps", [23.976, 29.97, 59.94, 12.5])
def test_the_rate_stays(tmp_path, fps):
    with annotated_video(tmp_path / "out.mp4", fps) as video:
        for frame in grey_frames(20, height=34, width=46, step=1 / fps):
            video.write(frame)
    with VideoReader(tmp_path / "out.mp4") as reader:
        assert reader.info.fps == pytest.approx(fps, rel=1e-4)


def burnt_in(path, caption, **size):
    """The last of two frames with this caption, (3, H, W)."""
    with annotated_video(path, 25) as video:
        video.caption = caption
        for frame in grey_frames(2, **size):
            video.write(frame)
    with VideoReader(path) as reader:
        return reader.read([1])[0]


@pytest.mark.parametrize(
    ("height", "width", "caption"),
    [
        (640, 360, "applying cream 0.93, arm wrestling 0.04, archery 0.01"),
        (256, 192, "playing-with-a-very-long-hyphen 0.93, archery 0.01"),
    ],
)
def test_a_caption_wider_than_the_picture_is_shown_whole(tmp_path, height, width, caption):
    frame = burnt_in(tmp_path / "out.mp4", caption, height=height, width=width)
    other = burnt_in(tmp_path / "other.mp4", caption[:-1] + "8", height=height, width=width)
    rows, columns = bright(frame).nonzero(as_tuple=True)
    assert columns.min() == 0 and columns.max() < width - 1 and rows.max() == height - 1  # black margin, then grey
    ink = frame.float().mean(0)[rows.min() :, :] > 190
    assert not ink[:, -2:].any() and not ink[:2].any() and not ink[-2:].any()
    assert (frame.float() - other.float()).abs().max() > 100  # the last letter is there


def test_what_can_not_be_made_to_fit_is_cut(tmp_path):
    frame = burnt_in(tmp_path / "out.mp4", "a very long label indeed " * 9, height=34, width=46)
    assert frame.shape == (3, 34, 46)


def test_letters_of_other_languages_are_no_boxes(tmp_path):
    boxes = burnt_in(tmp_path / "boxes.mp4", "\ue000" * 3)  # private use: no font has it
    for caption in ("ééé", "ßßß", "→→→", "жжж"):
        frame = burnt_in(tmp_path / "out.mp4", caption)
        assert (frame[:, 80:, :30].float() - boxes[:, 80:, :30].float()).abs().max() > 60


def test_an_error_leaves_no_file(tmp_path):
    with pytest.raises(RuntimeError), annotated_video(tmp_path / "out.mp4", 25) as video:
        video.write(grey_frames(1)[0])
        raise RuntimeError
    assert not list(tmp_path.iterdir())
