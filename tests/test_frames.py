# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Whatever frames lie in, they are read by number, exactly, and what is wrong is said."""

import io
import os
import zipfile
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
import torch
from PIL import Image

from videomae import frames as frames_module
from videomae.frames import decoder_threads, open_video
from videomae.video import VideoDecodeError, VideoReader


def noise(*shape, dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(dtype)


def saved(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def npy(array, allow_pickle=False) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=allow_pickle)
    return file.getvalue()


def npz(**arrays) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


@pytest.fixture
def write_folder(tmp_path):
    """`write_folder(clip (T, H, W[, C]), name="img_{:05}.png") -> folder`: a picture per frame, numbered from 1."""

    def write(clip, name="img_{:05}.png"):
        for number, pixels in enumerate(clip, start=1):
            saved(tmp_path / "folder" / name.format(number), pixels)
        return tmp_path / "folder"

    return write


def assert_reads(source, clip_channels_last, dtype=torch.uint8):
    """All frames, and some out of order with repeats, are those of the clip (T, H, W, C)."""
    expected = torch.from_numpy(np.ascontiguousarray(clip_channels_last)).permute(0, 3, 1, 2)
    with open_video(source) as video:
        assert (video.num_frames, video.info.height, video.info.width) == clip_channels_last.shape[:3]
        for indices in (range(len(expected)), [3, 0, 3, 1], []):
            found = video.read(indices)
            assert found.dtype == dtype
            assert torch.equal(found, expected[list(indices)].to(dtype))
            assert found.permute(0, 2, 3, 1).is_contiguous()


def refusal(source, **options) -> str:
    with pytest.raises(VideoDecodeError) as error, open_video(source, **options) as video:
        video.read(range(video.num_frames))
    return str(error.value)


# ---- one way to open them all ----


def test_a_video_file_is_read_from_a_path_its_bytes_a_file_object_and_rows_of_datasets(tiny_clip, frame_numbers):
    path = tiny_clip()
    data = path.read_bytes()
    rows = [{"path": str(path), "bytes": None}, {"path": "gone.mp4", "bytes": data}, {"path": None, "bytes": data}]
    with open(path, "rb") as file:
        for source in (path, str(path), data, file, *rows):
            with open_video(source) as video:
                assert isinstance(video, VideoReader)
                assert frame_numbers(video.read([7, 2, 11])) == [7, 2, 11]


def test_arrays_and_folders_are_read_from_the_same_kinds_of_source(tmp_path, write_folder):
    clip = noise(4, 10, 12, 3)
    for data, suffix in ((npy(clip), ".npy"), (npz(clip=clip), ".npz")):
        path = (tmp_path / "clip").with_suffix(suffix)
        path.write_bytes(data)
        named_file = io.BytesIO(data)
        named_file.name = f"clip{suffix.upper()}"
        for source in (path, str(path), data, named_file, {"path": f"clip{suffix}", "bytes": data}):
            assert_reads(source, clip)
    folder = write_folder(clip)
    assert_reads({"path": str(folder), "bytes": None}, clip)


@pytest.mark.parametrize("data", [b"no video", b"\x93NUMPY no array", b"PK\x03\x04 no archive"])
def test_an_error_names_the_path_of_bytes_that_came_with_one(data):
    assert refusal({"path": "shard/wrestling.bin", "bytes": data}).startswith("shard/wrestling.bin: ")
    assert refusal(data).startswith(f"<{len(data)} bytes>: ")
    assert refusal({"path": None, "bytes": data}).startswith(f"<{len(data)} bytes>: ")


def test_a_row_without_a_video_is_refused():
    assert 'neither "path" nor "bytes"' in refusal({"path": None, "bytes": None})


@pytest.mark.parametrize("name", ["gone.mp4", "gone.npy", "gone.npz", "gone"])
def test_a_missing_source_is_named(name, tmp_path):
    message = refusal(tmp_path / name)
    assert name in message
    assert "no such file" in message.lower()


def test_a_source_of_too_few_frames_is_refused_and_min_frames_says_how_few(write_folder):
    clip = noise(1, 10, 12, 3)
    for source in (write_folder(clip), npy(clip)):
        assert "1 frames, wanted a video of at least 2" in refusal(source)
        assert open_video(source, min_frames=1).num_frames == 1


@pytest.mark.parametrize("number", [-1, 4])
def test_a_frame_that_does_not_exist_is_a_value_error_with_the_range(number, write_folder):
    clip = noise(4, 10, 12, 3)
    for source in (write_folder(clip), npy(clip)):
        with open_video(source) as video, pytest.raises(ValueError, match=f"frame {number} asked for.*0 to 3"):
            video.read([0, number])


def test_neither_pictures_nor_arrays_have_a_frame_rate(write_folder):
    clip = noise(5, 10, 12, 3)
    for source, path, kind in ((write_folder(clip), "folder", "png"), (npy(clip), "bytes>", "array of uint8")):
        info = open_video(source).info
        assert info.path.endswith(path)
        assert (info.num_frames, info.height, info.width, info.codec) == (5, 10, 12, kind)
        assert (info.fps, info.duration, info.rotation) == (None, None, 0)


# ---- folders of pictures ----


@pytest.mark.parametrize("suffix", ["png", "bmp", "webp", "tif", "TIFF", "PNG"])
def test_pictures_of_every_lossless_kind_are_the_frames(suffix, tmp_path):
    clip = noise(4, 10, 12, 3)
    for number, pixels in enumerate(clip):
        saved(tmp_path / f"{number}.{suffix}", pixels, **({"lossless": True} if suffix == "webp" else {}))
    assert_reads(tmp_path, clip)


def test_jpeg_pictures_are_what_pillow_decodes(tmp_path):
    paths = [saved(tmp_path / f"{number}.jpg", pixels) for number, pixels in enumerate(noise(4, 10, 12, 3))]
    assert_reads(tmp_path, np.stack([np.asarray(Image.open(path)) for path in paths]))


@pytest.mark.parametrize("name", ["img_{:05}.png", "img_{}.png", "clip7_{}.png", "{}.png"])
def test_frames_come_in_the_order_of_their_numbers_padded_or_not(name, write_folder):
    clip = noise(12, 5, 6, 3)
    assert_reads(write_folder(clip, name), clip)


def test_mixed_padding_is_ordered_by_number_too(tmp_path):
    clip = noise(4, 5, 6, 3)
    for name, pixels in zip(["img_8.png", "img_09.png", "img_10.png", "img_0011.png"], clip, strict=True):
        saved(tmp_path / name, pixels)
    assert_reads(tmp_path, clip)


def test_two_names_of_one_number_are_refused(tmp_path):
    saved(tmp_path / "img_1.png", noise(5, 6))
    saved(tmp_path / "img_01.png", noise(5, 6))
    assert "img_01.png and img_1.png have the same number" in refusal(tmp_path)


@pytest.mark.parametrize("stranger", ["cover.png", "flow_x_00001.png", "img_00001.jpg", "img_00003 (copy).png"])
def test_a_second_series_in_the_folder_is_refused(stranger, write_folder):
    folder = write_folder(noise(4, 10, 12, 3))
    saved(folder / stranger, noise(10, 12, 3))
    message = refusal(folder)
    assert stranger in message
    assert "differ in numbers alone" in message


def test_other_files_hidden_files_and_folders_are_passed_over(write_folder):
    clip = noise(4, 10, 12, 3)
    folder = write_folder(clip)
    (folder / "labels.csv").write_text("a")
    (folder / "._img_00001.png").write_bytes(b"what macOS leaves on other file systems")
    saved(folder / "masks" / "img_00001.png", noise(3, 3))
    assert_reads(folder, clip)


def test_a_folder_without_pictures_is_refused(tmp_path):
    assert "without pictures (.bmp" in refusal(tmp_path)


def test_a_folder_that_can_not_be_listed_is_named(tmp_path, monkeypatch):
    def refuse(folder):
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(os, "listdir", refuse)  # root may list every folder
    assert refusal(tmp_path) == f"{tmp_path}: the folder can not be listed (Permission denied)"


def test_links_are_followed_and_one_to_nothing_is_named(write_folder, tmp_path):
    clip = noise(4, 10, 12, 3)
    folder = write_folder(clip)
    linked = tmp_path / "linked"
    linked.mkdir()
    for picture in folder.iterdir():
        (linked / picture.name).symlink_to(picture)
    assert_reads(linked, clip)
    (folder / "img_00003.png").unlink()
    assert "img_00003.png: no file, or a link to none" in refusal(linked)


PICTURES = {  # name: (pixels as Pillow takes them, how the frame looks)
    "grey": (noise(5, 6), lambda pixels: pixels[..., None]),
    "RGB": (noise(5, 6, 3), lambda pixels: pixels),
    "RGBA": (noise(5, 6, 4), lambda pixels: pixels),
    "black and white": (noise(5, 6) > 99, lambda pixels: pixels[..., None] * np.uint8(255)),
    "16 bits": (noise(5, 6, dtype=np.uint16) * 257, lambda pixels: pixels[..., None].astype(np.float32)),
}


@pytest.mark.parametrize("kind", PICTURES)
def test_a_picture_has_the_channels_and_the_units_of_its_kind(kind, write_folder):
    pixels, frame = PICTURES[kind]
    expected = frame(pixels)
    dtype = torch.float32 if expected.dtype == np.float32 else torch.uint8
    assert_reads(write_folder([pixels] * 4), np.stack([expected] * 4), dtype)


def test_floating_point_tif_keeps_its_units(write_folder):
    clip = noise(4, 5, 6, dtype=np.float32) * 1.5 - 100
    assert_reads(write_folder(clip, "{}.tif"), clip[..., None], torch.float32)


@pytest.mark.parametrize("transparency", [None, 3])
def test_palettes_are_looked_up(transparency, tmp_path):
    for number in range(4):
        picture = Image.fromarray(noise(5, 6, 3, seed=number)).convert("P")
        picture.save(tmp_path / f"{number}.png", **({} if transparency is None else {"transparency": transparency}))
    colours = "RGB" if transparency is None else "RGBA"
    pictures = [Image.open(tmp_path / f"{number}.png") for number in range(4)]
    assert {picture.mode for picture in pictures} == {"P"}
    assert_reads(tmp_path, np.stack([np.asarray(picture.convert(colours)) for picture in pictures]))


def test_grey_with_alpha_is_refused(write_folder):
    assert "is LA, wanted grey, RGB or RGBA" in refusal(write_folder(noise(4, 5, 6, 2)))


def test_colour_of_16_bits_is_refused_instead_of_losing_8_of_them(tmp_path):
    with av.open(str(tmp_path / "1.png"), "w", format="image2", options={"update": "1"}) as container:
        stream = container.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = 6, 5, "rgb48be"
        pixels = noise(5, 6, 3, dtype=np.uint16)
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb48le").reformat(format="rgb48be")
        container.mux([*stream.encode(frame), *stream.encode()])
    assert "RGB with 16 bits a channel" in refusal(tmp_path)


def test_photographs_are_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise for display
    clip = noise(4, 10, 12, 3)
    for number, pixels in enumerate(clip):
        saved(tmp_path / f"{number}.png", pixels, exif=exif)
    assert_reads(tmp_path, np.rot90(clip, k=-1, axes=(1, 2)))


@pytest.mark.parametrize("other", [noise(10, 13, 3), noise(10, 12), noise(10, 12, 4)])
def test_a_picture_of_another_size_or_type_than_the_first_is_named(other, write_folder):
    folder = write_folder(noise(4, 10, 12, 3))
    saved(folder / "img_00003.png", other)
    message = refusal(folder)
    assert message.startswith(str(folder / "img_00003.png"))
    assert str((*other.shape, 1)[:3]) in message
    assert "the first picture is (10, 12, 3) uint8" in message


def test_only_the_wanted_pictures_are_decoded(write_folder):
    clip = noise(9, 10, 12, 3)
    folder = write_folder(clip)
    for number in (2, 9):
        (folder / f"img_{number:05}.png").write_bytes(b"damaged")
    with open_video(folder) as video:
        assert torch.equal(video.read([0, 4]), torch.from_numpy(clip[[0, 4]]).permute(0, 3, 1, 2))
        with pytest.raises(VideoDecodeError, match="img_00002.png: cannot identify"):
            video.read([1])


@pytest.mark.parametrize("damage", ["cut", "empty", "first bytes", "other format"])
@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif", "bmp"])
def test_a_damaged_picture_is_named(suffix, damage, write_folder):
    folder = write_folder(noise(3, 40, 50, 3), f"{{}}.{suffix}")
    path = folder / f"2.{suffix}"
    data = path.read_bytes()
    gif = io.BytesIO()
    Image.fromarray(noise(40, 50, 3)).save(gif, "GIF")
    path.write_bytes(
        {
            "cut": data[: len(data) // 2],
            "empty": b"",
            "first bytes": b"nothing!" + data[8:],
            "other format": gif.getvalue(),
        }[damage]
    )
    assert refusal(folder).startswith(f"{path}: ")


def test_random_damage_is_read_or_named_and_never_crashes(write_folder):
    random = np.random.default_rng(0)
    for suffix in ("png", "jpg", "webp", "tif", "bmp"):
        folder = write_folder(noise(3, 40, 50, 3), f"{{}}.{suffix}")
        path = folder / f"2.{suffix}"
        healthy = np.frombuffer(path.read_bytes(), np.uint8)
        for _ in range(60):
            data = healthy.copy()
            data[random.integers(0, min(len(data), 300), 3)] ^= random.integers(1, 256, 3).astype(np.uint8)
            path.write_bytes(data.tobytes())
            with open_video(folder) as video:
                try:
                    assert video.read([0, 1, 2]).shape == (3, 3, 40, 50)
                except VideoDecodeError as error:
                    assert error.path == str(path)
        for each in folder.iterdir():
            each.unlink()


def test_a_decompression_bomb_is_refused_from_its_header(write_folder, monkeypatch):
    folder = write_folder(noise(3, 40, 50, 3))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1500)  # 2000 pixels are more, but not the double of it
    assert "exceeds limit of 1500 pixels" in refusal(folder)


@pytest.mark.parametrize("suffix", ["tif", "webp", "png"])
def test_several_pictures_in_one_file_are_refused(suffix, write_folder):
    folder = write_folder(noise(2, 10, 12, 3), f"{{}}.{suffix}")
    pages = [Image.fromarray(pixels) for pixels in noise(3, 10, 12, 3)]
    pages[0].save(folder / f"2.{suffix}", save_all=True, append_images=pages[1:])
    assert f"2.{suffix}: several pictures in one file" in refusal(folder)


# ---- arrays ----


@pytest.mark.parametrize("channels", [1, 3, 4, 13])
@pytest.mark.parametrize("layout", ["TCHW", "THWC"])
def test_either_order_of_axes_and_any_number_of_channels(layout, channels):
    clip = noise(5, 26, 30, channels)
    stored = clip if layout == "THWC" else np.moveaxis(clip, -1, 1)
    assert_reads(npy(stored), clip)
    assert_reads(npy(np.asfortranarray(stored)), clip)
    assert_reads(npz(frames=stored), clip)


def test_three_axes_are_one_channel():
    clip = noise(5, 10, 12)
    assert_reads(npy(clip), clip[..., None])


UNCLEAR = {
    "(T, C, H, W) or (T, H, W, C)": (5, 8, 9, 8),
    "too many channels for its pixels": (5, 13, 24, 30),
    "(C, T, H, W)": (3, 16, 40, 50),
    "(C, H, W)": (3, 40, 50),
    "(H, W, C)": (40, 50, 3),
    "(B, T, C, H, W)": (2, 5, 3, 40, 50),
    "(H, W)": (40, 50),
    "()": (),
    "empty": (0, 3, 40, 50),
}


@pytest.mark.parametrize("name", UNCLEAR)
def test_an_order_of_axes_that_is_not_clear_is_an_error(name):
    message = refusal(npy(np.zeros(UNCLEAR[name], np.uint8)))
    assert str(UNCLEAR[name]) in message


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int32", "float16", "float64", ">u2", ">f4"])
def test_other_numbers_become_float32_in_their_own_units(dtype):
    clip = (noise(5, 10, 12, 3) // 2 - 20 * (np.dtype(dtype).kind != "u")).astype(dtype)
    assert_reads(npy(clip), clip.astype(np.float32), torch.float32)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_values_that_are_not_finite_are_named_with_their_frame(value):
    clip = noise(5, 10, 12, 3, dtype=np.float64)
    clip[3, 4, 5, 0] = value
    assert "frame 3 has values that are not finite" in refusal(npy(clip))
    with open_video(npy(clip)) as video:
        assert video.read([2, 4]).isfinite().all()


@pytest.mark.parametrize("dtype", [bool, complex, "U3", "M8[s]", [("r", "u1"), ("g", "u1")]])
def test_other_types_are_refused(dtype):
    assert "wanted integers or floating point" in refusal(npy(np.zeros((5, 10, 12, 3), dtype)))


def test_an_array_of_an_unknown_format_is_refused():
    """Format 3.0 is for the names of columns that are not Latin-1: no clip has any."""
    file = io.BytesIO()
    np.lib.format.write_array(file, noise(5, 10, 12, 3), version=(3, 0))
    assert "an array of format (3, 0), wanted (1, 0) or (2, 0)" in refusal(file.getvalue())


def test_python_objects_are_never_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "sprung"),))

    trap = np.empty((5, 10, 12, 3), object)
    trap[...] = Trap()
    (tmp_path / "trap.npy").write_bytes(npy(trap, allow_pickle=True))
    for source in (npy(trap, allow_pickle=True), npz(video=trap), tmp_path / "trap.npy"):
        assert "object" in refusal(source)
    assert not (tmp_path / "sprung").exists()


