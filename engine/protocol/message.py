"""The base of all messages, and their register by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

PROTOCOL_VERSION = 1
REGISTER: dict[str, type[Message]] = {}


@dataclass(frozen=True)
class Message:
    """Base of all messages; subclasses register themselves by name."""

    has_file_descriptor: ClassVar[bool] = False  # True: one descriptor travels with the message (SCM_RIGHTS)

    def __init_subclass__(cls) -> None:
        REGISTER[cls.__name__] = cls
