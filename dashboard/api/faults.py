"""Faults and how they were healed, and the policy that decides about it."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from dashboard import healing, muting
from dashboard.api.body import read_body
from dashboard.api.models import MuteFault, UnmuteFault
from dashboard.api.openapi import documented
from dashboard.auth import caller, require
from dashboard.context import house
from dashboard.door import door
from dashboard.errors import WebError
from scheduler.core.healing_policy import Fault

blueprint = Blueprint("faults", __name__)


@blueprint.post("/faults/mute")
@documented("faults", body=MuteFault)
@require("mute_faults")
def mute() -> Response:
    """Fold a kind of fault away for an hour, with a reason; it is still watched, healed and written down."""
    wish = read_body(MuteFault)
    fault = _known(wish.fault)
    answer = door().record(muting.MUTED, f"fault:{fault}", {"fault": fault, "reason": wish.reason})
    return jsonify({**answer, "fault": fault, "for_s": muting.FOR_S})


@blueprint.post("/faults/unmute")
@documented("faults", body=UnmuteFault)
@require("mute_faults")
def unmute() -> Response:
    """Show a kind of fault again; nothing happens where it is not muted."""
    fault = _known(read_body(UnmuteFault).fault)
    if fault not in muting.muted(house().reads):
        return jsonify({"fault": fault, "seq": None})
    return jsonify({**door().record(muting.UNMUTED, f"fault:{fault}", {"fault": fault}), "fault": fault})


def _known(name: str) -> str:
    if name not in Fault.__members__.values():
        raise WebError(422, "bad_field", f"There is no fault {name!r:.40}.", field="fault", hint=", ".join(Fault))
    return name


@blueprint.get("/faults")
@documented("faults")
@require("see")
def get_faults() -> Response:
    """Open faults, the newest hundred heals with their milliseconds, learnt block times, and the policy in force."""
    reads = house().reads
    found = healing.heals(reads, with_reasons=caller().may("see_audit"))
    facts = reads.store.facts()
    times = [
        {
            "model": key.model, "size": key.size, "steps": key.steps, "device": key.device, "count": time.count,
            "typical_s": time.typical_s, "spread_s": time.spread_s, "slowest_s": time.slowest_s,
        }
        for key, time in reads.store.block_times()
    ]  # fmt: skip
    return jsonify({
        "muted": muting.muted(reads),
        "open": [heal for heal in found if heal["state"] == "open"], "heals": found, "block_times": times,
        "policy": facts.get("healing_policy"), "policy_version": facts.get("policy_version"),
    })  # fmt: skip
