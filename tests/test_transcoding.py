# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Frame i of a copy is frame i of its original: in number, time, place and colour."""

import os
from fractions import Fraction

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace
from PIL import Image

from videomae.transcoding import Copy, Encoding, Refusal, Task, copy_size, psnr, transcode
from videomae.video import VideoReader, read_frames

BT2020 = 9  # FFmpeg's AVCOL_SPC_BT2020_NCL, for which PyAV 17 has no name
NEAR_LOSSLESS = Encoding(crf=4)


def picture(number, height, width):
    """Four fields of strong colours, and the frame's number in the blue of all of them."""
    rows, columns = np.mgrid[:height, :width]
    red, green = np.where(columns < width // 2, 220, 40), np.where(rows < height // 2, 30, 180)
    return np.stack([red, green, 0 * rows + 10 * number], axis=-1).astype(np.uint8)


@pytest.fixture
def write_video(tmp_path):
    """`times`: time stamps in ms."""

    def write(name, codec="libx264", *, num_frames=12, height=48, width=64, pix_fmt="yuv420p", times=None, **colours):
        path = tmp_path / name
        options = {"crf": "1"} if codec in ("libx264", "libsvtav1") else {}
        if codec == "libx265":
            options = {"x265-params": "crf=1:log-level=none"}
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=25, options=options)
            stream.height, stream.width, stream.pix_fmt = height, width, pix_fmt
            if "colorspace" in colours:
                stream.codec_context.colorspace = colours["colorspace"]
                stream.codec_context.color_range = colours["color_range"]
            if times:
                stream.codec_context.time_base = stream.time_base = Fraction(1, 1000)
            for number in range(num_frames):
                frame = av.VideoFrame.from_ndarray(picture(number, height, width), format="rgb24").reformat(
                    format=pix_fmt,
                    dst_colorspace=colours.get("colorspace", Colorspace.ITU601),
                    dst_color_range=colours.get("color_range", ColorRange.MPEG),
                )
                if times:
                    frame.pts, frame.time_base = times[number], Fraction(1, 1000)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path

    return write


def copy(path, encoding=NEAR_LOSSLESS):
    place = path.with_name("copy.mp4")
    return place, transcode(Task(str(path), str(place), encoding))


def frames(path):
    with VideoReader(path) as reader:
        return reader.read(range(reader.num_frames)).permute(0, 2, 3, 1).numpy()


def times(path):
    with av.open(str(path)) as container:
        return [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]


# ---- what a copy is ----


def test_every_frame_of_a_copy_is_a_key_frame_and_the_index_is_in_front(write_video):
    place, result = copy(write_video("video.mp4", num_frames=13))
    assert result == Copy(frames=13, width=64, height=48, bytes=place.stat().st_size, psnr=result.psnr)
    with av.open(str(place)) as container:
        assert [stream.type for stream in container.streams] == ["video"]
        context = container.streams.video[0].codec_context
        assert (context.codec.canonical_name, context.pix_fmt, context.has_b_frames) == ("h264", "yuv420p", False)
        assert all(packet.is_keyframe for packet in container.demux(video=0) if packet.size)
    data = place.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize(
    ("size", "short_side", "expected"),
    [
        ((1080, 1920), 256, (256, 456)),
        ((1920, 1080), 256, (456, 256)),
        ((256, 340), 256, (256, 340)),
        ((240, 320), 256, (240, 320)),  # never larger
        ((45, 63), 256, (44, 62)),
        ((257, 301), 256, (256, 300)),
        ((1, 9), 256, (2, 8)),
        ((720, 1280), 320, (320, 568)),
    ],
)
def test_copies_have_the_short_side_even_sizes_and_the_same_aspect(size, short_side, expected):
    assert copy_size(*size, short_side) == expected


def test_a_copy_is_resized_from_the_whole_picture(write_video):
    path = write_video("video.mp4", height=120, width=160)
    place, result = copy(path, Encoding(short_side=60, crf=4))
    assert (result.width, result.height) == (80, 60)
    halved = frames(path).astype(float).reshape(12, 60, 2, 80, 2, 3).mean((2, 4))
    inner = np.s_[:, 5:25, 5:35]  # of one field: its edges are blurred by the filter
    assert np.abs(frames(place)[inner] - halved[inner]).max() < 4


