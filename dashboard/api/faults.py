"""Faults and how they were healed, and the policy that decides about it."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from dashboard import healing
from dashboard.api.openapi import documented
from dashboard.auth import caller, require
from dashboard.context import house

blueprint = Blueprint("faults", __name__)


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
        "open": [heal for heal in found if heal["state"] == "open"], "heals": found, "block_times": times,
        "policy": facts.get("healing_policy"), "policy_version": facts.get("policy_version"),
    })  # fmt: skip
