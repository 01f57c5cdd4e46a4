"""Roles: what there is, a whole new registry, portraits, and trying a prompt without making anything."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, jsonify, send_file

from dashboard.api.body import read_body
from dashboard.api.models import PreviewPrompt, PutRoles
from dashboard.api.openapi import documented
from dashboard.auth import require
from dashboard.context import house
from dashboard.door import door
from dashboard.errors import WebError
from dashboard.overview import never_with
from dashboard.refusals import told_remarks
from dashboard.uploads import told_warning
from engine.catalog import PROMPT_BYTES
from scheduler.core.role_problem import RoleProblem, sentence
from scheduler.prompts import prompt_plan, remarks_public, render
from scheduler.registry import Role, Variable

blueprint = Blueprint("roles", __name__)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MAGIC = ((b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n", "image/png"), (b"RIFF", "image/webp"))
_ASSET_CACHE_S = 86_400


def role_public(row: dict[str, Any]) -> dict[str, Any]:
    """A role for lists and pages."""
    body = row["body"]
    return {
        "name": row["name"], "version": row["version"], "is_available": row["is_available"],
        "problem": None if row["is_available"] else sentence(row["problem"]),
        "problem_code": row["problem"] if row["problem"] in set(RoleProblem) else None,
        "title": body.get("title") or row["name"],
        "created_at": row["created_at"], "priority": body.get("priority"), "style": body.get("style"),
        "preset": body.get("preset"), "team": body.get("team"), "voice_seconds": body.get("voice_seconds"),
        "prompt_template": body.get("prompt_template"), "defaults": body.get("defaults") or {},
        "never_with": never_with(body), "portrait": f"/roles/{row['name']}/portrait",
    }  # fmt: skip


def variables_of(role: Role) -> list[dict[str, Any]]:
    """What a form asks for: name, the default where there is one, whether it must be given, and what fits."""
    plan = prompt_plan(role, role.style)
    defaults = {**role.book.defaults, **role.defaults}
    asked = []
    for name in plan.variables:
        kind = role.variables.get(name) or Variable(name=name)
        asked.append({
            "name": name, "default": defaults.get(name, ""), "is_required": name in plan.required, "kind": kind.kind,
            "choices": list(kind.choices), "minimum": kind.minimum, "maximum": kind.maximum, "max_length": kind.max_length,
        })  # fmt: skip
    return asked


def found_role(name: str) -> dict[str, Any]:
    """The role's row. Raises WebError 404."""
    row = house().reads.store.role(name)
    if row is None:
        raise WebError(404, "unknown_role", f"There is no role {name!r:.60}.", field="role", hint="GET /roles lists them.")
    return row


@blueprint.get("/roles")
@documented("roles")
@require("see")
def list_roles() -> Response:
    """Every role, by name; removed ones are not available and say why."""
    return jsonify({"roles": [role_public(row) for row in house().reads.store.roles()]})


@blueprint.put("/roles")
@documented("roles", body=PutRoles)
@require("edit_roles")
def put_roles() -> Response:
    """Replace the registry. Running jobs keep the version they began with; every version is kept."""
    answer = door().put_roles(read_body(PutRoles).text)
    return jsonify({**answer, "warnings": [told_warning(text) for text in answer["warnings"]]})


@blueprint.get("/roles/<name>")
@documented("roles")
@require("see")
def get_role(name: str) -> Response:
    """One role with what it has done."""
    row = found_role(name)
    return jsonify({**role_public(row), "stats": house().reads.store.role_stats(row["name"])})


@blueprint.post("/roles/<name>/preview")
@documented("roles", body=PreviewPrompt)
@require("see")
def preview(name: str) -> Response:
    """The prompt as it would be rendered with these variables; nothing is made. `warnings`: what looks wrong, or is not read."""
    wish = read_body(PreviewPrompt)
    role = house().reads.store.load_role(found_role(name)["name"])
    assert role is not None, "a role that is listed has a version"
    model = (house().pulse.last.status.get("daemon") or {}).get("model", "")
    rendered = render(role, dict(wish.context), read_bytes=PROMPT_BYTES.get(model))
    remarks = remarks_public(rendered.warnings)
    warnings = told_remarks(rendered.warnings, remarks)
    return jsonify({"prompt": rendered.prompt, "used": dict(rendered.used), "warnings": warnings, "remarks": remarks})


@blueprint.get("/roles/<name>/portrait")
@documented("roles")
@require("see")
def portrait(name: str) -> Response:
    """The role's portrait."""
    return _send_asset(found_role(name)["body"].get("portrait_sha256") or "")


def _send_asset(sha256: str) -> Response:
    """A picture by its content hash; what is no picture is not shown."""
    path: Path = house().settings.data_dir / "assets" / sha256[:2] / sha256
    if not _SHA256.fullmatch(sha256) or not path.is_file():
        raise WebError(404, "no_portrait", "This portrait is not there.", hint="Load the roles again.")
    with path.open("rb") as file:
        head = file.read(16)
    mime = next((kind for magic, kind in _MAGIC if head.startswith(magic)), None)
    if mime is None:
        raise WebError(404, "no_portrait", "This asset is no picture.")
    return send_file(path.resolve(), mimetype=mime, conditional=True, etag=sha256, max_age=_ASSET_CACHE_S)