COLOURS = {
    "bt601": {"colorspace": Colorspace.ITU601, "color_range": ColorRange.MPEG},
    "bt709": {"colorspace": Colorspace.ITU709, "color_range": ColorRange.MPEG},
    "bt709 full range": {"colorspace": Colorspace.ITU709, "color_range": ColorRange.JPEG},
    "bt601 full range": {"colorspace": Colorspace.ITU601, "color_range": ColorRange.JPEG},
    "bt709 yuvj": {"colorspace": Colorspace.ITU709, "color_range": ColorRange.JPEG, "pix_fmt": "yuvj420p"},
    "bt2020 10 bit": {"colorspace": BT2020, "color_range": ColorRange.MPEG, "pix_fmt": "yuv420p10le"},
    "bt709 4:4:4": {"colorspace": Colorspace.ITU709, "color_range": ColorRange.MPEG, "pix_fmt": "yuv444p"},
    "not said": {},
}


@pytest.mark.parametrize("colours", COLOURS)
def test_the_colours_of_a_copy_read_as_those_of_the_original(colours, write_video):
    path = write_video("video.mp4", **COLOURS[colours])
    place, result = copy(path)
    for inner in (np.s_[:, 4:20, 4:28], np.s_[:, 28:44, 36:60]):  # of two fields
        difference = frames(place)[inner].astype(int) - frames(path)[inner]
        assert np.abs(difference).max() <= 4 and np.abs(difference.mean((0, 1, 2))).max() < 2.5


SOURCES = {
    "video.mkv": {"codec": "libx265"},
    "ten_bits.mkv": {"codec": "libx265", "pix_fmt": "yuv420p10le"},
    "video.webm": {"codec": "libvpx-vp9"},
    "video8.webm": {"codec": "libvpx"},
    "video.avi": {"codec": "mpeg4"},
    "motion_jpeg.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "animation.gif": {"codec": "gif", "pix_fmt": "rgb8"},
    "odd.mkv": {"codec": "ffv1", "height": 45, "width": 63, "pix_fmt": "bgr0"},
    "alpha.mkv": {"codec": "ffv1", "pix_fmt": "bgra"},
    "grey.mkv": {"codec": "ffv1", "pix_fmt": "gray"},
    "tiny.mkv": {"codec": "ffv1", "height": 3, "width": 5, "pix_fmt": "bgr0"},
    "fast.mp4": {"times": [4 * number for number in range(12)]},  # 250 frames a second
    "raw.h264": {},
}


@pytest.mark.parametrize("name", SOURCES)
def test_all_kinds_of_videos_have_a_copy_with_as_many_frames(name, write_video):
    path = write_video(name, **SOURCES[name])
    place, result = copy(path)
    original = frames(path)
    assert isinstance(result, Copy) and result.frames == len(original) == 12
    if name not in ("tiny.mkv", "animation.gif"):  # a few pixels have no inner field; a GIF's are a pattern
        inner = np.s_[:, 6:18, 6:26]
        assert np.abs(frames(place)[inner].astype(int) - original[inner]).max() <= 8


def test_real_clips_have_copies(clips, tmp_path):
    for name in ("av1_640x360.mkv", "h264_10bit_200x200.mp4", "mpeg4_320x240.avi", "short_32frames.mp4"):
        result = transcode(Task(str(clips / name), str(tmp_path / "copy.mp4"), Encoding()))
        with VideoReader(clips / name) as reader:
            assert result.frames == reader.num_frames and result.psnr > 33


@pytest.mark.parametrize("name", ["video.mp4", "video.mkv"])
def test_frames_keep_their_distances_in_time_and_begin_at_zero(name, write_video):
    stamps = [700 + 7 * number**2 for number in range(12)]
    place, _ = copy(write_video(name, times=stamps))
    assert times(place) == pytest.approx([(stamp - 700) / 1000 for stamp in stamps], abs=1e-6)


def test_a_rotated_video_has_an_upright_copy(write_video):
    path = write_video("video.mp4", height=48, width=64)
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40  # after version, flags, times, track, duration, layer, volume
    quarter = [0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30]
    data[matrix : matrix + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in quarter)
    path.write_bytes(data)
    place, result = copy(path)
    with VideoReader(path) as original, VideoReader(place) as copied:
        assert original.info.rotation == 270 and copied.info.rotation == 0
        assert (copied.info.height, copied.info.width) == (64, 48)
        inner = np.s_[:, :, 4:28, 4:20]
        pair = (reader.read([0, 5])[inner].numpy().astype(int) for reader in (original, copied))
        assert np.abs(next(pair) - next(pair)).max() <= 4


@pytest.fixture
def write_folder(write_video, tmp_path):
    """`write_folder(mode="RGB") -> folder`: 12 pictures of that mode."""

    def write(mode="RGB"):
        folder = tmp_path / "frames.v2"
        folder.mkdir()
        for number in range(12):
            pixels = Image.fromarray(picture(number, 48, 64))
            (pixels if mode == "RGB" else pixels.convert("L").convert(mode)).save(folder / f"img_{number}.png")
        return folder

    return write


