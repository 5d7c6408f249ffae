# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""A server on this machine stands for the network."""

import http.server
import threading
import time

import pytest

from videomae import VideoMAEVideoProcessor
from videomae.downloads import downloaded, is_address
from videomae.video import VideoDecodeError


@pytest.fixture
def serve(monkeypatch):
    """`serve(content, pause=0, redirect=None) -> address`: sends 1000 bytes every `pause` seconds."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    servers = []

    def start(content, *, pause=0.0, redirect=None):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                if self.path == "/gone.mp4":
                    self.send_error(404)
                    return
                self.send_response(302 if redirect else 200)
                if redirect:
                    self.send_header("Location", redirect)
                self.end_headers()
                for start in range(0, 0 if redirect else len(content), 1000):
                    try:
                        self.wfile.write(content[start : start + 1000])
                    except ConnectionError:
                        return
                    time.sleep(pause)

            def log_message(self, *args):
                pass

        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}/clip.mp4"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_http_and_https_are_addresses_and_nothing_else():
    assert [is_address(each) for each in ("http://a/b", "HTTPS://a/b")] == [True, True]
    assert not any(map(is_address, ("ftp://a/b", "file:///a", "a.mp4", b"http://a")))


def test_the_file_has_the_content_and_the_name_of_its_address(serve):
    address = serve(bytes(range(200)) * 20)
    with downloaded(serve(b"", redirect=address)) as file:
        assert file.read() == bytes(range(200)) * 20
    with downloaded(address) as file:
        assert file.name == address
    assert file.closed


def test_a_larger_file_is_refused(serve):
    address = serve(bytes(5000))
    with pytest.raises(VideoDecodeError, match="clip.mp4: more than 4999 bytes"), downloaded(address, most_bytes=4999):
        pass
    with downloaded(address, most_bytes=5000) as file:
        assert len(file.read()) == 5000


def test_a_slow_server_is_given_up(serve):
    began = time.monotonic()
    with pytest.raises(VideoDecodeError, match=r"not fetched after 0.5 s \(the time limit\)"):
        with downloaded(serve(bytes(100_000), pause=0.1), time_limit=0.5):
            pass
    assert time.monotonic() - began < 5  # all of it would take 10 s


def test_what_is_not_there_and_other_schemes_are_errors(serve):
    address = serve(b"")
    with pytest.raises(VideoDecodeError, match="gone.mp4: could not be fetched .*404"):
        with downloaded(address.replace("clip", "gone")):
            pass
    with pytest.raises(VideoDecodeError, match="could not be fetched"):
        with downloaded(serve(b"", redirect="ftp://127.0.0.1/clip.mp4")):
            pass


def test_the_processor_reads_an_address_as_the_file_that_lies_there(serve, tiny_clip, tiny_config):
    path = tiny_clip(num_frames=20)
    processor = VideoMAEVideoProcessor.for_model(tiny_config(), frame_stride=3)
    address = serve(path.read_bytes())
    assert processor.views(address, 2, 3).equal(processor.views(str(path), 2, 3))
    pixel_values = processor(address, return_tensors="pt")["pixel_values"]
    assert pixel_values.equal(processor(str(path), return_tensors="pt")["pixel_values"])
    with pytest.raises(VideoDecodeError, match="^http://127.0.0.1.*/clip.mp4: "):
        processor.views(serve(b"text" * 100), 1, 1)
