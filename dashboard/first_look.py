"""What a page begins with: the daemon's last answer and the log's newest seq, read before anything else that it shows.

The page's scripts ask for what came after that seq, so what happens while the page is put together reaches it; read last, it
would be lost to a page whose rows are older. In the same way the header's figures are never newer than the rows.
"""

from __future__ import annotations

from typing import Any

from flask import g

from dashboard.context import house
from dashboard.overview import pulse_message
from dashboard.pulse import Beat


def look_first() -> None:
    """Before every page of a view."""
    _keep(house().pulse.last)


def first_beat() -> Beat:
    """The daemon's last answer; the first page after a start asks for it instead of showing an empty house."""
    if not g.beat.at:
        _keep(house().pulse.ask())
    beat: Beat = g.beat
    return beat


def first_pulse() -> dict[str, Any]:
    """The header's figures, as they were when the page began; of now on pages that began with none (refusals, the login)."""
    if "pulse" not in g:
        look_first()
    told: dict[str, Any] = g.pulse
    return told


def _keep(beat: Beat) -> None:
    home = house()
    g.beat, g.pulse = beat, pulse_message(beat, home.reads, home.settings)
