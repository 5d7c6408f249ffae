# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Which frames make a clip, and that exactly those are read, whatever the file."""

import gc
import json
import os
import pickle
import struct
from dataclasses import replace
from fractions import Fraction
from io import BytesIO

import av
import numpy as np
import pytest
import torch

from videomae import video as video_module
from videomae.video import (
    ShortVideoError,
    VideoDecodeError,
    VideoReader,
    pretraining_frame_indices,
    probe,
    read_frames,
    training_frame_indices,
    view_frame_indices,
)

B_FRAMES = {"x264-params": "keyint=12:scenecut=0:bframes=3:b-adapt=0"}  # a key frame every 12
INTRA_ONLY = {"g": "1", "tune": "fastdecode"}  # as `videomae prepare` writes


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


# ---- which frames ----


@pytest.mark.parametrize(
    ("total_frames", "expected"),
    [
        (3, [0] * 16),
        (30, [*range(0, 29, 4), *[28] * 8]),
        (61, [*range(0, 57, 4), 56]),
        (64, list(range(0, 61, 4))),
    ],
)
def test_a_short_pretraining_clip_repeats_the_last_frame_that_the_stride_reaches(total_frames, expected):
    indices = pretraining_frame_indices(total_frames, num_frames=16, frame_stride=4, generator=generator())
    assert indices == expected


def test_pretraining_clips_have_the_exact_stride_and_start_everywhere():
    draws = generator()
    clips = [pretraining_frame_indices(70, num_frames=16, frame_stride=4, generator=draws) for _ in range(200)]
    assert {clip[0] for clip in clips} == set(range(0, 7))  # 70 - 16 * 4 = 6 is the last start
    assert all(clip == list(range(clip[0], clip[0] + 64, 4)) for clip in clips)


@pytest.mark.parametrize(
    ("total_frames", "expected"),
    [
        (2, [1] * 16),
        (5, [0, *[4] * 15]),
        (20, [0, 5, 10, 15, *[19] * 12]),
        (64, [0, 4, 8, 12, 17, 21, 25, 29, 34, 38, 42, 46, 51, 55, 59, 63]),
    ],
)
def test_a_short_dense_training_clip_spreads_over_the_video_and_repeats_its_end(total_frames, expected):
    indices = training_frame_indices(
        total_frames, num_frames=16, frame_stride=4, protocol="dense", generator=generator()
    )
    assert indices == expected


def test_dense_training_clips_are_the_evenly_spaced_points_of_a_random_window():
    offsets = [0, 4, 8, 12, 17, 21, 25, 29, 34, 38, 42, 46, 51, 55, 59, 63]
    draws = generator()
    clips = [
        training_frame_indices(70, num_frames=16, frame_stride=4, protocol="dense", generator=draws)
        for _ in range(200)
    ]
    assert {clip[0] for clip in clips} == set(range(0, 6))  # the window of 64 ends before the last frame
    assert all([index - clip[0] for index in clip] == offsets for clip in clips)


def test_uniform_training_clips_take_one_random_frame_of_each_segment():
    draws = generator()
    clips = np.array(
        [
            training_frame_indices(14, num_frames=4, frame_stride=9, protocol="uniform", generator=draws)
            for _ in range(100)
        ]
    )
    for segment in range(4):
        assert set(clips[:, segment]) == set(range(3 * segment, 3 * segment + 3))


def test_a_uniform_training_clip_of_a_video_with_fewer_frames_than_the_clip_is_its_first_frame():
    assert (
        training_frame_indices(3, num_frames=4, frame_stride=1, protocol="uniform", generator=generator()) == [0] * 4
    )


def test_the_same_generator_gives_the_same_clip():
    for sample in (
        lambda seed: pretraining_frame_indices(300, num_frames=16, frame_stride=4, generator=generator(seed)),
        lambda seed: training_frame_indices(
            300, num_frames=16, frame_stride=4, protocol="uniform", generator=generator(seed)
        ),
    ):
        assert sample(1) == sample(1) != sample(2)


def test_test_views_are_those_of_the_official_code(golden):
    for case in json.loads((golden / "official_test_views.json").read_text()):
        for view in case["views"]:
            indices = view_frame_indices(
                case["total_frames"],
                num_frames=case["num_frames"],
                frame_stride=case.get("stride", 1),
                segment=view["segment"],
                num_segments=case["segments"],
                protocol=case["protocol"],
            )
            assert indices == view["frames"], case


@pytest.mark.parametrize("total_frames", [7, 64, 101, 300])
def test_one_dense_segment_is_the_middle_of_any_odd_number_of_them(total_frames):
    settings = {"num_frames": 16, "frame_stride": 4, "protocol": "dense"}
    middle = view_frame_indices(total_frames, segment=0, num_segments=1, **settings)
    assert middle == view_frame_indices(total_frames, segment=2, num_segments=5, **settings)


