"""The faults page: what is broken now, what was healed and how fast, what it means, and the policy in force."""

from __future__ import annotations

from collections import Counter

from flask import Blueprint, render_template

from dashboard import healing, muting
from dashboard.auth import caller, require
from dashboard.context import house

blueprint = Blueprint("faults_pages", __name__, url_prefix="/dashboard/faults")


@blueprint.get("/")
@require("see")
def page() -> str:
    """All of it; `#faults-live` is fetched again when something happens."""
    reads = house().reads
    found = healing.heals(reads, with_reasons=caller().may("see_audit"))
    facts = reads.store.facts()
    times, muted = reads.store.block_times(), muting.muted(reads)
    return render_template(
        "faults/page.html",
        nav="faults",
        open_heals=[heal for heal in found if heal["state"] == "open" and heal["fault"] not in muted],
        ended=[heal for heal in found if heal["state"] != "open" and heal["fault"] not in muted],
        muted=muted, folded=Counter(heal["fault"] for heal in found if heal["fault"] in muted),
        may_mute=caller().may("mute_faults"), kept_s=muting.FOR_S,
        kinds=list(dict.fromkeys(heal["fault"] for heal in found)),
        picture=healing.draw(found),
        width=healing.WIDTH, height=healing.HEIGHT, left=healing.LEFT,
        ms=healing.words,
        rules=healing.policy_rows(facts.get("healing_policy") or {}),
        version=facts.get("policy_version"),
        times=times,
    )  # fmt: skip
