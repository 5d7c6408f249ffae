# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""A scan tells what every video is, whatever it is, and which ones training has to leave out."""

import hashlib
import json
import os
import random
import resource
import shutil
import signal
import struct
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from videomae import cli
from videomae.children import map_in_children
from videomae.listing import load_videos
from videomae.scanning import (
    COLUMNS,
    ScannedVideo,
    fingerprint,
    read_scan,
    scan_video,
    scan_videos,
    summary,
    summary_text,
)
from videomae.video import VideoDecodeError, VideoReader


@pytest.fixture
def videos(tiny_clip, tmp_path):
    """Two classes of good videos."""
    tiny_clip("data/clap/a.mp4", num_frames=6)
    tiny_clip("data/clap/b.mkv", num_frames=9, fps=10)
    tiny_clip("data/wave/ä b,\n-c.mp4", num_frames=12, height=32, width=48)
    return tmp_path / "data"


def cut(path, size):
    path.write_bytes(path.read_bytes()[:size])


def scan(source, *options, capsys=None):
    code = cli.main(["scan", str(source), "--num_workers", "2", *map(str, options)])
    return (code, *capsys.readouterr()) if capsys else code


def rows(file):
    return {os.path.basename(row.path): row for row in read_scan(file)}


# ---- one video ----


def test_a_good_video_is_described(tiny_clip):
    path = tiny_clip("clip.mp4", num_frames=12, fps=25, height=48, width=64)
    found = scan_video(str(path))
    assert found == ScannedVideo(
        path=str(path),
        frames=12,
        header_frames=12,
        fps=25.0,
        width=64,
        height=48,
        codec="h264",
        duration=12 / 25,
        rotation=0,
        bytes=path.stat().st_size,
        modified=path.stat().st_mtime_ns,
        ok=True,
    )


def test_a_header_that_promises_another_number_of_frames_is_reported(tiny_clip):
    path = tiny_clip("clip.avi", codec="mpeg4", num_frames=12)
    data = bytearray(path.read_bytes())
    length = data.index(b"strh") + 8 + 32  # of the stream, in frames (AVISTREAMHEADER.dwLength)
    assert struct.unpack_from("<I", data, length) == (12,)
    struct.pack_into("<I", data, length, 99)
    path.write_bytes(data)
    found = scan_video(str(path))
    assert (found.ok, found.frames, found.header_frames) == (True, 12, 99)
    assert found.reason == "the header promises 99 frames"


def test_damage_in_the_middle_is_found_although_the_ends_are_fine(tiny_clip):
    path = tiny_clip("clip.mp4", num_frames=40, options={"g": "1", "x264-params": "bframes=0"})
    with av.open(str(path)) as container:
        middle = [packet for packet in container.demux(video=0) if packet.size][20]
        position, size = middle.pos, middle.size
    data = bytearray(path.read_bytes())
    data[position : position + size] = bytes(size)
    path.write_bytes(data)
    with VideoReader(path) as reader:
        reader.read([0, 39])
    found = scan_video(str(path))
    assert not found.ok and "damaged" in found.reason and found.frames is None


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.write_bytes(b""), "the file is empty"),
        (lambda path: path.write_text("no video at all"), "not a video"),
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "a folder without pictures"),
    ],
)
def test_what_is_no_video_is_told(make, reason, tmp_path):
    path = tmp_path / "clip.mp4"
    make(path)
    found = scan_video(str(path))
    assert not found.ok and reason in found.reason.lower()


def test_a_still_picture_is_no_video(tiny_clip):
    assert "1 frame, wanted a video of at least 2" in scan_video(str(tiny_clip(num_frames=1))).reason