def test_a_file_on_disk_is_mapped_and_only_wanted_frames_are_read(tmp_path, monkeypatch):
    clip = noise(6, 10, 12, 3)
    np.save(tmp_path / "columns_first.npy", np.asfortranarray(clip))
    assert_reads(tmp_path / "columns_first.npy", clip)
    np.save(tmp_path / "clip.npy", clip)
    assert_reads(tmp_path / "clip.npy", clip)
    monkeypatch.setattr(frames_module, "MOST_UNPACKED_BYTES", 0)
    assert_reads(tmp_path / "clip.npy", clip)
    assert "bytes, wanted at most 0" in refusal((tmp_path / "clip.npy").read_bytes())


def is_mapped(path) -> bool:
    return str(path) in Path("/proc/self/maps").read_text()


def test_closing_lets_go_of_the_file_and_frames_stay(tmp_path):
    clip = noise(6, 10, 12, 3)
    np.save(tmp_path / "clip.npy", clip)
    with open_video(tmp_path / "clip.npy") as video:
        frames = video.read([5])
        assert is_mapped(tmp_path / "clip.npy")
    assert not is_mapped(tmp_path / "clip.npy")
    np.testing.assert_array_equal(frames[0].permute(1, 2, 0), clip[5])


def test_an_archive_of_one_array_needs_no_name_and_of_several_one_that_is_video_or_frames():
    clip, other = noise(5, 10, 12, 3), noise(5)
    assert_reads(npz(anything=clip), clip)
    assert_reads(npz(labels=other, video=clip), clip)
    assert_reads(npz(frames=clip, labels=other), clip)
    for arrays in ({"a": clip, "b": other}, {"video": clip, "frames": clip}, {}):
        message = refusal(npz(**arrays))
        assert f"arrays in it: {', '.join(arrays) or 'none'}; wanted one" in message