def test_a_folder_of_frames_becomes_a_video_with_its_frames_in_order(write_folder, tmp_path):
    place = tmp_path / "copy.mp4"
    result = transcode(Task(str(write_folder()), str(place), Encoding(crf=4, folder_fps=29.97)))
    assert (result.frames, result.width, result.height) == (12, 64, 48)
    assert times(place) == pytest.approx([number * 1001 / 30000 for number in range(12)], abs=1e-4)
    inner = np.s_[:, 4:20, 4:28]
    expected = np.stack([picture(number, 48, 64) for number in range(12)])
    assert np.abs(frames(place)[inner].astype(int) - expected[inner]).max() <= 8


# ---- what is refused ----


@pytest.mark.parametrize(("mode", "kind"), [("L", "1 x uint8"), ("RGBA", "4 x uint8"), ("I;16", "1 x float32")])
def test_pictures_that_no_video_holds_are_refused(mode, kind, write_folder):
    assert copy(write_folder(mode))[1] == Refusal(
        f"pictures of {kind} a pixel: only those of RGB, 3 x uint8, are prepared"
    )


def test_a_damaged_picture_is_named(write_folder):
    folder = write_folder()
    (folder / "img_7.png").write_bytes(b"no picture")
    assert copy(folder)[1].reason.startswith("img_7.png: cannot identify")


def test_arrays_are_refused(tmp_path):
    np.save(tmp_path / "clip.npy", np.zeros((4, 48, 64, 3), np.uint8))
    assert copy(tmp_path / "clip.npy")[1] == Refusal("an array: only videos and folders of RGB pictures are prepared")


def test_a_damaged_video_has_no_copy_and_a_reason(write_video):
    path = write_video("video.mp4")
    path.write_bytes(path.read_bytes()[:1500])
    assert "damaged" in copy(path)[1].reason
    assert copy(path.with_name("gone.mp4"))[1] == Refusal("no such file")


def test_a_copy_below_the_floor_is_refused(write_video):
    path = write_video("video.mp4", height=120, width=160)
    _, result = copy(path, Encoding(crf=51, min_psnr=45))
    assert "dB, wanted min_psnr = 45: choose a lower crf or min_psnr" in result.reason


def test_a_copy_with_another_number_of_frames_is_refused(write_video, monkeypatch):
    real, calls = VideoReader._frames_from_beginning, []

    def lose_the_last(self):
        calls.append(self.path)
        found = list(real(self))
        return iter(found if len(calls) == 1 else found[:-1])

    path = write_video("video.mp4")
    with VideoReader(path) as reader:
        assert reader.num_frames == 12
    monkeypatch.setattr(VideoReader, "_frames_from_beginning", lose_the_last)
    assert copy(path)[1] == Refusal("12 frames went into the copy, it lists 12 and 11 decode")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_full_disk_is_not_the_videos_fault(write_video):
    with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
        transcode(Task(str(write_video("video.mp4")), "/dev/full", Encoding()))


def test_a_destination_that_is_not_there_is_not_the_videos_fault(write_video, tmp_path):
    with pytest.raises(OSError, match="No such file or directory: .*nowhere"):
        transcode(Task(str(write_video("video.mp4")), str(tmp_path / "nowhere" / "copy.mp4"), Encoding()))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"short_side": 255}, "short_side must be even and at least 16, got 255"),
        ({"short_side": 8}, "got 8"),
        ({"folder_fps": 0}, "folder_fps must be more than 0 and at most 1000, got 0"),
        ({"crf": 52, "short_side": 3}, "short_side .*; crf must be in 0 .. 51, got 52"),
    ],
)
def test_encodings_that_can_not_be_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Encoding(**settings)


def test_psnr_is_the_textbooks():
    a = np.full((4, 5, 3), 100, np.uint8)
    assert psnr(a, a + 1) == pytest.approx(48.1308, abs=1e-3)  # 20 log10(255)
    assert psnr(a, a) == 100
    assert psnr(a, a + 200 - 100) == pytest.approx(20 * np.log10(255 / 100))


def test_reading_a_copy_decodes_only_the_wanted_frames(write_video):
    place, _ = copy(write_video("video.mp4"))
    with VideoReader(place) as reader:
        assert reader._index.intra_only
        assert np.array_equal(reader.read([7]).numpy(), read_frames(place, range(12))[7:8].numpy())
