# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Long and live video; a server on this machine that sends a file at its own pace stands for a network camera."""

import http.server
import threading
import time
from itertools import islice, pairwise
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from videomae import VideoMAEForVideoClassification, VideoMAEVideoProcessor
from videomae.evaluation import video_score
from videomae.smoothing import MeanSmoothing
from videomae.video import VideoDecodeError, VideoReader, read_frames
from videomae.watching import Latencies, WatchedVideo, parse_duration, training_length, watch


@pytest.fixture
def model(tiny_config):
    torch.manual_seed(0)
    return VideoMAEForVideoClassification(tiny_config(num_labels=3, classifier_init_scale=100.0)).eval()


@pytest.fixture
def processor(model):
    return VideoMAEVideoProcessor.for_model(model.config, frame_stride=2)  # clips of 8 frames


@pytest.fixture
def noisy_clip(tmp_path):
    """`noisy_clip(num_frames) -> Path`: frames that differ in more than brightness, 50x70 at 25 a second."""

    def write(num_frames, name="noise.mp4", **options):
        generator = np.random.default_rng(0)
        with av.open(str(tmp_path / name), "w") as container:
            stream = container.add_stream("libx264", rate=25, options={"bf": "2", **options})
            stream.height, stream.width, stream.pix_fmt = 50, 70, "yuv420p"
            for _ in range(num_frames):
                image = generator.integers(0, 256, (5, 7, 3), np.uint8).repeat(10, axis=0).repeat(10, axis=1)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(stream.encode())
        return str(tmp_path / name)

    return write


def test_a_window_is_what_a_file_of_its_frames_alone_would_be(model, processor, noisy_clip):
    path = noisy_clip(30)
    with WatchedVideo(path, processor, stride="3") as video:
        found = list(watch(model, video))
        assert (video.fps, video.length, video.stride) == (25, 8, 3)
    starts = [0, 3, 6, 9, 12, 15, 18, 21, 22]
    assert [window.start * 25 for window in found] == pytest.approx(starts)
    assert [window.end * 25 for window in found] == pytest.approx([start + 8 for start in starts])
    for start, window in zip(starts, found, strict=True):
        alone = processor.views(read_frames(path, range(start, start + 8)), 1, 1)
        assert torch.equal(window.score, video_score(model, alone))
    assert len({tuple(window.score.tolist()) for window in found}) == len(found)


def test_a_longer_window_is_looked_at_with_wider_steps(model, processor, noisy_clip):
    path = noisy_clip(20)
    with WatchedVideo(path, processor, window="20") as video:
        (window,) = watch(model, video)
    frames = processor.resize_and_crop(read_frames(path, [0, 5, 10, 15]))
    assert torch.equal(window.score, video_score(model, frames[None]))


def test_a_video_shorter_than_a_window_is_what_predict_makes_of_it(model, processor, noisy_clip):
    path = noisy_clip(5)
    with WatchedVideo(path, processor) as video:
        (window,) = watch(model, video)
    assert torch.equal(window.score, video_score(model, processor.views(path, 1, 1)))
    processor.short_video = "error"
    with WatchedVideo(path, processor) as video, pytest.raises(VideoDecodeError, match="noise.mp4: it has 5 frames"):
        list(watch(model, video))


def test_every_frame_is_decoded_once(model, processor, noisy_clip, monkeypatch):
    decoded = []
    path = noisy_clip(40)

    class Counting:
        def __init__(self):
            self._reformatter = av.video.reformatter.VideoReformatter()

        def reformat(self, frame, **settings):
            decoded.append(frame.pts)
            return self._reformatter.reformat(frame, **settings)

    monkeypatch.setattr("videomae.frame_streams.VideoReformatter", Counting)
    with WatchedVideo(path, processor, stride="1") as video:
        assert len(list(watch(model, video))) == 33
    assert len(decoded) == len(set(decoded)) == 40


def test_smoothing_follows_the_windows(model, processor, noisy_clip):
    with WatchedVideo(noisy_clip(24), processor, stride="8") as video:
        raw = [window.score for window in watch(model, video)]
    with WatchedVideo(noisy_clip(24), processor, stride="8") as video:
        smooth = [window.score for window in watch(model, video, smoothing=MeanSmoothing(2))]
    torch.testing.assert_close(
        torch.stack(smooth), torch.stack([raw[0], (raw[0] + raw[1]) / 2, (raw[1] + raw[2]) / 2])
    )


def test_a_looped_file_is_a_camera_that_a_slow_model_does_not_hold_up(model, processor, noisy_clip):
    """The model takes 0.6 s a window, 15 frames; 8 of them wait, and the others are dropped and counted."""
    path = noisy_clip(30)
    stop = threading.Event()
    with WatchedVideo(path, processor, stride="8", live=True, loop=True, stop=stop) as video:
        began = time.monotonic()
        found = []
        for window in watch(model, video):
            found.append(window)
            time.sleep(0.6)
            if len(found) == 5:
                stop.set()
        elapsed = time.monotonic() - began
        assert video.dropped > 0
    assert len(found) == 5
    # In real time: the last window is of the newest frames, not of those that a growing queue would still hold.
    assert found[-1].end <= elapsed
    assert elapsed - found[-1].end < 0.6 + 8 / 25 + 1.5
    assert not found[-1].continues
    frames = read_frames(path, range(30))
    for window in found:
        first = round(window.start * 25)
        clip = processor.resize_and_crop(frames[[(first + i) % 30 for i in range(0, 8, 2)]])
        assert torch.equal(window.score, video_score(model, clip[None]))


