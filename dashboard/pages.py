"""What all pages share: words, formats and the header's first figures; and the list of views."""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, Flask, current_app, request, session

from dashboard import formats, i18n
from dashboard.auth import caller, csrf_token
from dashboard.context import house
from dashboard.first_look import first_pulse, look_first
from dashboard.house_clock import clock_words
from dashboard.views import (
    admin,
    audit,
    faults,
    job,
    jobs,
    live,
    password,
    people,
    plan,
    policy,
    queue,
    rehearsals,
    rights,
    roles,
    stage,
    submit,
    watermark,
)
from scheduler.client import SchedulerError

VIEWS = (
    stage, queue, roles, rights, people, password, jobs, job, submit, watermark, plan, rehearsals, policy, admin, audit, faults,
)  # fmt: skip
PAGES: tuple[Blueprint, ...] = tuple(view.blueprint for view in VIEWS)
BLUEPRINTS = (*PAGES, live.blueprint, audit.exports)
for one in PAGES:
    one.before_request(look_first)
# What the scripts say themselves; the rest of the catalogue stays on the server.
SCRIPT_WORDS = (
    "state.", "hold.", "action.", "mode.", "js.", "worker.", "phase.", "chart.", "header.", "field.", "cause.", "resume.",
    "level.", "morning.done", "expect.", "theme.", "log.level_is.", "verdict.word.", "fail.",
    "clock.", "drained.", "verdict.approved", "verdict.rejected", "verdict.fits", "verdict.does_not_fit", "verdict.cannot_tell",
)  # fmt: skip
SHAPES = {
    "SUBMITTED": "◌", "QUEUED": "◌", "LEASED": "◔", "RUNNING": "●", "PREEMPTING": "◑", "SUCCEEDED": "✓", "FAILED": "▲",
    "CANCELLED": "✕", "REJECTED": "✕",
}  # fmt: skip


def _script_words() -> str:
    """The scripts' part of the catalogue as JSON that is safe inside a page."""
    chosen = {key: text for key, text in i18n.catalogue(i18n.language()).items() if key.startswith(SCRIPT_WORDS)}
    return json.dumps(chosen, ensure_ascii=False).replace("<", "\\u003c")


def _safe_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _shared() -> dict[str, Any]:
    """Names that every template may use."""
    home = house()
    zone = formats.zone_of(home.settings.zone)
    return {
        "t": i18n.words, "say": i18n.words,  # `say`: a key that is put together, which no test can look up
        "named": i18n.named, "both": i18n.both, "language": i18n.language(), "languages": i18n.LANGUAGES,
        "clock": lambda value: formats.clock(value, zone), "utc": formats.utc,
        "zone_offset": lambda: formats.offset_minutes(zone),
        "window": lambda ends: formats.window(ends, zone),
        "moment": formats.moment_of, "hour": formats.hour, "duration": formats.duration, "linked": formats.linked,
        "milliseconds": formats.milliseconds,
        "size": formats.size, "percent": formats.percent, "shapes": SHAPES, "script_words": _script_words,
        "safe_json": _safe_json, "caller": caller, "csrf_token": csrf_token, "path": request.full_path.rstrip("?"),
        "pulse": first_pulse,
        "is_kiosk": request.args.get("kiosk") == "1",
        "clock_words": clock_words, "open_counts": _open_counts, "offers_password": _offers_password,
        "has_socketio": current_app.config["GREENROOM_HAS_SOCKETIO"],
    }  # fmt: skip


def _offers_password() -> bool:
    """Once after a sign-in with a link: whoever has no password may set one."""
    return caller().kind == "session" and bool(session.pop("offers_password", False))


def _open_counts() -> tuple[int, int] | None:
    """(the caller's open jobs, everybody's); None while there is no store."""
    try:
        return house().reads.store.open_counts(caller().name)
    except SchedulerError:
        return None


def register_words(app: Flask) -> None:
    """Give every template its words and formats."""
    app.context_processor(_shared)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
