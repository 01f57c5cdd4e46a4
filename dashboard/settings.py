"""Settings of the web: read once, checked at once, never changed after."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

MAX_BODY_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class WebSettings:
    """What the web needs to know. Every field has an environment variable `GREENROOM_<NAME>` of the same name."""

    data_dir: Path = Path("var")
    rights_file: Path | None = None  # None: `rights.yaml` in the data directory if there is one, else the packaged matrix
    zone: str = ""  # IANA name such as Asia/Shanghai; empty: the machine's own zone
    is_https: bool = False  # the pages are reached through TLS: cookies are marked Secure
    session_s: float = 43_200.0  # a sign-in lasts this long
    stale_after_s: float = 5.0  # older figures are shown as stale
    ready_block_s: float = 60.0  # a running job must have finished a block this recently for /readyz
    writes_per_s: float = 100.0  # of one caller; short bursts may be larger
    logins_per_minute: float = 10.0  # of one address
    max_sockets: int = 510  # open live pages; each holds one of the 600 threads
    max_sockets_each: int = 70  # of one person (without sign-in: of one address)
    max_streams: int = 30  # open event streams, which hold a thread each too
    max_streams_each: int = 10
    max_videos: int = 24  # videos on their way; a slow reader holds a thread for as long as it likes
    max_videos_each: int = 8
    max_uploads: int = 8  # files on their way in
    max_uploads_each: int = 2

    def __post_init__(self) -> None:
        for name in ("session_s", "stale_after_s", "ready_block_s", "writes_per_s", "logins_per_minute",
                     "max_sockets", "max_sockets_each", "max_streams", "max_streams_each",
                     "max_videos", "max_videos_each", "max_uploads", "max_uploads_each"):  # fmt: skip
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be more than 0")
        if self.zone:
            try:
                ZoneInfo(self.zone)
            except (ZoneInfoNotFoundError, ValueError) as error:
                raise ValueError(f"zone {self.zone!r} is unknown; use a name such as Asia/Shanghai") from error

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> WebSettings:
        """Settings from `GREENROOM_DATA`, `GREENROOM_RIGHTS_FILE`, `GREENROOM_ZONE`, `GREENROOM_HTTPS`; raises ValueError."""
        env = os.environ if environment is None else environment
        rights = env.get("GREENROOM_RIGHTS_FILE")
        return cls(
            data_dir=Path(env.get("GREENROOM_DATA", "var")),
            rights_file=Path(rights) if rights else None,
            zone=env.get("GREENROOM_ZONE", ""),
            is_https=env.get("GREENROOM_HTTPS", "").lower() in ("1", "true", "yes"),
        )
