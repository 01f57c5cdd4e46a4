"""The global view: roles on stage, slots, queue, devices, errors, heals."""

from __future__ import annotations

from flask import Blueprint, render_template

from dashboard.auth import require
from dashboard.cards import event_card
from dashboard.context import house
from dashboard.error_words import error_card
from dashboard.expectations import with_expectations
from dashboard.overview import device_cards, slot_card
from dashboard.reads import HEAL_ACTIONS

QUEUE_SHOWN = 50
EVENTS_SHOWN = 12
blueprint = Blueprint("stage", __name__)


@blueprint.get("/dashboard")
@require("see")
def page() -> str:
    """Everything of now on one page."""
    reads, beat = house().reads, house().pulse.last
    if not beat.at:  # the first page after a start: ask once instead of showing an empty house
        beat = house().pulse.ask()
    waiting, total = reads.waiting(QUEUE_SHOWN)
    stages, held = reads.stages(), reads.running()
    told = house().board.told() if held or waiting else {}
    return render_template(
        "stage/page.html",
        nav="stage",
        slots=[slot_card(slot, stages) for slot in beat.slots],
        stages=stages,
        running={job["id"]: job for job in with_expectations(held, told)},
        waiting=with_expectations(waiting, told),
        total=total,
        paused=reads.store.fact("queue_paused") or {},
        devices=device_cards(reads),
        standby=beat.status.get("standby") or [],
        vault=beat.status.get("vault"),
        disk=beat.status.get("disk"),
        weights_trained=(beat.status.get("daemon") or {}).get("weights_trained"),
        errors=[error_card(row) for row in reads.recent_errors()],
        heals=[event_card(row) for row in reads.heals()], heal_actions=HEAL_ACTIONS,
        events=[event_card(row) for row in reads.store.quiet_events(EVENTS_SHOWN)],
        counts=reads.store.state_counts(),
    )