@pytest.mark.parametrize("kind", [npy, lambda clip: npz(video=clip)])
def test_a_file_that_ends_early_or_late_is_refused(kind, tmp_path):
    data = kind(noise(5, 10, 12, 3))
    suffix = "npy" if data.startswith(b"\x93") else "npz"
    for cut in (3, 60, 128, len(data) // 2, len(data) - 1):
        (tmp_path / f"{cut}.{suffix}").write_bytes(data[:cut])
        for source in (tmp_path / f"{cut}.{suffix}", {"path": f"clip.{suffix}", "bytes": data[:cut]}):
            assert refusal(source)
    if suffix == "npy":
        assert "more than 1800 bytes of data" in refusal(data + b"!")


def forged(shape, data=b"") -> bytes:
    """An .npz whose header claims `shape`, of the bytes `data`."""
    header = npy(np.zeros((1, 1, 1), np.uint8))[:-1].replace(b"(1, 1, 1)", str(shape).encode())
    header = header[:8] + len(header[10:]).to_bytes(2, "little") + header[10:]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("video.npy", header + data)
    return file.getvalue()


def test_a_header_that_claims_more_than_the_limit_is_refused_before_anything_is_unpacked(monkeypatch):
    monkeypatch.setattr(frames_module, "MOST_UNPACKED_BYTES", 1000)
    message = refusal(forged((5, 3, 10, 12), bytes(1800)))
    assert "an array of 1800 bytes, wanted at most 1000" in message
    assert "wanted at most" in refusal(forged((10**15, 3, 10, 12)))


def test_what_unpacks_to_more_or_less_than_its_header_says_is_refused():
    assert_reads(forged((5, 3, 10, 12), bytes(1800)), np.zeros((5, 10, 12, 3), np.uint8))
    assert "more than 1800 bytes of data" in refusal(forged((5, 3, 10, 12), bytes(10**6)))
    assert "only 1700 bytes of data, its header says 1800" in refusal(forged((5, 3, 10, 12), bytes(1700)))
    assert "no empty axis" in refusal(forged((5, 3, -10, 12), bytes(1800)))


def test_random_damage_to_an_array_is_read_or_named_and_never_crashes(tmp_path):
    random = np.random.default_rng(0)
    for suffix, healthy in (("npy", npy(noise(5, 10, 12, 3))), ("npz", npz(video=noise(5, 10, 12, 3)))):
        path = tmp_path / f"clip.{suffix}"
        for _ in range(150):
            data = np.frombuffer(healthy, np.uint8).copy()
            data[random.integers(0, 200, 2)] ^= random.integers(1, 256, 2).astype(np.uint8)
            path.write_bytes(data.tobytes())
            try:
                with open_video(path) as video:
                    video.read(range(video.num_frames))
            except VideoDecodeError as error:
                assert error.path == str(path)


# ---- threads ----


@pytest.fixture
def machine(monkeypatch):
    """`machine(cores, processes, workers)`: this process sees so many."""

    def pretend(cores, processes=None, workers=None):
        monkeypatch.setattr(frames_module, "available_cores", lambda: cores)
        monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
        if processes:
            monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))
        info = SimpleNamespace(num_workers=workers) if workers else None
        monkeypatch.setattr(torch.utils.data, "get_worker_info", lambda: info)

    return pretend


