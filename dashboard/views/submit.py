"""The form for a new job."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from dashboard.api.roles import role_public, variables_of
from dashboard.auth import require
from dashboard.context import house

blueprint = Blueprint("submit", __name__)


@blueprint.get("/submit")
@require("submit")
def page() -> str:
    """Role, variables, length, seed."""
    store, chosen = house().reads.store, request.args.get("role", "")
    rows = [row for row in store.roles() if row["is_available"]]
    loaded = {row["name"]: store.load_role(row["name"]) for row in rows}
    form = [
        {**role_public(row), "variables": variables_of(role) if (role := loaded[row["name"]]) else []} for row in rows
    ]
    return render_template(
        "submit/page.html",
        nav="submit",
        roles=form,
        chosen=chosen if any(role["name"] == chosen for role in form) else (form[0]["name"] if form else ""),
        waiting=len(store.waiting_jobs()),
    )