def test_a_size_that_changes_on_the_way_is_an_error(tmp_path):
    path = tmp_path / "clip.mjpeg.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for number in range(3):
            side = (64, 48) if number < 2 else (32, 48)
            other = av.CodecContext.create("mjpeg", "w")
            other.width, other.height, other.pix_fmt, other.time_base = *side, "yuvj420p", Fraction(1, 10)
            frame = av.VideoFrame.from_ndarray(np.zeros((side[1], side[0], 3), np.uint8), format="rgb24")
            (packet,) = [*other.encode(frame.reformat(format="yuvj420p")), *other.encode(None)]
            packet.stream, packet.pts, packet.dts = stream, number, number
            container.mux(packet)
    assert "frame 2 is (48, 32) (height, width), the first was (48, 64)" in scan_video(str(path)).reason


def test_frames_that_a_decoder_drops_without_a_word_are_missed(tiny_clip, monkeypatch):
    real = VideoReader._frames_from_beginning
    monkeypatch.setattr(VideoReader, "_frames_from_beginning", lambda self: iter(list(real(self))[:-1]))
    assert scan_video(str(tiny_clip(num_frames=12))).reason == "damaged: 12 frames are listed, 11 decode"


def test_folders_of_frames_and_arrays_are_scanned_too(tmp_path):
    from PIL import Image

    (tmp_path / "frames").mkdir()
    for number in range(3):
        Image.new("RGB", (20, 14), (number, 0, 0)).save(tmp_path / "frames" / f"{number}.png")
    found = scan_video(str(tmp_path / "frames"))
    assert (found.ok, found.frames, found.width, found.height) == (True, 3, 20, 14)
    assert found.bytes == sum(file.stat().st_size for file in (tmp_path / "frames").iterdir())
    (tmp_path / "frames" / "1.png").write_bytes(b"no picture")
    assert not scan_video(str(tmp_path / "frames")).ok


# ---- all of them ----


def test_scan_writes_a_csv_that_moves_with_the_videos(videos, tmp_path, capsys):
    cut(videos / "clap" / "b.mkv", 300)
    code, out, _ = scan(videos, capsys=capsys)
    assert code == 1  # the answer is no
    assert "3 videos: 2 ok, 1 bad" in out and "clap/b.mkv" in out
    assert (videos / "scan.csv").read_text().splitlines()[0] == ",".join(COLUMNS)
    moved = videos.rename(tmp_path / "elsewhere")
    found = rows(moved / "scan.csv")
    assert {name: (row.ok, row.frames) for name, row in found.items()} == {
        "a.mp4": (True, 6),
        "b.mkv": (False, None),
        "ä b,\n-c.mp4": (True, 12),
    }
    assert all(os.path.exists(row.path) for row in found.values())


def test_training_leaves_out_what_the_scan_found_bad(videos):
    cut(videos / "clap" / "b.mkv", 300)
    (videos / "wave" / "ä b,\n-c.mp4").rename(videos / "wave" / "c.mp4")
    scan(videos)
    kept = load_videos(videos, "train", exclude=videos / "scan.csv")
    assert [os.path.basename(path) for path in kept["video"]] == ["a.mp4", "c.mp4"]


def test_good_videos_give_exit_code_0_and_totals_for_programs(videos, capsys):
    code, out, _ = scan(videos, "--json", capsys=capsys)
    totals = json.loads(out)
    assert code == 0 and totals == json.loads((videos / "scan.json").read_text())
    assert totals["videos"] == totals["ok"] == 3 and totals["bad"] == {} and totals["header_disagrees"] == 0
    assert totals["sizes"] == {"64x48": 2, "48x32": 1} and totals["codecs"] == {"h264": 3}
    assert totals["hours"] == pytest.approx((6 / 25 + 9 / 10 + 12 / 25) / 3600, rel=0.01)
    assert totals["bytes"] == sum(file.stat().st_size for file in videos.rglob("*.m*"))


