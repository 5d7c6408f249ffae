# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""torchcodec decodes only where it is asked for and gives the frames of PyAV; else PyAV does, and that is said."""

import logging
from io import BytesIO
from types import SimpleNamespace

import pytest
import torch

from videomae import torchcodec_reader
from videomae.frames import open_video
from videomae.torchcodec_reader import TorchcodecReader, is_torchcodec_chosen, torchcodec_problem
from videomae.video import VideoDecodeError, VideoReader, read_frames


class StandIn:
    """What is used of `torchcodec.decoders.VideoDecoder`, done with PyAV, and miscounting or failing on demand."""

    def __init__(self, source, num_threads, *, frames_more=0, brighter=0, fails=()):
        assert not hasattr(source, "tell") or source.tell() == 0  # it reads on from where a file object stands
        self.reader, self.reads = VideoReader(source, min_frames=1), []
        self.frames_more, self.brighter, self.fails = frames_more, brighter, fails
        if "open" in fails:
            raise RuntimeError("could not open")

    def __len__(self):
        return self.reader.num_frames + self.frames_more

    def get_frames_at(self, indices):
        self.reads.append(list(indices))
        if set(self.fails) & set(self.reads[-1]):
            raise RuntimeError("Requested next frame while there are no more frames\nException raised from somewhere")
        return SimpleNamespace(data=self.reader.read(indices) + self.brighter)


@pytest.fixture
def torchcodec(monkeypatch):
    """`torchcodec(frames_more=0, brighter=0, fails=())`: a `StandIn` in its place, asked for; the list of those made.

    The test of the process has its own: here it is passed.
    """

    def install(**behaviour):
        made = []

        def make(source, num_threads):
            made.append(StandIn(source, num_threads, **behaviour))
            return made[-1]

        monkeypatch.setenv("VIDEOMAE_DECODER", "torchcodec")
        monkeypatch.setattr(torchcodec_reader, "_is_usable", lambda: True)
        monkeypatch.setattr(torchcodec_reader, "_decoder", make)
        return made

    return install


@pytest.mark.parametrize("chosen", [None, "", "auto", "pyav"])
def test_pyav_decodes_unless_torchcodec_is_asked_for(chosen, tiny_clip, monkeypatch):
    monkeypatch.delenv("VIDEOMAE_DECODER", raising=False)
    if chosen is not None:
        monkeypatch.setenv("VIDEOMAE_DECODER", chosen)
    assert not is_torchcodec_chosen()
    with open_video(tiny_clip()) as video:
        assert isinstance(video, VideoReader)


def test_an_unknown_decoder_is_an_error_with_the_known_ones(tiny_clip, monkeypatch):
    monkeypatch.setenv("VIDEOMAE_DECODER", "decord")
    with pytest.raises(ValueError, match="VIDEOMAE_DECODER is 'decord', wanted auto, pyav, torchcodec"):
        open_video(tiny_clip())


def test_torchcodec_is_not_imported_unless_it_is_asked_for(tiny_clip, run_python, monkeypatch):
    monkeypatch.delenv("VIDEOMAE_DECODER", raising=False)
    code = "import sys, videomae.frames as f; f.open_video(sys.argv[1]); print('torchcodec' in sys.modules)"
    assert run_python(code, tiny_clip()).stdout == "False\n"


def test_where_it_agrees_it_decodes_and_pyav_says_what_the_video_is(tiny_clip, frame_numbers, torchcodec):
    made = torchcodec()
    path = tiny_clip()
    for source in (path, str(path), path.read_bytes(), BytesIO(path.read_bytes())):
        with open_video(source) as video:
            assert isinstance(video, TorchcodecReader)
            assert (video.num_frames, video.info.height, video.info.width) == (12, 48, 64)
            assert frame_numbers(video.read([7, 2, 2])) == [7, 2, 2]
            assert made[-1].reads == [[0], [7, 2, 2]]


@pytest.mark.parametrize(
    "behaviour", [{"frames_more": 1}, {"frames_more": -1}, {"brighter": 1}, {"fails": ["open"]}, {"fails": [0]}]
)
def test_where_it_disagrees_on_a_video_pyav_decodes(behaviour, tiny_clip, torchcodec):
    made = torchcodec(**behaviour)
    with open_video(tiny_clip()) as video:
        assert torch.equal(video.read([7, 2]), read_frames(tiny_clip(), [7, 2]))
    assert all([7, 2] not in stand_in.reads for stand_in in made)


