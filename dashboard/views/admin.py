"""People who may sign in, their groups, and API tokens."""

from __future__ import annotations

from flask import Blueprint, render_template

from dashboard.api.people import people_rows
from dashboard.auth import require
from dashboard.context import house

blueprint = Blueprint("admin_pages", __name__, url_prefix="/dashboard/people")


@blueprint.get("")
@require("manage_people")
def page() -> str:
    """The list, and the forms for a link and for a token; `#people` is fetched again when somebody was changed."""
    return render_template(
        "people/admin.html",
        nav="people",
        people=people_rows(),
        groups=[group for group in house().rights.groups if group != "local"],
    )