def test_one_uniform_segment_takes_the_middle_of_each_part():
    indices = view_frame_indices(40, num_frames=4, frame_stride=1, segment=0, num_segments=1, protocol="uniform")
    assert indices == [5, 15, 25, 35]


def test_the_last_of_many_dense_segments_ends_the_video():
    # 49 segments: floating-point arithmetic would start the last view one step early
    settings = {"num_frames": 16, "frame_stride": 1, "num_segments": 50, "protocol": "dense"}
    assert view_frame_indices(65, segment=49, **settings)[-1] == 64


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"protocol": "sparse"}, "'sparse'"),
        ({"segment": 3}, "got 3"),
        ({"num_segments": 0}, "num_segments"),
        ({"total_frames": 0}, "total_frames must be at least 1, got 0"),
        ({"frame_stride": 0}, "frame_stride must be at least 1, got 0"),
    ],
)
def test_impossible_views_are_refused(change, message):
    settings = {
        "total_frames": 50,
        "num_frames": 4,
        "frame_stride": 2,
        "segment": 0,
        "num_segments": 3,
        "protocol": "dense",
    }
    with pytest.raises(ValueError, match=message):
        view_frame_indices(**{**settings, **change})


LOOPED = {"num_frames": 5, "frame_stride": 4, "short_video": "loop"}


@pytest.mark.parametrize("total_frames", [1, 3, 16, 17, 19, 20, 40])
def test_a_looped_clip_begins_again_where_the_video_ends(total_frames):
    start, *rest = pretraining_frame_indices(total_frames, generator=generator(), **LOOPED)
    assert rest == [(start + 4 * i) % total_frames for i in range(1, 5)]
    dense = training_frame_indices(total_frames, generator=generator(), protocol="dense", **LOOPED)
    assert total_frames >= 20 or dense == [offset % total_frames for offset in (0, 5, 10, 15, 19)]
    uniform = training_frame_indices(total_frames, generator=generator(), protocol="uniform", **LOOPED)
    assert total_frames >= 5 or uniform == [i % total_frames for i in range(5)]
    view = view_frame_indices(total_frames, segment=1, num_segments=3, protocol="dense", **LOOPED)
    sampled = list(range(0, total_frames, 4))
    assert len(sampled) >= 5 or view == (sampled * 5)[:5]


def test_a_video_just_long_enough_is_not_looped_and_gives_all_its_frames():
    assert pretraining_frame_indices(17, generator=generator(), **LOOPED) == [0, 4, 8, 12, 16]
    drawn = {"generator": generator(), "protocol": "dense", "spacing": "exact"}
    assert training_frame_indices(17, **drawn, **LOOPED) == [0, 4, 8, 12, 16]


@pytest.mark.parametrize(("total_frames", "protocol", "wanted"), [(16, "dense", 17), (4, "uniform", 5)])
def test_a_short_video_can_be_an_error_that_says_both_lengths(total_frames, protocol, wanted):
    sizes = {"num_frames": 5, "frame_stride": 4, "short_video": "error", "protocol": protocol}
    with pytest.raises(ShortVideoError, match=f"it has {total_frames} frames and a clip spans {wanted}; --short"):
        view_frame_indices(total_frames, segment=0, num_segments=1, **sizes)
    view_frame_indices(wanted, segment=0, num_segments=1, **sizes)
    with pytest.raises(ShortVideoError, match=f"it has {total_frames} frames and a clip spans {wanted}"):
        training_frame_indices(total_frames, generator=generator(), spacing="exact", **sizes)
    training_frame_indices(wanted, generator=generator(), spacing="exact", **sizes)


def test_exact_spacing_is_that_of_pre_training():
    sizes = {"num_frames": 16, "frame_stride": 4}
    for total_frames in (30, 64, 100):
        exact = training_frame_indices(total_frames, generator=generator(), protocol="dense", spacing="exact", **sizes)
        assert exact == pretraining_frame_indices(total_frames, generator=generator(), **sizes)


@pytest.mark.parametrize("setting", ["spacing", "short_video"])
def test_an_unknown_sampling_setting_is_named(setting):
    sizes = {"num_frames": 5, "frame_stride": 4, "protocol": "dense"}
    with pytest.raises(ValueError, match=f"{setting} must be '.*', got 'other'"):
        training_frame_indices(50, generator=generator(), **sizes, **{setting: "other"})


# ---- reading them ----