def test_a_missing_file_of_a_list_is_a_bad_video_and_nothing_stops(videos, tmp_path):
    (tmp_path / "list.csv").write_text("data/clap/a.mp4,0\ndata/gone.mp4,1\n../../etc/none.mp4,1\ndata/clap/a.mp4,1\n")
    assert scan(tmp_path / "list.csv") == 1
    found = rows(tmp_path / "list.scan.csv")
    assert set(found) == {"a.mp4", "gone.mp4", "none.mp4"}
    assert found["gone.mp4"].reason == "no such file" and found["a.mp4"].ok


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "no such folder or list"),
        ([".", "--num_workers", "0"], "--num_workers is 0, wanted at least 1"),
        ([".", "--num_workers", "-1"], "--num_workers is -1, wanted at least 1"),
        ([".", "--output", "data/clap/a.mp4"], "there, and not the csv of a scan"),
        ([".", "--output", "data/clap/a.mp4/scan.csv"], "a.mp4"),
    ],
)
def test_what_can_not_be_scanned_is_exit_code_2(arguments, message, videos, monkeypatch, capsys):
    monkeypatch.chdir(videos.parent)
    assert cli.main(["scan", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (videos.parent / "scan.csv").exists()


def test_pyav_decodes_whatever_training_decodes_with(tiny_clip, monkeypatch):
    path = str(tiny_clip("clip.avi", codec="mpeg4"))
    expected = scan_video(path)
    monkeypatch.setenv("VIDEOMAE_DECODER", "torchcodec")
    monkeypatch.setattr("videomae.frames.TorchcodecReader", lambda *source, **settings: pytest.fail("torchcodec"))
    assert scan_video(path) == expected


def test_a_second_scan_looks_only_at_what_is_new_or_changed(videos, tiny_clip, monkeypatch):
    cut(videos / "clap" / "b.mkv", 300)
    list(scan_videos(map(str, videos.rglob("*.m*")), videos / "scan.csv", num_workers=1, time_limit=60))
    tiny_clip("data/wave/new.mp4", num_frames=5)
    tiny_clip("data/clap/a.mp4", num_frames=7)
    worked_on = record_work(monkeypatch)
    paths = [str(path) for path in videos.rglob("*.m*")]
    found = list(scan_videos(paths, videos / "scan.csv", num_workers=1, time_limit=60))
    assert sorted(map(os.path.basename, worked_on)) == ["a.mp4", "new.mp4"]
    assert len(found) == 4 and rows(videos / "scan.csv")["a.mp4"].frames == 7
    for again, count in (("bad", 1), ("all", 4)):
        worked_on.clear()
        list(scan_videos(paths, videos / "scan.csv", num_workers=1, time_limit=60, again=again))
        assert len(worked_on) == count
    with pytest.raises(ValueError, match="again must be None, 'bad' or 'all', got 'some'"):
        list(scan_videos(paths, videos / "scan.csv", num_workers=1, time_limit=60, again="some"))


def record_work(monkeypatch):
    """The paths that go to child processes from now on."""
    worked_on = []

    def record(function, items, **settings):
        items = list(items)
        worked_on.extend(items)
        return map_in_children(function, items, **settings)

    monkeypatch.setattr("videomae.scanning.map_in_children", record)
    return worked_on


def test_an_interrupted_scan_keeps_what_it_found(videos):
    paths = sorted(map(str, videos.rglob("*.m*")))
    running = scan_videos(paths, videos / "scan.csv", num_workers=1, time_limit=60)
    first = next(running)
    running.close()
    assert [row.path for row in read_scan(videos / "scan.csv")] == [first.path]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="process groups")
def test_ctrl_c_keeps_what_was_found_and_leaves_no_process(clips, videos, tmp_path):
    for number in range(300):
        (videos / f"{number:03d}.mp4").symlink_to(clips / "fullhd_1920x1080.mp4")
    command = [sys.executable, "-m", "videomae.cli", "scan", str(videos), "--num_workers", "2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    try:
        seen = b""
        while b"2/303" not in seen and b"3/303" not in seen:
            seen += os.read(process.stderr.fileno(), 1000)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=30)  # until nobody holds stderr any more: no child is left
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130 and errors.rstrip().endswith(b"interrupted") and b"Traceback" not in errors
    assert 2 <= len(read_scan(videos / "scan.csv")) < 300


def test_a_video_that_no_longer_belongs_to_the_source_leaves_the_csv(videos):
    scan(videos)
    (videos / "clap" / "a.mp4").unlink()
    scan(videos)
    assert set(rows(videos / "scan.csv")) == {"b.mkv", "ä b,\n-c.mp4"}


def test_a_video_that_takes_too_long_is_bad(clips, tmp_path):
    (found,) = scan_videos(
        [str(clips / "fullhd_1920x1080.mp4")], tmp_path / "scan.csv", num_workers=1, time_limit=0.01
    )
    assert found.reason == "not done after 0.01 s (the time limit)" and found.bytes > 0
    assert rows(tmp_path / "scan.csv")["fullhd_1920x1080.mp4"] == found


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX alone")
def test_a_name_that_is_no_utf_8_is_kept_byte_for_byte(videos, tmp_path):
    odd = os.fsdecode(os.fsencode(str(videos)) + b"/caf\xe9.mp4")
    shutil.copy(videos / "clap" / "a.mp4", odd)
    list(scan_videos([odd], tmp_path / "scan.csv", num_workers=1, time_limit=60))
    (found,) = read_scan(tmp_path / "scan.csv")
    assert found.path == odd and found.ok
    cut(Path(odd), 300)
    assert scan(videos) == 1  # and it is printed


def test_the_csv_gives_back_what_was_found(videos):
    paths = list(map(str, videos.rglob("*.m*")))
    found = scan_videos(paths, videos / "scan.csv", num_workers=1, time_limit=60)
    assert sorted(found, key=lambda row: row.path) == read_scan(videos / "scan.csv")


@pytest.mark.parametrize("text", ["", "path,label\na.mp4,1\n"])
def test_another_csv_is_not_read_as_a_scan_and_stays(text, videos, tmp_path):
    (tmp_path / "mine.csv").write_text(text)
    with pytest.raises(ValueError, match=r"mine\.csv: there, and not the csv of a scan"):
        read_scan(tmp_path / "mine.csv")
    with pytest.raises(ValueError, match="not the csv of a scan"):
        list(scan_videos([str(videos / "clap" / "a.mp4")], tmp_path / "mine.csv", num_workers=1, time_limit=60))
    assert (tmp_path / "mine.csv").read_text() == text


# ---- totals ----


def test_the_fingerprint_is_the_one_its_text_defines(tmp_path):
    found = [
        ScannedVideo(str(tmp_path / "b" / "y.mp4"), frames=7, bytes=300, ok=True),
        ScannedVideo(str(tmp_path / "a.mp4"), reason="no such file"),
    ]
    expected = hashlib.sha256(b"a.mp4\x000\x000\nb/y.mp4\x00300\x007\n").hexdigest()
    assert fingerprint(found, tmp_path) == fingerprint(found[::-1], tmp_path) == expected


def test_totals_group_reasons_that_differ_in_numbers_and_count_each_split(tmp_path):
    def path(name):
        return str(tmp_path / name)

    found = [
        ScannedVideo(path("a"), frames=5, width=4, height=3, codec="h264", duration=3600.0, bytes=1000, ok=True),
        ScannedVideo(path("b"), frames=5, width=4, height=3, codec="h264", bytes=10, ok=True, reason="the header …"),
        ScannedVideo(path("c"), bytes=7, reason="frame 12 is damaged (FFmpeg: x)"),
        ScannedVideo(path("d"), bytes=7, reason="frame 3 is damaged (FFmpeg: y)"),
    ]
    totals = summary(found, {"train": [path("a"), path("a"), path("c")], "test": [path("b"), path("d")]}, tmp_path)
    assert totals["bad"] == {"frame 12 is damaged (FFmpeg: x)": 2}
    assert (totals["hours"], totals["bytes"], totals["header_disagrees"]) == (1.0, 1010, 1)
    assert totals["splits"]["train"] == {
        "videos": 2,
        "ok": 1,
        "fingerprint": fingerprint([found[0], found[2]], tmp_path),
    }
    text = summary_text(totals)
    for part in (
        "4 videos: 2 ok, 2 bad",
        "bad: 2 like: frame 12 is damaged (FFmpeg: x)",
        "test: 1 of 2 ok",
        "1 have another number",
    ):
        assert part in text


# ---- damaged files ----


def damage(data: bytes, other: bytes, draw: random.Random) -> bytes:
    """Flipped bits, a cut, or a piece of another file's (or the same file's) bytes in its place."""
    damaged = bytearray(data)
    kind = draw.choice(["bits", "header bits", "cut", "splice", "header splice", "zeros"])
    header = data.index(b"moov")  # sizes, tables of samples, codec parameters: to the end, or to the data
    if kind == "bits":
        for _ in range(draw.randint(1, 200)):
            damaged[draw.randrange(len(damaged))] ^= 1 << draw.randrange(8)
    elif kind == "header bits":
        for _ in range(draw.randint(1, 20)):
            damaged[draw.randrange(header, min(header + 1200, len(damaged)))] ^= 1 << draw.randrange(8)
    elif kind == "cut":
        del damaged[draw.randrange(len(damaged)) :]
    elif kind == "splice":
        start, length = draw.randrange(len(other)), draw.randint(1, 4000)
        damaged[draw.randrange(len(damaged)) :][:length] = other[start : start + length]
        at = draw.randrange(len(damaged))
        damaged[at : at + length] = other[start : start + length]
    elif kind == "header splice":
        at, start = header + draw.randrange(600), other.index(b"moov") + draw.randrange(600)
        length = draw.randint(4, 300)
        damaged[at : at + length] = other[start : start + length]
    else:
        at, length = draw.randrange(len(damaged)), draw.randint(1, 5000)
        damaged[at : at + length] = bytes(length)
    return bytes(damaged)


def look_at(path):
    """In a child: scan the file, and read frames of it by number; and how much memory the child has needed so far."""
    found = scan_video(path)
    read = ""
    try:
        with VideoReader(path) as reader:
            last = reader.num_frames - 1
            frames = reader.read([0, last // 2, last])
            assert frames.shape == (3, 3, reader.info.height, reader.info.width)
    except VideoDecodeError as error:
        read = error.reason
    return found, read, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def check_damaged_files(count, tiny_clip, tmp_path):
    sources = [
        tiny_clip("a.mp4", num_frames=40),
        tiny_clip("b.mp4", num_frames=30, height=72, width=96, options={"g": "5", "bf": "3"}),
        tiny_clip("c.mp4", num_frames=24, options={"g": "1", "tune": "fastdecode"}),
        tiny_clip("d.mp4", num_frames=20, codec="mpeg4"),
        tiny_clip("e.mp4", num_frames=16, codec="libx265", options={"x265-params": "log-level=none"}),
    ]
    originals = [path.read_bytes() for path in sources]
    draw = random.Random(0)
    paths = []
    for number in range(count):
        paths.append(tmp_path / f"damaged_{number}.mp4")
        paths[-1].write_bytes(damage(draw.choice(originals), draw.choice(originals), draw))
    start = time.monotonic()
    results = list(map_in_children(look_at, map(str, paths), num_children=2, time_limit=20))
    assert len(results) == count
    lost = [(path, result) for path, result in results if not isinstance(result, tuple)]
    assert not lost  # no crash, no hang
    for path, (found, read, memory) in results:
        assert found.ok or found.reason, path
        assert memory < 2 * 2**30, path
        if found.ok:
            assert not read, path  # what decodes front to back is read by number, too
    good = sum(found.ok for _, (found, _, _) in results)
    assert 0 < good < count
    return good, time.monotonic() - start, max(memory for _, (_, _, memory) in results)


def test_damaged_files_are_read_or_named(tiny_clip, tmp_path):
    check_damaged_files(30, tiny_clip, tmp_path)


@pytest.mark.slow
def test_a_thousand_damaged_files_are_read_or_named(tiny_clip, tmp_path):
    good, seconds, memory = check_damaged_files(1000, tiny_clip, tmp_path)
    print(f"{good} of 1000 still decode; {seconds:.0f} s, {memory / 2**20:.0f} MiB")
