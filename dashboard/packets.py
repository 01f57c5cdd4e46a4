"""What goes over the sockets: text only, and a payload that many hear is written out once."""

from __future__ import annotations

import json
from typing import Any

from socketio.packet import EVENT, Packet


class Written(dict[str, Any]):
    """A payload together with its JSON."""

    def __init__(self, payload: dict[str, Any]) -> None:
        super().__init__(payload)
        self.text = json.dumps(payload, separators=(",", ":"))


class TextPacket(Packet):  # type: ignore[misc]
    """The library's packet without its search for bytes in every value: we send none."""

    uses_binary_events = False

    def encode(self) -> Any:
        """The packet as the wire has it."""
        data = self.data
        is_known = self.packet_type == EVENT and self.id is None and self.namespace in (None, "/")
        if is_known and isinstance(data, list) and len(data) == 2 and isinstance(data[1], Written):
            return f"{EVENT}[{json.dumps(data[0])},{data[1].text}]"
        return super().encode()