def picture(number, height, width):
    """No two frames, rows, columns or channels are alike."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([columns * 2 + number * 5, rows * 3 + number * 7, 0 * rows + number * 4], axis=-1).astype(np.uint8)


@pytest.fixture
def write_video(tmp_path):
    def write(
        name,
        codec="libx264",
        *,
        num_frames=40,
        height=46,
        width=64,
        pix_fmt="yuv420p",
        options=None,
        times=None,
        **mux,
    ):
        """`times`: time stamps in ms; `mux`: options of the container."""
        path = tmp_path / name
        with av.open(str(path), "w", options=mux) as container:
            stream = container.add_stream(codec, rate=25, options=options or {})
            stream.height, stream.width, stream.pix_fmt = height, width, pix_fmt
            if times:
                stream.codec_context.time_base = stream.time_base = Fraction(1, 1000)
            for number in range(num_frames):
                frame = av.VideoFrame.from_ndarray(picture(number, height, width), format="rgb24")
                if times:
                    frame.pts, frame.time_base = times[number], Fraction(1, 1000)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path

    return write


def front_to_back(path):
    """All frames as one plain pass of the decoder gives them: (N, H, W, 3)."""
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def channels_last(frames):
    return frames.permute(0, 2, 3, 1).numpy()


CLIPS = [
    "av1_640x360.mkv",
    "fullhd_1920x1080.mp4",
    "h264_10bit_200x200.mp4",
    "hevc_128x128.mp4",
    "kinetics_arm_wrestling.mp4",
    "mpeg4_320x240.avi",
    "short_32frames.mp4",
]


@pytest.mark.parametrize("name", CLIPS)
def test_real_clips_read_as_front_to_back(name, clips):
    random = np.random.default_rng(0)
    with VideoReader(clips / name) as reader:
        draws = [random.integers(reader.num_frames, size=count).tolist() for count in (1, 2, 9)]
        with av.open(str(clips / name)) as container:
            number, expected = -1, {}
            for number, frame in enumerate(container.decode(video=0)):
                if any(number in indices for indices in draws):
                    expected[number] = frame.to_ndarray(format="rgb24")
        assert reader.num_frames == number + 1
        for indices in draws:
            for index, frame in zip(indices, channels_last(reader.read(indices)), strict=True):
                np.testing.assert_array_equal(frame, expected[index])


FORMATS = {
    "b_frames.mp4": {"options": B_FRAMES},
    "b_frames.mkv": {"options": B_FRAMES},
    "b_frames.ts": {"options": B_FRAMES},
    "h264_in.avi": {"options": B_FRAMES},
    "fragments.mp4": {"options": B_FRAMES, "movflags": "frag_keyframe+empty_moov"},
    "open_gop.mkv": {"options": {"x264-params": "keyint=12:bframes=3:open-gop=1:b-adapt=0"}},
    "intra_refresh.mp4": {"options": {"x264-params": "keyint=20:intra-refresh=1:bframes=0"}},
    "interlaced.mp4": {"height": 48, "options": {"x264-params": "keyint=12:bframes=2:tff=1"}},
    "hevc.mp4": {"codec": "libx265", "options": {"x265-params": "keyint=12:min-keyint=12:log-level=none"}},
    "hevc_open_gop.mkv": {
        "codec": "libx265",
        "options": {"x265-params": "keyint=12:min-keyint=12:open-gop=1:log-level=none"},
    },
    "vp8_hidden_frames.webm": {"codec": "libvpx", "options": {"auto-alt-ref": "1", "lag-in-frames": "16", "g": "20"}},
    "vp9_hidden_frames.webm": {
        "codec": "libvpx-vp9",
        "options": {"auto-alt-ref": "1", "lag-in-frames": "16", "g": "20"},
    },
    "mpeg4.avi": {"codec": "mpeg4", "options": {"bf": "2", "g": "12"}},
    "mpeg2.mpg": {"codec": "mpeg2video", "options": {"bf": "2", "g": "12"}},
    "motion_jpeg.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "animation.gif": {"codec": "gif", "pix_fmt": "rgb8"},
    "odd_size.mp4": {"height": 45, "width": 63, "pix_fmt": "yuv444p", "options": B_FRAMES},
    "late_start_variable_rate.mp4": {"options": B_FRAMES, "times": [5000 + 7 * i**2 for i in range(40)]},
    "late_start_variable_rate.mkv": {"options": B_FRAMES, "times": [5000 + 7 * i**2 for i in range(40)]},
    "pyramid.mp4": {"options": {"x264-params": "keyint=40:bframes=5:b-pyramid=normal:b-adapt=0:weightp=2"}},
    "hevc_pyramid.mp4": {"codec": "libx265", "options": {"x265-params": "bframes=4:b-pyramid=1:log-level=none"}},
    "low_delay.mp4": {"options": {"tune": "zerolatency", "g": "15"}},
    "slices.mp4": {"options": {"x264-params": "keyint=12:bframes=2:slices=3"}},
    "ten_bit.mp4": {"pix_fmt": "yuv420p10le", "options": B_FRAMES},
    "hevc_ten_bit.mkv": {"codec": "libx265", "pix_fmt": "yuv420p10le", "options": {"x265-params": "log-level=none"}},
    "av1.mkv": {"codec": "libsvtav1", "height": 66, "options": {"preset": "12", "g": "20"}},
    "av1.mp4": {"codec": "libsvtav1", "height": 66, "options": {"preset": "12", "g": "20"}},
    "prepared.mp4": {"options": INTRA_ONLY, "movflags": "faststart"},
    "intra_variable_rate.mp4": {"options": INTRA_ONLY, "times": [5000 + 7 * i**2 for i in range(40)]},
    "intra.mkv": {"options": INTRA_ONLY},
    "fragments_intra.mp4": {"options": INTRA_ONLY, "movflags": "frag_keyframe+empty_moov"},
    "motion_jpeg.mov": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "mpeg4.mp4": {"codec": "mpeg4", "options": {"bf": "2", "g": "12"}},
    "flash.flv": {"codec": "flv", "options": {"g": "12"}},
    "windows.wmv": {"codec": "wmv2", "options": {"g": "12"}},
    "raw.h264": {"options": B_FRAMES},
    "one_frame.mp4": {"num_frames": 1},
    "two_frames.mp4": {"num_frames": 2},
}


@pytest.mark.parametrize("name", ["late_start_variable_rate.mkv", "mpeg4.avi", "prepared.mp4", "pyramid.mp4"])
def test_a_stream_gives_what_reading_gives(name, write_video):
    numbers = [1, 2, 7, 20, 21, 39]
    with VideoReader(write_video(name, **FORMATS[name])) as video:
        streamed = list(video.stream(numbers))
        assert [number for number, _ in streamed] == numbers
        assert torch.equal(torch.stack([frame for _, frame in streamed]), video.read(numbers))


def test_a_stream_that_must_begin_again_gives_no_frame_twice(write_video, monkeypatch):
    """A file whose index turns out to be wrong after some frames."""
    path = write_video("clip.mp4", options={"g": "5"})
    true_frames = VideoReader._frames_by_index

    def wrong_later(self, numbers):
        for number, frame in true_frames(self, numbers):
            if number > 12:
                raise video_module._IndexMismatch
            yield number, frame

    monkeypatch.setattr(VideoReader, "_frames_by_index", wrong_later)
    with VideoReader(path) as video:
        assert [number for number, _ in video.stream(range(0, 40, 4))] == list(range(0, 40, 4))


@pytest.mark.parametrize(
    "name", ["late_start_variable_rate.mp4", "late_start_variable_rate.mkv", "intra_variable_rate.mp4"]
)
def test_seconds_are_those_of_the_frames_and_not_of_a_rate(name, write_video):
    with VideoReader(write_video(name, **FORMATS[name])) as video:
        assert video.seconds([0, 3, 39]) == pytest.approx([0, 7e-3 * 9, 7e-3 * 39**2], abs=1e-4)


@pytest.mark.parametrize("name", ["mpeg4.avi", "mpeg4.mp4", "animation.gif", "raw.h264"])
def test_seconds_of_a_constant_rate(name, write_video):
    with VideoReader(write_video(name, **FORMATS[name])) as video:
        assert video.seconds([0, 10, 39]) == pytest.approx([0, 10 / 25, 39 / 25], abs=1e-2)


@pytest.mark.parametrize("name", FORMATS)
def test_every_frame_of_every_format_reads_as_front_to_back(name, write_video):
    path = write_video(name, **FORMATS[name])
    expected = front_to_back(path)
    with VideoReader(path, min_frames=1) as reader:
        assert reader.num_frames == len(expected) == FORMATS[name].get("num_frames", 40)
        for number in reversed(range(len(expected))):
            np.testing.assert_array_equal(channels_last(reader.read([number]))[0], expected[number])


def clips_of_every_mode(total_frames):
    """Frame numbers as pre-training, fine-tuning and testing choose them."""
    sizes = {"num_frames": 5, "frame_stride": 4}
    generator = torch.Generator().manual_seed(total_frames)
    for short_video in ("repeat", "loop"):
        drawn = {**sizes, "generator": generator, "short_video": short_video}
        yield pretraining_frame_indices(total_frames, **drawn)
        for protocol, spacing in (("dense", "linspace"), ("dense", "exact"), ("uniform", "linspace")):
            yield training_frame_indices(total_frames, **drawn, protocol=protocol, spacing=spacing)
        for protocol in ("dense", "uniform"):
            for segment in range(3):
                view = {"segment": segment, "num_segments": 3, "protocol": protocol, "short_video": short_video}
                yield view_frame_indices(total_frames, **sizes, **view)


@pytest.mark.parametrize("name", FORMATS)
def test_clips_of_every_sampling_mode_are_those_frames_of_a_plain_decode(name, write_video):
    path = write_video(name, **FORMATS[name])
    expected = front_to_back(path)
    with VideoReader(path, min_frames=1) as reader:
        for indices in clips_of_every_mode(len(expected)):
            np.testing.assert_array_equal(channels_last(reader.read(indices)), expected[indices])


@pytest.mark.parametrize("name", CLIPS)
def test_clips_of_every_sampling_mode_of_real_videos_are_those_frames_of_a_plain_decode(name, clips):
    with VideoReader(clips / name) as reader:
        modes = list(clips_of_every_mode(reader.num_frames))
        wanted = set().union(*modes)
        with av.open(str(clips / name)) as container:
            frames = enumerate(container.decode(video=0))
            expected = {number: frame.to_ndarray(format="rgb24") for number, frame in frames if number in wanted}
        for indices in modes:
            for index, frame in zip(indices, channels_last(reader.read(indices)), strict=True):
                np.testing.assert_array_equal(frame, expected[index])


@pytest.mark.parametrize("start", ["key frame", "between"])
@pytest.mark.parametrize("container", ["mp4", "mkv", "ts"])
@pytest.mark.parametrize("source", ["b_frames.mp4", "hevc_open_gop.mkv"])
def test_videos_cut_out_of_others_without_recoding_read_as_front_to_back(source, container, start, write_video):
    """Such files begin with frames that refer to what was cut off, or with packets that are not to be shown."""
    path = write_video(source, num_frames=60, **FORMATS[source])
    cut = path.with_name(f"cut.{container}")
    with av.open(str(path)) as original, av.open(str(cut), "w") as copy:
        stream = original.streams.video[0]
        copied = copy.add_stream_from_template(stream)
        packets = [packet for packet in original.demux(stream) if packet.dts is not None]
        keys = [number for number, packet in enumerate(packets) if packet.is_keyframe]
        for number, packet in enumerate(packets):
            if number >= (keys[3] if start == "key frame" else keys[1] + 3):
                packet.stream = copied
                copy.mux(packet)
    expected = front_to_back(cut)
    with VideoReader(cut) as reader:
        assert reader.num_frames == len(expected)
        for number in range(len(expected)):
            np.testing.assert_array_equal(channels_last(reader.read([number]))[0], expected[number])


@pytest.mark.parametrize("shift", [0.3, 0.6])
def test_frames_before_the_start_of_an_edit_list_are_not_counted(shift, write_video):
    """`ffmpeg -ss … -c copy` writes such files: decoding starts at a key frame, showing at a later frame."""
    path = write_video("video.mp4", options=B_FRAMES)
    edited = path.with_name("edited.mp4")
    with av.open(str(path)) as original, av.open(str(edited), "w", options={"avoid_negative_ts": "disabled"}) as copy:
        stream = original.streams.video[0]
        copied = copy.add_stream_from_template(stream)
        for packet in original.demux(stream):
            if packet.dts is not None:
                packet.pts -= int(shift / stream.time_base)
                packet.dts -= int(shift / stream.time_base)
                packet.stream = copied
                copy.mux(packet)
    expected = front_to_back(edited)
    assert len(expected) < 40
    with VideoReader(edited) as reader:
        assert reader.num_frames == len(expected)
        for number in range(len(expected)):
            np.testing.assert_array_equal(channels_last(reader.read([number]))[0], expected[number])
        assert reader._index is not None


@pytest.mark.parametrize(
    "name",
    [
        "b_frames.mp4",
        "b_frames.mkv",
        "fragments.mp4",
        "open_gop.mkv",
        "hevc_open_gop.mkv",
        "vp9_hidden_frames.webm",
        "motion_jpeg.avi",
        "late_start_variable_rate.mp4",
    ],
)
def test_common_formats_are_read_by_seeking(name, write_video):
    with VideoReader(write_video(name, **FORMATS[name])) as reader:
        for number in (39, 20, 3):
            reader.read([number])
        assert reader._index is not None


def test_frames_come_in_the_order_asked_for_with_repeats(write_video):
    path = write_video("video.mp4", options=B_FRAMES)
    indices = [30, 2, 2, 39, 0, 30]
    np.testing.assert_array_equal(channels_last(read_frames(path, indices)), front_to_back(path)[indices])


def test_more_threads_give_the_same_frames(write_video):
    path = write_video("video.mp4", options=B_FRAMES)
    assert torch.equal(read_frames(path, [3, 17, 38], num_threads=3), read_frames(path, [3, 17, 38], num_threads=1))


def decoder_threads_of(process="self"):
    return len(os.listdir(f"/proc/{process}/task"))


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="counts threads in /proc")
def test_closing_ends_the_threads_of_the_decoder(write_video):
    path, before = write_video("video.mp4", options=B_FRAMES), decoder_threads_of()
    reader = VideoReader(path, num_threads=3)
    reader.read([5])
    assert decoder_threads_of() > before
    reader.close()
    assert decoder_threads_of() == before
    assert reader.num_frames == 40


def test_a_decoder_with_threads_that_was_forgotten_does_not_hang_a_forked_process(write_video, run_python):
    """The garbage collector of the fork would free it, and wait for threads that it does not have."""
    code = """
