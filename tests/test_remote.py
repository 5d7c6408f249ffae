# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Videos of streamed data sets that lie elsewhere are fetched; a network that fails is no damaged video."""

import threading
import zipfile
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import datasets
import pytest
from torch.utils.data import DataLoader

from videomae import remote
from videomae.remote import UnreachableVideoError, fetch
from videomae.streamed_rows import StreamedRows
from videomae.streaming import VideoStream
from videomae.video import VideoDecodeError


class Files(BaseHTTPRequestHandler):
    """The server's files; `failures` says how often each path fails before it is given, `asked` how often it was."""

    def do_GET(self):
        self.server.asked.append(name := self.path.strip("/"))
        if self.server.failures.get(name, 0) > 0:
            self.server.failures[name] -= 1
            return self.send_error(503)
        if (content := self.do_HEAD()) is not None:
            self.wfile.write(content)

    def do_HEAD(self):
        content = self.server.files.get(self.path.strip("/"))
        if content is None:
            return self.send_error(404)
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        return content

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    """A file server on this machine, with `files`, `failures` and `asked`; `url` is its address."""
    monkeypatch.setattr(remote, "WAITS", (0.0, 0.0))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Files)
    server.files, server.failures, server.asked = {}, {}, []
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_file_is_fetched_whole_and_tried_again(server):
    server.files = {"a.mp4": bytes(range(256)) * 50_000}  # several reads
    server.failures = {"a.mp4": 2}
    assert fetch(f"{server.url}/a.mp4", 1 << 24) == server.files["a.mp4"]
    assert server.asked == ["a.mp4"] * 3


def test_a_file_in_an_archive_is_fetched(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("x/a.mp4", b"video")
    assert fetch(f"zip://x/a.mp4::{tmp_path}/a.zip", 10) == b"video"


@pytest.mark.parametrize("files", [{"a.mp4": b"x"}, {}])
def test_what_can_not_be_fetched_is_told_as_the_network_s(server, files):
    server.files, server.failures = files, {"a.mp4": 99}
    with pytest.raises(UnreachableVideoError, match=f"{server.url}/a.mp4: can not be fetched, .* the network"):
        fetch(f"{server.url}/a.mp4", 10)
    assert 3 <= server.asked.count("a.mp4") <= 6


def test_a_file_that_is_too_long_for_the_memory_is_a_bad_video(server):
    server.files = {"a.mp4": bytes(11), "b.mp4": bytes(10)}
    assert len(fetch(f"{server.url}/b.mp4", 10)) == 10
    with pytest.raises(VideoDecodeError, match="a.mp4: more than 10 bytes"):
        fetch(f"{server.url}/a.mp4", 10)


# ---- in a stream ----


def frames(video, row, draw):
    return {"frames": video.num_frames}


@pytest.fixture
def streamed(server, tiny_clip):
    """`streamed(kind) -> VideoStream` of three videos of 20, 21 and 22 frames behind the server."""
    for number in range(3):
        server.files[f"{number}.mp4"] = Path(tiny_clip(f"{number}.mp4", num_frames=20 + number)).read_bytes()
    urls = [f"{server.url}/{number}.mp4" for number in range(3)]

    def make(kind="videos", **options):
        videos = [{"path": url, "bytes": None} for url in urls] if kind == "videos" else urls
        feature = datasets.Video(decode=False) if kind == "videos" else datasets.Value("string")
        features = datasets.Features({"video": feature})
        rows = datasets.IterableDataset.from_generator(
            lambda: ({"video": video} for video in videos), features=features
        )
        return VideoStream(StreamedRows(rows, batch_size=1, num_samples=3), frames, shuffle=False, **options)

    return make


@pytest.mark.parametrize("kind", ["videos", "paths"])
@pytest.mark.parametrize("workers", [0, 2])
def test_plain_files_behind_addresses_are_read(streamed, kind, workers):
    stream = streamed(kind)
    loader = partial(DataLoader, stream, batch_size=None, num_workers=workers, timeout=30 if workers else 0)
    for _ in range(2):  # the second workers are forked from a process whose own connection is open
        assert [item["frames"] for item in loader()] == [20, 21, 22]
        assert stream[0]["frames"] == 20


@pytest.mark.parametrize("workers", [0, 1])
def test_a_network_that_fails_ends_the_run_where_bad_videos_are_skipped(streamed, server, workers):
    server.failures = {"1.mp4": 99}
    stream = streamed(on_bad_video="skip", max_bad_share=1.0)
    with pytest.raises(UnreachableVideoError, match="1.mp4: can not be fetched"):
        list(DataLoader(stream, batch_size=None, num_workers=workers, timeout=30 if workers else 0))
    assert not stream.bad_videos


def test_a_damaged_file_behind_an_address_is_skipped(streamed, server):
    server.files["1.mp4"] = b"no video"
    stream = streamed(on_bad_video="skip")
    assert [stream[position]["frames"] for position in range(3)] == [20, 22, 22]
    assert stream.bad_videos == ["shard 0 of 1, row 1"]
