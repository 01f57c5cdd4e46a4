"""`POST /switch_role`: make a role ready on a slot (requirements A2). Touches no running job of anybody."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from dashboard.api.body import read_body
from dashboard.api.models import Switched, SwitchRole
from dashboard.api.openapi import documented
from dashboard.auth import require
from dashboard.door import door

blueprint = Blueprint("switch", __name__)


@blueprint.post("/switch_role")
@documented("roles", body=SwitchRole, gives=Switched)
@require("switch_role")
def switch_role() -> Response:
    """Prompt, portrait and voice prepared, weights kept; `tier` says what it took: gpu, host or prepared."""
    wish = read_body(SwitchRole)
    return jsonify(door().switch_role(wish.role, dict(wish.context), wish.slot))