import gc, os, sys, threading
from videomae.video import VideoReader
gc.disable()
reader = VideoReader(sys.argv[1], num_threads=3)
reader.read([5])
reader.itself = reader  # only the garbage collector finds it
del reader
child = os.fork()
if not child:
    gc.collect()
    os._exit(7)
threading.Timer(30, os.kill, (child, 9)).start()
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(code, flush=True)
os._exit(0)
"""
    result = run_python(code, write_video("video.mp4", options=B_FRAMES))
    assert result.stdout == "7\n", result.stderr


@pytest.mark.parametrize("name", ["open_gop.mkv", "hevc_open_gop.mkv"])
def test_frames_between_key_frames_that_others_lead_are_right_on_more_threads_too(name, write_video):
    path = write_video(name, **FORMATS[name])
    expected = front_to_back(path)
    with VideoReader(path, num_threads=3) as reader:
        for number in (39, 25, 13, 2):
            np.testing.assert_array_equal(channels_last(reader.read([number]))[0], expected[number])
        assert reader._index is not None


def test_memory_does_not_grow_with_the_file(write_video):
    """Counted at every read from a file of many: how many packets are alive."""
    alive = []

    class Source(BytesIO):
        def read(self, size=-1):
            alive.append(sum(type(thing) is av.Packet for thing in gc.get_objects()))
            return super().read(size)

    data = write_video("video.avi", "mjpeg", pix_fmt="yuvj420p", num_frames=300).read_bytes()
    assert probe(Source(data)).num_frames == 300
    assert len(alive) > 4 and max(alive) < 10


def test_of_a_prepared_file_little_more_than_the_wanted_frames_is_read(write_video):
    counts = []

    class Source(BytesIO):
        def read(self, size=-1):
            data = super().read(size)
            counts.append(len(data))
            return data

    path = write_video(
        "prepared.mp4",
        num_frames=300,
        height=180,
        width=320,
        **FORMATS["prepared.mp4"] | {"options": {**INTRA_ONLY, "qp": "1"}},
    )
    data = path.read_bytes()
    with VideoReader(Source(data)) as reader:
        assert reader.num_frames == 300
        reader.read(range(100, 132, 2))
    assert len(data) > 4_000_000 and sum(counts) < len(data) / 3


def test_a_prepared_file_that_was_cut_short_is_refused(write_video, refused):
    path = write_video("prepared.mp4", **FORMATS["prepared.mp4"])
    path.write_bytes(path.read_bytes()[:-100])
    assert refused(path) == "its data ends early"


def test_frames_are_a_view_of_channels_last_memory(write_video):
    frames = read_frames(write_video("video.mp4"), [5, 6, 7])
    assert frames.shape == (3, 3, 46, 64) and frames.dtype == torch.uint8
    assert frames.permute(0, 2, 3, 1).is_contiguous()


def test_paths_bytes_and_file_objects_read_alike_and_a_file_object_stays_open(write_video):
    path = write_video("12:30 100%d.mp4", options=B_FRAMES)  # FFmpeg would take "12" for a protocol, "%d" for a number
    expected = read_frames(path, [1, 25])
    assert torch.equal(read_frames(str(path), [1, 25]), expected)
    assert torch.equal(read_frames(path.read_bytes(), [1, 25]), expected)
    with path.open("rb") as file:
        assert torch.equal(read_frames(file, [1, 25]), expected)
        assert not file.closed


def test_only_what_wanted_frames_refer_to_is_decoded_and_only_they_are_converted(write_video, monkeypatch):
    decoded, converted = [], []
    decode_for, to_image = VideoReader._decode_for, VideoReader.to_image

    def spy_decoding(reader, key, wanted):
        for frame in decode_for(reader, key, wanted):
            decoded.append(reader._index.number_of(frame.pts))
            yield frame

    def spy_converting(reader, frame, number):
        converted.append(number)
        return to_image(reader, frame, number)

    with VideoReader(write_video("video.mp4", num_frames=60, options=B_FRAMES)) as reader:
        monkeypatch.setattr(VideoReader, "_decode_for", spy_decoding)
        monkeypatch.setattr(VideoReader, "to_image", spy_converting)
        monkeypatch.setattr(VideoReader, "_frames_from_beginning", None)
        reader.read([50, 14])
    assert decoded == [12, 14, 48, 50]  # 13 and 49 are B-frames that no other refers to
    assert converted == [14, 50]


def test_an_index_that_does_not_fit_the_frames_is_given_up_not_believed(write_video):
    path = write_video("video.mp4", options=B_FRAMES)
    expected = read_frames(path, [20, 33])
    with VideoReader(path) as reader:
        wrong = [stamp + 1 for stamp in reader._index.timestamps]
        reader._index = replace(reader._index, timestamps=wrong)
        assert torch.equal(reader.read([20, 33]), expected)


def test_a_jump_to_where_decoding_can_not_start_is_no_damage(write_video):
    path = write_video("open_gop.mkv", **FORMATS["open_gop.mkv"])
    with av.open(str(path)) as container:
        keys = sorted(packet.pts for packet in container.demux(video=0) if packet.is_keyframe)
    with VideoReader(path) as reader:
        index = reader._index
        assert len(index.keys) < len(keys)  # the others have frames stored after them and shown before
        expected = front_to_back(path)
        for number in range(40):
            reader._index = replace(index, keys=keys)
            np.testing.assert_array_equal(channels_last(reader.read([number]))[0], expected[number])


def test_a_file_that_lists_more_frames_than_decode_is_refused(write_video):
    with VideoReader(write_video("video.mp4", options=B_FRAMES)) as reader:
        stamps = reader._index.timestamps
        reader._index = replace(reader._index, timestamps=[*stamps[:20], stamps[19] + 1, *stamps[20:]])
        reader.info = replace(reader.info, num_frames=41)
        reader.read([3])
        with pytest.raises(VideoDecodeError, match="41 frames are listed, 40 decode"):
            reader.read([20])


def test_info_tells_what_the_frames_say_not_the_header(write_video):
    info = probe(
        write_video("video.mp4", num_frames=5, times=[2000, 2010, 2050, 2070, 2400])
    )  # the header says 25 fps
    assert (info.num_frames, info.height, info.width, info.codec, info.rotation) == (5, 46, 64, "h264", 0)
    assert info.fps == pytest.approx(4 / 0.4)
    assert info.duration == pytest.approx(0.5)


ONE = 1 << 16
ORIENTATIONS = {  # a b c d of the display matrix, what it does to the stored frame, the rotation that it holds
    "portrait phone": ((0, ONE, -ONE, 0), lambda image: np.rot90(image, -1), 270),
    "upside down": ((-ONE, 0, 0, -ONE), lambda image: np.rot90(image, 2), 180),
    "counter-clockwise": ((0, -ONE, ONE, 0), np.rot90, 90),
    "mirrored": ((-ONE, 0, 0, ONE), lambda image: image[:, ::-1], 0),
    "water": ((ONE, 0, 0, -ONE), lambda image: image[::-1], 180),
    "transposed": ((0, ONE, ONE, 0), lambda image: image.transpose(1, 0, 2), 90),
}


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_frames_are_turned_as_the_file_says(name, write_video):
    (a, b, c, d), transform, rotation = ORIENTATIONS[name]
    path = write_video("video.mp4", num_frames=3)
    stored = front_to_back(path)
    data = bytearray(path.read_bytes())
    matrix = data.find(b"tkhd") + 44  # ISO 14496-12, 8.3.2: after the type 4 bytes of flags and 36 of other fields
    data[matrix : matrix + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    with VideoReader(path) as reader:
        frames = channels_last(reader.read([2, 0]))
        assert reader.info.rotation == rotation
        assert (reader.info.height, reader.info.width) == frames.shape[1:3]
    np.testing.assert_array_equal(frames, np.stack([transform(stored[2]), transform(stored[0])]))


# ---- what can not be read ----


def write_sound(path, cover=None):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        if cover is not None:
            picture_stream = container.add_stream("mjpeg", rate=1)
            picture_stream.height, picture_stream.width, picture_stream.pix_fmt = 48, 64, "yuvj420p"
            picture_stream.disposition = av.stream.Disposition.attached_pic
            container.mux(picture_stream.encode(av.VideoFrame.from_ndarray(cover, format="rgb24")))
            container.mux(picture_stream.encode())
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 16000), dtype=np.float32), format="fltp", layout="mono")
        sound.sample_rate = 16000
        container.mux(stream.encode(sound))
        container.mux(stream.encode())


def open_files():
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture
def refused(tmp_path):
    """`refused(path) -> reason`: reading it raises a VideoDecodeError that names it, and leaves no file open."""

    def check(path, indices=(0,)):
        before = open_files() if os.path.isdir("/proc/self/fd") else None
        with pytest.raises(VideoDecodeError) as caught:
            read_frames(path, indices)
        assert caught.value.path == str(path) and str(caught.value) == f"{path}: {caught.value.reason}"
        assert before is None or open_files() == before
        return caught.value.reason

    return check


def test_a_missing_file_is_refused(refused, tmp_path):
    assert refused(tmp_path / "missing.mp4") == "no such file"


def test_a_folder_is_refused(refused, tmp_path):
    assert refused(tmp_path) == "is a folder, not a video"


def test_an_empty_file_is_refused(refused, tmp_path):
    (tmp_path / "empty.mp4").touch()
    assert refused(tmp_path / "empty.mp4") == "the file is empty"


def test_text_named_mp4_is_refused(refused, tmp_path):
    (tmp_path / "text.mp4").write_text("a video, honestly\n" * 100)
    assert "not a video" in refused(tmp_path / "text.mp4")


def test_sound_without_pictures_is_refused(refused, tmp_path):
    write_sound(tmp_path / "sound.mp4")
    assert refused(tmp_path / "sound.mp4") == "no video stream in it"


def test_the_cover_picture_of_a_sound_file_is_not_a_video(refused, tmp_path):
    write_sound(tmp_path / "sound.mp4", cover=picture(0, 48, 64))
    assert refused(tmp_path / "sound.mp4") == "no video stream in it"


@pytest.mark.parametrize("name", ["index_at_the_end.mp4", "index_first.mp4", "mpeg4.avi"])
def test_a_file_that_was_cut_short_is_refused_even_for_frames_that_it_has(name, write_video, refused):
    mux = {"movflags": "faststart"} if name == "index_first.mp4" else {}
    path = write_video(name, "mpeg4" if name.endswith("avi") else "libx264", **mux)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    assert refused(path)


def test_a_frame_that_does_not_decode_is_an_error_and_never_another_frame(write_video):
    path = write_video("video.mp4", num_frames=48, options=B_FRAMES)
    expected = read_frames(path, [0, 47])
    with av.open(str(path)) as container:  # wipe the last packet of the third group of pictures
        packet = [packet for packet in container.demux(video=0) if packet.size][30]
        position, size = packet.pos, packet.size
    data = bytearray(path.read_bytes())
    data[position : position + size] = bytes(size)
    path.write_bytes(data)
    with VideoReader(path) as reader:
        assert reader.num_frames == 48
        assert torch.equal(reader.read([0, 47]), expected)  # what surrounds it is still there
        with pytest.raises(VideoDecodeError):
            reader.read(range(24, 36))


def damaged(data, seed, length=20):
    random = np.random.default_rng(seed)
    start = int(random.integers(len(data) - length))
    return data[:start] + random.bytes(length) + data[start + length :]


def outcome(data, indices, healthy):
    """Whether reading gave "equal" frames, was "refused" or "unnoticed"; any other error fails the test."""
    try:
        with VideoReader(data) as reader:
            same = reader.num_frames > max(indices) and torch.equal(reader.read(indices), healthy)
    except VideoDecodeError:
        return "refused"
    return "equal" if same else "unnoticed"


@pytest.mark.parametrize("name", ["generated.mp4", "kinetics_arm_wrestling.mp4"])
def test_most_damages_are_refused_and_none_is_concealed(name, write_video, request):
    """Unnoticed are those that are valid code of another picture."""
    if name == "generated.mp4":
        path = write_video(name, height=176, width=240, options=B_FRAMES)
    else:
        path = request.getfixturevalue("clips") / name
    data, indices = path.read_bytes(), range(probe(path).num_frames)
    healthy = read_frames(data, indices)
    outcomes = [outcome(damaged(data, seed), indices, healthy) for seed in range(25)]
    assert outcomes.count("refused") >= 15
    assert outcomes.count("unnoticed") <= 4


def test_a_codec_that_nobody_knows_is_refused(write_video, refused):
    path = write_video("video.mp4")
    data = path.read_bytes()
    assert data.count(b"avc1") > 0
    path.write_bytes(data.replace(b"avc1", b"zzzz").replace(b"avcC", b"zzzz"))
    assert refused(path) == "of an unknown codec, or damaged"


PLAY_LISTS = {
    "concat.mp4": "ffconcat version 1.0\nfile other.mp4\n",
    "hls.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nother.mp4\n#EXT-X-ENDLIST\n",
}


@pytest.mark.parametrize("name", PLAY_LISTS)
def test_a_play_list_is_refused_and_what_it_names_is_not_read(name, write_video, refused, tmp_path):
    write_video("other.mp4")
    (tmp_path / name).write_text(PLAY_LISTS[name])
    assert "not a video in one of the formats" in refused(tmp_path / name)
    with (tmp_path / name).open("rb") as file, pytest.raises(VideoDecodeError, match="not a video in one of the form"):
        probe(file)


def test_files_are_the_only_address_that_ffmpeg_may_open(write_video, monkeypatch):
    path = write_video("video.mp4", num_frames=2)
    allowed, original = [], av.open

    def spy(source, *, options, **settings):
        allowed.append(options["protocol_whitelist"])
        return original(source, options=options, **settings)

    monkeypatch.setattr(av, "open", spy)
    probe(path)
    assert set(allowed) == {"file"}
    allowed.clear()
    probe(path.read_bytes())
    assert set(allowed) == {""}


@pytest.mark.parametrize("number", [-1, 40])
def test_a_frame_number_that_the_video_does_not_have_is_refused(number, write_video):
    with VideoReader(write_video("video.mp4")) as reader:
        with pytest.raises(ValueError, match=f"frame {number} asked for, it has frames 0 to 39"):
            reader.read([0, number])


def test_the_error_survives_the_way_out_of_a_worker_process():
    error = pickle.loads(pickle.dumps(VideoDecodeError("a.mp4", "the file is empty")))
    assert (error.path, error.reason, str(error)) == ("a.mp4", "the file is empty", "a.mp4: the file is empty")


def test_a_still_picture_is_no_video_unless_asked_for(write_video):
    path = write_video("still.mp4", num_frames=1)
    with pytest.raises(VideoDecodeError, match=r"still\.mp4: 1 frame, wanted a video of at least 2"):
        VideoReader(path)
    assert probe(path).num_frames == 1
    assert len(read_frames(path, [0])) == 1