@pytest.mark.parametrize(
    ("cores", "processes", "workers", "threads"),
    [(1, None, None, 1), (2, None, None, 2), (64, None, None, 2), (8, 2, None, 2), (8, 2, 2, 2), (8, 2, 3, 1)]
    + [(8, None, 4, 2), (8, None, 5, 1), (2, 8, 8, 1)],
)
def test_cores_are_shared_among_processes_and_workers(cores, processes, workers, threads, machine):
    machine(cores, processes, workers)
    assert decoder_threads() == threads


class _Threads(torch.utils.data.Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return decoder_threads()


def test_a_worker_that_has_all_cores_for_itself_uses_them_and_two_share(monkeypatch):
    monkeypatch.setattr(frames_module, "available_cores", lambda: 2)
    for num_workers, threads in ((1, 2), (2, 1)):
        loader = torch.utils.data.DataLoader(_Threads(), num_workers=num_workers)
        assert torch.cat(list(loader)).tolist() == [threads] * 4


def test_open_video_decodes_with_that_many_threads_unless_told(tiny_clip, machine, monkeypatch):
    used = []
    monkeypatch.setattr(frames_module, "VideoReader", lambda source, num_threads, min_frames: used.append(num_threads))
    machine(cores=8)
    open_video(tiny_clip())
    open_video(tiny_clip(), num_threads=3)
    assert used == [2, 3]


def test_ffmpeg_prints_nothing_about_a_damaged_file(tiny_clip, run_python):
    """PyAV drops FFmpeg's messages unless `av.logging.set_level` is called; its callback takes Python's lock."""
    path = tiny_clip(num_frames=40)
    data = bytearray(path.read_bytes())
    data[len(data) // 3 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 3)
    path.write_bytes(data)
    code = (
        "import av, sys; from videomae.frames import open_video\n"
        "try:\n    open_video(sys.argv[1], num_threads=2).read(range(40))\n"
        "except ValueError: print('refused', av.logging.get_level())"
    )
    result = run_python(code, path)
    assert (result.stdout, result.stderr) == ("refused None\n", "")
