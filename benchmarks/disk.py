"""How long the disk takes to make something durable: what no acknowledgement can be faster than."""

from __future__ import annotations

import os
import time
from pathlib import Path

SIZE_BYTES = 64 << 10  # about what one submission writes
PACE_S = 0.02


def sync_times_ms(folder: Path, count: int = 100) -> list[float]:
    """Milliseconds of so many fdatasync calls, each after 64 KiB were written anew in a file that has its place already."""
    path, data, times = folder / "sync-probe", os.urandom(SIZE_BYTES), []
    with path.open("wb", buffering=0) as file:
        file.write(data)
        os.fsync(file.fileno())
        for _ in range(count):
            file.seek(0)
            file.write(data)
            begin = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - begin) * 1e3)
            time.sleep(PACE_S)
    path.unlink()
    return times
