# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
import io
import struct
import sys
from itertools import islice

import numpy as np
import pytest

from videomae.frame_streams import FrameStream, LoopedStream, is_live
from videomae.video import VideoDecodeError, VideoReader


def damaged(path):
    """The same mp4 with nonsense in the middle of its pictures."""
    data = bytearray(path.read_bytes())
    begin = data.index(b"mdat")
    middle = (begin + data.index(b"moov", begin)) // 2
    data[middle : middle + 60] = bytes(range(60))
    path.write_bytes(data)
    return path


def test_the_frames_are_those_that_reading_by_number_gives(tiny_clip):
    path = tiny_clip(num_frames=13, height=34, width=46, fps=24)
    with FrameStream(path) as stream, VideoReader(path) as reader:
        assert stream.fps == 24
        frames = list(stream)
        expected = reader.read(range(13)).permute(0, 2, 3, 1).numpy()
    assert [frame.number for frame in frames] == list(range(13))
    assert [frame.time for frame in frames] == pytest.approx([number / 24 for number in range(13)])
    assert np.array_equal(np.stack([frame.image for frame in frames]), expected)


@pytest.mark.parametrize(
    "name",
    ["av1_640x360.mkv", "h264_10bit_200x200.mp4", "hevc_128x128.mp4", "mpeg4_320x240.avi", "short_32frames.mp4"],
)
def test_awkward_files_are_read_alike(clips, name):
    with FrameStream(clips / name) as stream, VideoReader(clips / name) as reader:
        frames = list(stream)
        expected = reader.read(range(reader.num_frames)).permute(0, 2, 3, 1).numpy()
        assert [frame.time for frame in frames] == pytest.approx(reader.seconds(range(reader.num_frames)))
    assert np.array_equal(np.stack([frame.image for frame in frames]), expected)


def test_frames_are_turned_as_the_file_says(tiny_clip):
    path = tiny_clip(num_frames=3, height=34, width=46)
    data = bytearray(path.read_bytes())
    matrix = data.find(b"tkhd") + 44  # ISO 14496-12, 8.3.2; a quarter turn
    data[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    with FrameStream(path) as stream, VideoReader(path) as reader:
        assert [frame.image.shape for frame in stream] == [(46, 34, 3)] * 3
        assert (reader.info.height, reader.info.width) == (46, 34)


def test_standard_input_is_read_as_it_comes(tiny_clip, monkeypatch, frame_numbers):
    class Pipe(io.BytesIO):
        def seekable(self):
            return False

        def seek(self, *args):
            raise io.UnsupportedOperation("a pipe")

    path = tiny_clip("clip.ts", num_frames=9)
    monkeypatch.setattr(sys, "stdin", type("stdin", (), {"buffer": Pipe(path.read_bytes())}))
    with FrameStream("-") as stream:
        assert frame_numbers([frame.image for frame in stream]) == list(range(9))


def test_a_damaged_frame_is_an_error_of_a_file_and_a_gap_of_a_camera(tiny_clip):
    path = damaged(tiny_clip(num_frames=30, options={"g": "5"}))
    with FrameStream(path) as stream, pytest.raises(VideoDecodeError, match="clip.mp4: "):
        list(stream)
    with FrameStream(path, tolerant=True) as stream:
        numbers = [frame.number for frame in stream]
        assert stream.damaged > 0
    assert numbers == sorted(numbers) and len(numbers) + stream.damaged == numbers[-1] + 1
    assert 15 < len(numbers) < 30


def test_a_clock_that_goes_back_is_a_restart(tiny_clip, tmp_path):
    once = tiny_clip("once.ts", num_frames=40).read_bytes()
    (tmp_path / "twice.ts").write_bytes(once + once)
    with FrameStream(tmp_path / "twice.ts", tolerant=True) as stream:
        frames = list(stream)
    assert [frame.number for frame in frames] == [*range(40), *range(41, 81)]
    assert [frame.time for frame in frames] == pytest.approx([number / 25 for number in range(80)])


def test_a_looped_file_goes_on_and_on(tiny_clip, frame_numbers):
    with LoopedStream(tiny_clip(num_frames=5)) as stream:
        frames = list(islice(stream, 12))
    assert [frame.number for frame in frames] == list(range(12))
    assert [frame.time for frame in frames] == pytest.approx([number / 25 for number in range(12)])
    assert frame_numbers([frame.image for frame in frames]) == [number % 5 for number in range(12)]


def test_damage_of_a_looped_file_is_counted_in_each_round(tiny_clip):
    path = damaged(tiny_clip(num_frames=30, options={"g": "5"}))
    with FrameStream(path, tolerant=True) as stream:
        whole = len(list(stream))
        once = stream.damaged
    with LoopedStream(path, tolerant=True) as stream:
        assert len(list(islice(stream, 2 * whole))) == 2 * whole
        assert stream.damaged == 2 * once > 0
    with LoopedStream(path) as stream, pytest.raises(VideoDecodeError, match="clip.mp4: "):
        list(islice(stream, 2 * whole))


def test_cameras_are_live_and_nothing_else():
    assert is_live("/dev/video0") and is_live("rtsp://host/live") and is_live("RTSPS://host/live")
    assert not any(map(is_live, ("clip.mp4", "-", "http://host/live.ts")))


@pytest.mark.parametrize(
    ("name", "content"),
    [("gone.mp4", None), ("text.mp4", b"text"), ("list.mp4", b"ffconcat version 1.0\nfile a.mp4\n")],
)
def test_what_is_no_video_is_an_error_that_names_it(tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(VideoDecodeError, match=f"{name}: can not be read"):
        FrameStream(tmp_path / name)


@pytest.mark.parametrize("address", ["concat:a.mp4|b.mp4", "lavfi:testsrc"])
def test_what_has_no_scheme_is_the_name_of_a_file(address):
    with pytest.raises(VideoDecodeError, match="No such file"):
        FrameStream(address)


@pytest.mark.parametrize("scheme", ["ftp", "file", "udp", "rtmp", "srt"])
def test_other_schemes_are_refused(scheme):
    with pytest.raises(VideoDecodeError, match=f"scheme {scheme}, wanted http, https, rtsp or rtsps"):
        FrameStream(f"{scheme}://127.0.0.1/a.mp4")
