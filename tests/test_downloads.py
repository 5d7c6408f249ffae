# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""A server on this machine stands for the network."""

import contextlib
import http.server
import socketserver
import threading
import time

import pytest

from videomae import VideoMAEVideoProcessor
from videomae.downloads import downloaded, is_address
from videomae.video import VideoDecodeError


@pytest.fixture
def serve(monkeypatch):
    """`serve(content, pause=0, redirect=None) -> address`: sends 1000 bytes every `pause` seconds.

    The headers of each request are appended to `asked`.
    """
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    servers = []

    def start(content, *, pause=0.0, redirect=None, asked=None):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                if asked is not None:
                    asked.append(self.headers)
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


@pytest.mark.parametrize(
    "address",
    [
        "http://[::1/x.mp4",
        f"http://{'a' * 64}.org/x.mp4",
        "http://a..b/x.mp4",
        "http://a\0b/x.mp4",
        "http://127.0.0.1:99999/x.mp4",
        "http://\ud800/x.mp4",
        "http://",
    ],
)
def test_what_is_no_address_is_an_error_that_names_it(address):
    with pytest.raises(VideoDecodeError, match="could not be fetched") as caught, downloaded(address):
        pass
    assert caught.value.path == address


def test_a_full_disk_is_an_error_of_the_address(serve, monkeypatch):
    monkeypatch.setattr("tempfile.TemporaryFile", lambda: open("/dev/full", "r+b"))
    with pytest.raises(VideoDecodeError, match="clip.mp4: could not be fetched .*No space left"):
        with downloaded(serve(bytes(100_000))):
            pass


@pytest.mark.parametrize("line", [b"X-More: 1\r\n", b"Location: /clip.mp4\r\n\r\n"])
def test_headers_and_redirections_have_the_same_deadline(monkeypatch, line):
    """A server that sends one header after the other, or one redirection, each 0.1 s."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            with contextlib.suppress(ConnectionError):
                self.wfile.write(b"HTTP/1.1 302 Found\r\nConnection: close\r\n")
                for _ in range(1 if line.endswith(b"\r\n\r\n") else 30):
                    time.sleep(0.1)
                    self.wfile.write(line)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        began = time.monotonic()
        with pytest.raises(VideoDecodeError, match="the time limit"):
            with downloaded(f"http://127.0.0.1:{server.server_address[1]}/clip.mp4", time_limit=0.5):
                pass
        assert time.monotonic() - began < 1.5
        server.shutdown()


def test_the_bytes_are_asked_for_as_they_lie_there(serve):
    asked = []
    with downloaded(serve(b"video", asked=asked)) as file:
        assert file.read() == b"video"
    assert [headers["Accept-Encoding"] for headers in asked] == ["identity"]


def test_the_processor_reads_an_address_as_the_file_that_lies_there(serve, tiny_clip, tiny_config):
    path = tiny_clip(num_frames=20)
    processor = VideoMAEVideoProcessor.for_model(tiny_config(), frame_stride=3)
    address = serve(path.read_bytes())
    assert processor.views(address, 2, 3).equal(processor.views(str(path), 2, 3))
    pixel_values = processor(address, return_tensors="pt")["pixel_values"]
    assert pixel_values.equal(processor(str(path), return_tensors="pt")["pixel_values"])
    with pytest.raises(VideoDecodeError, match="^http://127.0.0.1.*/clip.mp4: "):
        processor.views(serve(b"text" * 100), 1, 1)
