"""The page of one's own password."""

from __future__ import annotations

from flask import Blueprint, render_template

from dashboard import passwords
from dashboard.auth import caller, require
from dashboard.context import house

blueprint = Blueprint("password_pages", __name__)


@blueprint.get("/password")
@require("see")
def page() -> str:
    """Set a password, or change it; a caller without a sign-in is told how to get one."""
    principal = caller()
    kept = house().reads.store.password(principal.name) if principal.kind == "session" else None
    return render_template(
        "people/password.html", nav="", is_session=principal.kind == "session", since=kept["changed_at"] if kept else None,
        least=passwords.LEAST, most=passwords.MOST,
    )  # fmt: skip
