"""The global view: roles on stage, slots, queue, devices, errors, heals."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template

from dashboard.auth import caller, require
from dashboard.cards import event_card
from dashboard.context import house
from dashboard.error_words import error_card
from dashboard.expectations import with_expectations
from dashboard.first_look import first_beat
from dashboard.overview import device_cards, slot_card
from dashboard.reads import HEAL_ACTIONS
from scheduler.core.tags import Tag
from scheduler.forecasts import Foretold

QUEUE_SHOWN = 50
EVENTS_SHOWN = 12
DEEDS_SEEN = 20  # of a slot's drainings, the latest: the person's is hardly ever behind so many of maintenance and healing
PERSON = "person"  # among the causes of a drained slot
blueprint = Blueprint("stage", __name__)


@blueprint.get("/dashboard")
@require("see")
def page() -> str:
    """Everything of now on one page."""
    reads, beat = house().reads, first_beat()
    waiting, total = reads.waiting(QUEUE_SHOWN)
    stages, held = reads.stages(), reads.running()
    told = house().board.told() if held or waiting else Foretold()
    return render_template(
        "stage/page.html",
        nav="stage",
        slots=[_with_name(slot_card(slot, stages)) for slot in beat.slots],
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


def _with_name(card: dict[str, Any]) -> dict[str, Any]:
    """The slot, where a person drained it with that person's name, for those who may do so, too."""
    if PERSON not in (card.get("drained_for") or ()) or not caller().may("run_queue"):
        return card
    deeds = house().reads.store.audit(action=Tag.SLOT_DRAINED, object=f"slot:{card['slot']}", limit=DEEDS_SEEN)
    name = next((deed["actor"] for deed in deeds if "cause" not in deed["body"]), "")  # maintenance and healing have one
    return {**card, "drained_by": name.removeprefix("user:")}
