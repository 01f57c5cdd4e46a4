"""Errors of the engine. The docstring is the message, the fields are the data, `can_retry` says whether a retry can help."""

from __future__ import annotations

from typing import Any


class EngineError(Exception):
    """The engine could not do what was asked."""

    code = "engine_error"
    can_retry = False

    def __init__(self, detail: str = "", *, hint: str = "", **data: Any) -> None:
        self.detail = detail
        self.hint = hint
        self.data = data
        message = (type(self).__doc__ or "").strip().splitlines()[0]
        super().__init__(f"{message} {detail}".strip())


class ProtocolError(EngineError):
    """A message could not be understood."""

    code = "protocol_error"


class SettingsError(EngineError, ValueError):
    """These generation settings are not possible."""

    code = "bad_settings"

    def __init__(self, detail: str = "", *, field: str | None = None, hint: str = "", **data: Any) -> None:
        super().__init__(detail, hint=hint, **data)
        self.field = field


class MediaError(EngineError, ValueError):
    """This media file cannot be used."""

    code = "bad_media"


class WeightsError(EngineError):
    """The weights are missing, damaged or of another shape."""

    code = "bad_weights"


class ContextLost(EngineError):
    """The job's context is no longer in the vault."""

    code = "context_lost"
    can_retry = True


class OutOfDeviceMemory(EngineError):
    """The device has no memory left for this."""

    code = "out_of_memory"
    can_retry = True


class DiskFull(EngineError):
    """The disk is full."""

    code = "disk_full"
    can_retry = True
