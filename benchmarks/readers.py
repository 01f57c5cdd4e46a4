"""A reader of the event stream and somebody who downloads a video again and again: `python -m benchmarks.readers URL JOB`.

A process of their own: in that of the measuring client they would hold its interpreter while an answer waits to be read.
Prints one JSON line when both have something, and one with what each got when its standard input is closed.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
import urllib.parse

_PAUSE_S = 0.05  # between two downloads


class Readers:
    """Both, counting."""

    def __init__(self, url: str, job: str) -> None:
        parts = urllib.parse.urlsplit(url)
        self.host, self.port, self.job = parts.hostname or "127.0.0.1", parts.port, job
        self.events = self.downloads = self.downloaded_bytes = 0
        self.is_over = threading.Event()
        self.is_live = {"events": threading.Event(), "video": threading.Event()}

    def read_events(self) -> None:
        """Until the end, or until the stream ends."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        connection.request("GET", "/events")
        answer = connection.getresponse()
        self.is_live["events"].set()
        while not self.is_over.is_set() and (line := answer.readline()):
            self.events += line.startswith(b"data: ")
        connection.close()

    def download(self) -> None:
        """One download after the other, until the end."""
        while not self.is_over.wait(_PAUSE_S):
            connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
            connection.request("GET", f"/jobs/{self.job}/video")
            answer = connection.getresponse()
            self.downloaded_bytes += len(answer.read())
            self.downloads += answer.status == 200
            self.is_live["video"].set()
            connection.close()


def main() -> int:
    """Read until standard input ends, then say what was read."""
    readers = Readers(*sys.argv[1:3])
    threads = [threading.Thread(target=work, daemon=True) for work in (readers.read_events, readers.download)]
    for thread in threads:
        thread.start()
    print(json.dumps({"live": all(one.wait(30) for one in readers.is_live.values())}), flush=True)
    sys.stdin.readline()
    readers.is_over.set()
    for thread in threads:
        thread.join(30)
    told = {name: getattr(readers, name) for name in ("events", "downloads", "downloaded_bytes")}
    print(json.dumps(told), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
