"""The policy page: the numbers in force, which of them differ from the shipped ones, and what changed when."""

from __future__ import annotations

from flask import Blueprint, render_template
from pydantic import Field

from dashboard import policy_history
from dashboard.api.body import Query, read_query
from dashboard.auth import require
from dashboard.context import house
from dashboard.errors import WebError
from dashboard.refusals import told_problems

blueprint = Blueprint("policy_pages", __name__, url_prefix="/dashboard/policy")


class PolicyQuery(Query):
    """Two versions to hold against each other."""

    before: int | None = Field(default=None, ge=0, le=2**62, alias="from")
    after: int | None = Field(default=None, ge=0, le=2**62, alias="to")


@blueprint.get("")
@require("see")
def page() -> str:
    """All of it; `#policy` is fetched again when the policy changes."""
    query, reads = read_query(PolicyQuery), house().reads
    version = int(reads.store.fact("policy_version") or 0)
    now = policy_history.version_of(reads, version)
    usual = policy_history.shipped()
    compared = None
    if query.before is not None:
        compared = policy_history.diff(_version(query.before), _version(version if query.after is None else query.after))
    return render_template(
        "policy/page.html",
        nav="policy",
        version=version,
        numbers=now or {},
        usual=usual,
        differing=[(name, value) for name, value in (now or {}).items() if usual.get(name) != value],
        history=policy_history.history(reads),
        refused=policy_history.refused(reads),
        told_problems=told_problems,
        compared=compared,
        before=query.before,
        after=version if query.after is None else query.after,
        versions=range(version, 0, -1)[:50],
    )


def _version(number: int) -> dict[str, object]:
    found = policy_history.version_of(house().reads, number)
    if found is None:
        raise WebError(404, "no_version", f"There was no policy {number}.", field="from", hint="/dashboard/policy")
    return found
