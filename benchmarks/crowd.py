"""Many people with an open page each, in one process: `python -m benchmarks.crowd URL` with sign-in paths on standard input.

The first line is a JSON list of one-time sign-in paths, the second how many pages each of these people has open. Every page
hears the pulse, one in five the stage, too. Prints one JSON line when all are live, and one with what each heard when standard
input ends: how late messages came, and whether any page missed one that another page heard.

Pages are read while others are still being opened: five hundred take a busy machine more than the 45 s after which a server gives
up a page that answers no ping. One that the server closes all the same is counted, and the others go on.
"""

from __future__ import annotations

import http.client
import json
import re
import select
import sys
import time
import urllib.parse
from typing import Any

import websocket

from benchmarks.tabs import Tab

ONE_IN = 5  # hears the stage, too


def session_of(url: str, path: str) -> str:
    """Sign in as a browser does, with the link's own form; the session's cookie."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    connection.request("GET", path)
    answer = connection.getresponse()
    page, cookie = answer.read().decode(), (answer.getheader("Set-Cookie") or "").split(";")[0]
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    if found is None:
        raise RuntimeError("the sign-in page has no form")
    token = urllib.parse.parse_qs(urllib.parse.urlsplit(path).query)["token"][0]
    form = urllib.parse.urlencode({"csrf": found[1], "token": token})
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": cookie}
    connection.request("POST", "/login", form, headers)
    answer = connection.getresponse()
    answer.read()
    if answer.status != 303:
        raise RuntimeError(f"signing in answers {answer.status}")
    return (answer.getheader("Set-Cookie") or cookie).split(";")[0]


class Page(Tab):
    """One open page: what it heard, when, and how late."""

    def __init__(self, url: str, cookie: str, rooms: list[str]) -> None:
        super().__init__(url, rooms, cookie)
        self.is_closed = False
        self.pulses: dict[float, float] = {}  # made at → seconds late
        self.seqs: set[int] = set()

    def take(self, at: float) -> bool:
        """Read one packet; False once the server has closed the connection."""
        try:
            self.read(at)
        except (OSError, websocket.WebSocketException):
            self.is_closed = True
        return not self.is_closed

    def hear(self, text: str, at: float) -> None:
        """Keep one message."""
        name, payload = json.loads(text)
        if name == "pulse":
            self.pulses[payload["now"]] = at - payload["now"]
        elif name == "feed":
            self.seqs.add(payload["seq"])


def main() -> int:
    """Open the pages, keep them until standard input ends, say what they heard."""
    url = sys.argv[1]
    paths, each = json.loads(sys.stdin.readline()), int(sys.stdin.readline())
    pages: list[Page] = []
    by_socket: dict[Any, Page] = {}
    for path in paths:
        cookie = session_of(url, path)
        for number in range(each):
            page = Page(url, cookie, ["pulse", "global"] if number % ONE_IN == 0 else ["pulse"])
            pages.append(page)
            by_socket[page.socket.sock] = page
            listen(by_socket, 0.0)
    begun = 0.0
    while True:
        if listen(by_socket, 1.0):
            print(json.dumps(report(pages, begun, time.time())), flush=True)
            return 0
        if not begun and all(page.is_live or page.is_closed for page in pages):
            begun = time.time()
            closed = sum(page.is_closed for page in pages)
            print(json.dumps({"live": len(pages) - closed, "closed": closed}), flush=True)


def listen(by_socket: dict[Any, Page], patience_s: float) -> bool:
    """Read what has come; who was closed is taken out. True once standard input has ended."""
    ready, _, _ = select.select([*by_socket, sys.stdin], [], [], patience_s)
    at = time.time()  # one thread reads them all: by now they have arrived, whoever is read last
    for source in ready:
        if source is sys.stdin:
            if not sys.stdin.readline():
                return True
        elif not by_socket[source].take(at):
            del by_socket[source]
    return False


def report(pages: list[Page], begun: float, ended: float) -> dict[str, Any]:
    """Lateness of every pulse in milliseconds, and what was lost. The first and last two seconds of the crowd do not count.

    What a page misses after the server has closed it is lost, too.
    """
    first, last = begun + 2, ended - 2
    late = sorted(1e3 * seconds for page in pages for made, seconds in page.pulses.items() if first <= made <= last)
    made = {at for page in pages for at in page.pulses if first <= at <= last}
    lost = sum(len(made - set(page.pulses)) for page in pages)
    stage = [page for page in pages if "global" in page.rooms]
    # a page that lacks the newest seqs may simply not have them yet; one that lacks an older one has lost it
    seqs = sorted(set().union(*(page.seqs for page in stage)))[:-5] if stage else []
    since = max((min(page.seqs, default=0) for page in stage), default=0)
    lost += sum(len({seq for seq in seqs if seq >= since} - page.seqs) for page in stage)
    return {
        "pages": len(pages), "pages_closed": sum(page.is_closed for page in pages), "pulses_each": len(made),
        "messages_lost": lost, "bytes": sum(page.bytes for page in pages),
        "late_p50_ms": round(late[len(late) // 2], 1) if late else None,
        "late_p99_ms": round(late[int(0.99 * (len(late) - 1))], 1) if late else None,
        "late_most_ms": round(late[-1], 1) if late else None,
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
