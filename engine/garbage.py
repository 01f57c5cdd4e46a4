"""Python's search for unreachable cycles looks through every object: a tenth of a second with torch and a network loaded, in the
middle of a block or of a switch."""

from __future__ import annotations

import gc


def keep_all_for_good() -> None:
    """Whatever lives now lives on to the end: later searches look only at what was made since, and take no time."""
    gc.collect()
    gc.freeze()