def test_damage_of_a_looped_file_is_a_gap_that_is_counted(processor, noisy_clip, tmp_path):
    data = Path(noisy_clip(30, g="10")).read_bytes()
    begin = data.index(b"mdat")
    middle = begin + 3 * (data.index(b"moov", begin) - begin) // 4
    (tmp_path / "bad.mp4").write_bytes(data[:middle] + bytes(range(200)) + data[middle + 200 :])
    with WatchedVideo(str(tmp_path / "bad.mp4"), processor, live=True, loop=True) as video:
        numbers = [frame.number for frame in islice(video, 40)]
        assert video.damaged > 0
    assert numbers[-1] > 39


def test_no_thread_reads_on_after_the_end(processor, noisy_clip):
    before = set(threading.enumerate())
    with WatchedVideo(noisy_clip(30), processor, live=True, loop=True) as video:
        next(iter(video))
        assert set(threading.enumerate()) > before
    assert set(threading.enumerate()) <= before


@pytest.fixture
def camera(noisy_clip, monkeypatch):
    """Address of an http server that sends MPEG-TS, a part each 20 ms, again and again for as long as one listens."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    content = Path(noisy_clip(50, "noise.ts")).read_bytes()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "video/mp2t")
            self.end_headers()
            try:
                while True:
                    for start in range(0, len(content), 188 * 20):
                        self.wfile.write(content[start : start + 188 * 20])
                        time.sleep(0.02)
            except ConnectionError:
                pass

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/live.ts"
    server.shutdown()
    server.server_close()


def test_an_address_is_watched_until_one_stops(model, processor, camera):
    with WatchedVideo(camera, processor, live=True) as video:
        found = list(islice(watch(model, video), 12))
    assert len(found) == 12
    assert all(later.start > earlier.start for earlier, later in pairwise(found))


def test_what_came_before_damage_is_there(model, processor, noisy_clip, tmp_path):
    data = Path(noisy_clip(60, g="10")).read_bytes()
    begin = data.index(b"mdat")
    middle = begin + 3 * (data.index(b"moov", begin) - begin) // 4
    (tmp_path / "bad.mp4").write_bytes(data[:middle] + bytes(range(200)) + data[middle + 200 :])
    found = []
    with WatchedVideo(str(tmp_path / "bad.mp4"), processor) as video, pytest.raises(VideoDecodeError, match="bad.mp4"):
        for window in watch(model, video):
            found.append(window)
    assert len(found) > 3


def test_images_are_kept_on_demand(processor, noisy_clip):
    path = noisy_clip(3)
    for keep_images in (False, True):
        with WatchedVideo(path, processor, keep_images=keep_images) as video:
            assert [frame.image is not None for frame in video] == [keep_images] * 3


def test_durations_are_frames_or_seconds():
    assert parse_duration("64", 25) == 64
    assert parse_duration("2.5s", 24) == 60
    assert parse_duration("2.5s", 24, multiple_of=16) == 64
    assert parse_duration("0.1s", 24, multiple_of=16) == 16
    for text in ("0", "-3", "x", "0s", "s", "nans", "infs", "2.5"):
        with pytest.raises(ValueError, match=f"a duration is '{text}'"):
            parse_duration(text, 25)


def test_settings_that_make_no_sense_are_told(processor, noisy_clip):
    path = noisy_clip(3)
    assert training_length(processor) == 8
    with pytest.raises(ValueError, match="a window of 6 frames, wanted a multiple of the 4"):
        WatchedVideo(path, processor, window="6")
    with pytest.raises(ValueError, match="only a file can begin again"):
        WatchedVideo("rtsp://host/live", processor, loop=True)
    processor.sampling = "uniform"
    with pytest.raises(ValueError, match="whole videos .*give one as long as those were"):
        WatchedVideo(path, processor)


def test_latencies_are_summarised():
    latencies = Latencies()
    assert str(latencies) == "no windows"
    for milliseconds in range(1, 102):
        latencies.add(milliseconds / 1000)
    assert str(latencies) == "101 windows, latency 51.0 ms in the mean, 95 % within 96.0 ms"


@pytest.mark.slow
def test_two_hours_take_no_more_memory_than_ten_minutes(model, processor, tmp_path, run_python):
    path = tmp_path / "long.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=5, options={"preset": "ultrafast", "g": "250"})
        stream.height, stream.width, stream.pix_fmt = 32, 32, "yuv420p"
        for number in range(2 * 3600 * 5):
            grey = np.full((32, 32, 3), number % 251, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(stream.encode())
    model.save_pretrained(tmp_path / "model")
    processor.save_pretrained(tmp_path / "model")
    code = """
import sys
from videomae.annotation import annotated_video
from videomae.inference import load_checkpoint
from videomae.segments import SegmentFinder
from videomae.watching import WatchedVideo, watch

def resident():  # MiB
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 2**20

model, processor = load_checkpoint(sys.argv[1], device="cpu")
finder = SegmentFinder(["a", "b", "c"], 0.5)
after = {}
with WatchedVideo(sys.argv[2], processor, stride="32", keep_images=True) as video:
    with annotated_video(sys.argv[3], video.fps) as annotated:
        for window in watch(model, video, frames=annotated.passing(video)):
            annotated.caption = f"{window.start:.0f} s"
            finder.add(window.start, window.end, window.score, window.continues)
            after[window.end] = resident()
early = max(memory for end, memory in after.items() if 300 < end < 600)
late = max(memory for end, memory in after.items() if end > 6600)
print(len(after), max(after), early, late)
"""
    finished = run_python(code, tmp_path / "model", path, tmp_path / "annotated.mp4", timeout=600)
    assert finished.returncode == 0, finished.stderr
    windows, end, early, late = map(float, finished.stdout.split())
    assert (windows, end) == (1126, 7200)
    assert late - early < 8, finished.stdout
    with VideoReader(tmp_path / "annotated.mp4") as reader:
        assert reader.num_frames == 36_000
