"""Many open dashboard tabs in one process: `python -m benchmarks.tabs URL COUNT`. One thread reads all their sockets.

Speaks Socket.IO's wire by hand (a tab is one WebSocket): a client library would cost three threads a tab and be the load itself.
Prints one JSON line when all tabs are live, and one with what each heard when its standard input is closed.
"""

from __future__ import annotations

import json
import select
import sys
import time
from abc import ABC, abstractmethod
from typing import Any

import websocket

ROOMS = ["global", "pulse"]


class Tab(ABC):
    """One open tab: the wire. What is heard goes to `hear`."""

    def __init__(self, url: str, rooms: list[str], cookie: str | None = None) -> None:
        self.socket = websocket.create_connection(
            url.replace("http", "ws", 1) + "/socket.io/?EIO=4&transport=websocket", origin=url, cookie=cookie, timeout=30
        )
        self.rooms, self.is_live = rooms, False
        self.bytes = 0

    def read(self, at: float) -> None:
        """Take one packet, there since `at`: answer pings, subscribe once connected, pass on what is heard."""
        packet = self.socket.recv()
        text = packet if isinstance(packet, str) else packet.decode()
        if text.startswith("0"):
            self.socket.send("40")
        elif text == "2":
            self.socket.send("3")
        elif text.startswith("40"):
            self.socket.send("421" + json.dumps(["subscribe", {"rooms": self.rooms}]))
        elif text.startswith("43"):
            self.is_live = True
        elif text.startswith("42"):
            self.bytes += len(text)
            self.hear(text[2:], at)

    @abstractmethod
    def hear(self, text: str, at: float) -> None:
        """One message, `["name", payload]` as JSON."""


class CountingTab(Tab):
    """Counts what it hears."""

    def __init__(self, url: str) -> None:
        super().__init__(url, ROOMS)
        self.pulses = self.messages = 0
        self.last_at = 0.0

    def hear(self, text: str, at: float) -> None:
        """Count one message."""
        self.messages += 1
        self.pulses += text.startswith('["pulse"')
        self.last_at = at


def main() -> int:
    """Open the tabs, keep them until standard input ends, say what they heard."""
    url, count = sys.argv[1], int(sys.argv[2])
    tabs = [CountingTab(url) for _ in range(count)]
    by_socket: dict[Any, CountingTab] = {tab.socket.sock: tab for tab in tabs}
    is_announced = False
    while True:
        ready, _, _ = select.select([*by_socket, sys.stdin], [], [], 1.0)
        for source in ready:
            if source is sys.stdin:
                if not sys.stdin.readline():
                    return _report(tabs)
            else:
                by_socket[source].read(time.monotonic())
        if not is_announced and all(tab.is_live for tab in tabs):
            is_announced = True
            print(json.dumps({"live": len(tabs)}), flush=True)


def _report(tabs: list[CountingTab]) -> int:
    now = time.monotonic()
    print(json.dumps({
        "tabs": len(tabs), "messages": sum(tab.messages for tab in tabs), "bytes": sum(tab.bytes for tab in tabs),
        "fewest_pulses": min(tab.pulses for tab in tabs), "most_pulses": max(tab.pulses for tab in tabs),
        "longest_silence_s": round(max(now - tab.last_at for tab in tabs), 2),
    }), flush=True)  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