@pytest.mark.parametrize(
    ("name", "codec", "is_used"),
    [
        ("clip.mp4", "libx264", True),
        ("clip.mkv", "libx264", True),
        ("clip.avi", "libx264", False),
        ("clip.mp4", "mpeg4", False),
    ],
)
def test_only_containers_and_codecs_that_it_numbers_as_pyav_are_its(name, codec, is_used, tiny_clip, torchcodec):
    made = torchcodec()
    with open_video(tiny_clip(name, codec=codec)) as video:
        video.read([3])
    assert bool(made) is is_used


def test_where_it_fails_to_read_pyav_reads(tiny_clip, frame_numbers, torchcodec):
    made = torchcodec(fails=[9])
    with open_video(tiny_clip()) as video:
        assert frame_numbers(video.read([4, 9])) == [4, 9]
    assert made[-1].reads == [[0], [4, 9]]


def test_a_video_that_pyav_refuses_is_refused_and_closed(tiny_clip, torchcodec, monkeypatch):
    torchcodec()
    calls, close = [], VideoReader.close

    def refuse(self, indices):
        calls.append("read")
        raise VideoDecodeError(self.path, "frame 0 is damaged")

    monkeypatch.setattr(VideoReader, "read", refuse)
    monkeypatch.setattr(VideoReader, "close", lambda self: calls.append("close") or close(self))
    with pytest.raises(VideoDecodeError, match=r"clip\.mp4: frame 0 is damaged"):
        open_video(tiny_clip())
    assert calls[-2:] == ["read", "close"]


@pytest.mark.parametrize("numbers", [[-1], [12], []])
def test_impossible_numbers_are_pyavs_business(numbers, tiny_clip, torchcodec):
    made = torchcodec()
    with open_video(tiny_clip()) as video:
        if numbers:
            with pytest.raises(ValueError, match=f"frame {numbers[0]} asked for, it has frames 0 to 11"):
                video.read(numbers)
        else:
            assert video.read(numbers).shape == (0, 3, 48, 64)
    assert made[-1].reads == [[0]]


# ---- the test of the process ----


@pytest.mark.parametrize(
    ("behaviour", "problem"),
    [
        ({}, None),
        ({"brighter": 1}, "it gives other frames"),
        ({"fails": [5]}, "it does not work (Requested next frame while there are no more frames)"),
    ],
)
def test_it_is_tried_on_a_video_of_known_frames(behaviour, problem, torchcodec, monkeypatch):
    torchcodec(**behaviour)
    monkeypatch.setattr(torchcodec_reader.importlib.util, "find_spec", lambda name: name)
    assert torchcodec_problem() == problem


def test_the_video_to_try_has_b_frames_key_frames_a_late_start_and_a_variable_rate():
    import av

    with av.open(BytesIO(torchcodec_reader._test_video())) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    times = sorted(packet.pts for packet in packets)
    assert [packet.pts for packet in packets] != times
    assert sum(packet.is_keyframe for packet in packets) == 3
    assert times[0] > 0
    assert len({later - earlier for earlier, later in zip(times, times[1:], strict=False)}) == 2


def test_a_process_that_can_not_use_it_says_so_once_and_decodes_with_pyav(
    tiny_clip, frame_numbers, monkeypatch, caplog
):
    monkeypatch.setenv("VIDEOMAE_DECODER", "torchcodec")
    monkeypatch.setattr(torchcodec_reader.importlib.util, "find_spec", lambda name: None)
    torchcodec_reader._is_usable.cache_clear()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            with open_video(tiny_clip()) as video:
                assert frame_numbers(video.read([7, 2])) == [7, 2]
    torchcodec_reader._is_usable.cache_clear()
    assert caplog.messages == ["VIDEOMAE_DECODER asks for torchcodec, but it is not installed: PyAV decodes"]


@pytest.mark.parametrize("name", ["kinetics_arm_wrestling.mp4", "av1_640x360.mkv", "h264_10bit_200x200.mp4"])
def test_torchcodec_itself_gives_the_frames_of_pyav(name, clips, monkeypatch):
    pytest.importorskip("torchcodec")
    if problem := torchcodec_problem():
        pytest.skip(problem)
    monkeypatch.setenv("VIDEOMAE_DECODER", "torchcodec")
    with open_video(clips / name) as video:
        numbers = range(video.num_frames - 1, -1, -7)
        assert torch.equal(video.read(numbers), read_frames(clips / name, numbers))
