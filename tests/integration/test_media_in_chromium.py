"""A browser plays the stream while it grows, and the joined video."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from engine.media.join import join
from tests.integration.media_rig import Stream, talk, write_wav

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = Path("/usr/bin/chromium")

_PLAY = """async (source) => {
  const video = document.createElement("video");
  document.body.append(video);
  video.muted = true;
  video.playbackRate = 4;
  const ended = new Promise((resolve, reject) => {
    video.onended = resolve;
    video.onerror = () => reject(new Error(video.error.message));
  });
  video.src = source;
  await video.play();
  await ended;
  return {width: video.videoWidth, height: video.videoHeight, seconds: video.currentTime,
          sound: video.webkitAudioDecodedByteCount > 0, pictures: video.webkitDecodedFrameCount > 0};
}"""


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_QuietHandler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.browser
def test_chromium_plays_the_stream_cut_off_anywhere_and_the_joined_video(tmp_path: Path) -> None:
    stream = Stream(tmp_path / "parts", write_wav(tmp_path / "voice.wav", talk(2)), range(4))
    whole = stream.data
    site = tmp_path / "site"
    site.mkdir()
    (site / "index.html").write_text("<!doctype html><title>video</title>")
    (site / "stream.mp4").write_bytes(whole)
    (site / "cut.mp4").write_bytes(b"".join(part.read_bytes() for part in stream.parts[:3]))
    join(stream.parts, site / "joined.mp4")
    seconds = {"stream.mp4": 1.92, "cut.mp4": 0.96, "joined.mp4": 1.92}
    with served(site) as address, playwright.sync_playwright() as driver:
        path = str(CHROMIUM) if CHROMIUM.exists() else None
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"{address}/index.html")
        for name, length in seconds.items():
            seen = page.evaluate(_PLAY, f"{address}/{name}")
            assert (seen["width"], seen["height"], seen["sound"], seen["pictures"]) == (128, 96, True, True), name
            assert seen["seconds"] == pytest.approx(length, abs=0.05), name
        browser.close()
