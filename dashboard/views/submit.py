"""The form for a new job."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template, request

from dashboard import uploads
from dashboard.api.batch import batch_public
from dashboard.api.jobs import found_job
from dashboard.api.roles import role_public, variables_of
from dashboard.auth import caller, require
from dashboard.context import house
from dashboard.errors import WebError
from dashboard.reads import recipe_of
from engine.catalog import FPS, PRESETS, Preset
from scheduler.batch_file import MAX_ITEMS

CPU_AREA = 384 * 256  # pixels
blueprint = Blueprint("submit", __name__)


@blueprint.get("/submit")
@require("submit")
def page() -> str:
    """Role, variables, length, seed."""
    store, copied = house().reads.store, copy_of(request.args.get("from", ""))
    chosen = copied["role"] if copied else request.args.get("role", "")
    rows = [row for row in store.roles() if row["is_available"]]
    loaded = {row["name"]: store.load_role(row["name"]) for row in rows}
    form = [
        {**role_public(row), "variables": variables_of(role) if (role := loaded[row["name"]]) else []} for row in rows
    ]
    return render_template(
        "submit/page.html",
        nav="submit",
        presets=[preset_card(preset) for preset in PRESETS.values() if is_made_here(preset, house().pulse.last.slots)],
        roles=form,
        copied=copied,
        chosen=chosen if any(role["name"] == chosen for role in form) else (form[0]["name"] if form else ""),
        waiting=len(store.waiting_jobs()),
        bounds=uploads.policy(),
        files=[uploads.public(row) for row in store.uploads_of(caller().actor)],
        used_bytes=store.uploaded_bytes(caller().actor),
    )


@blueprint.get("/submit/batch")
@require("submit")
def batch() -> str:
    """Many videos at once, from JSON profiles; `?key=` shows a batch that was submitted before."""
    key = request.args.get("key", "")
    rows = house().reads.store.batch(caller().actor, key) if key else []
    return render_template(
        "submit/batch.html", nav="submit", most=MAX_ITEMS, key=key if rows else "", before=batch_public(rows) if rows else None,
        bounds=uploads.policy(),
    )  # fmt: skip


def copy_of(job_id: str) -> dict[str, Any] | None:
    """What a new video like another one begins with; None without a job. Raises WebError 403 or 404: words are needed."""
    if not job_id:
        return None
    job = found_job(job_id)
    if not caller().may_read_words(job):
        raise WebError(403, "no_right", "These words are somebody else's.", hint="rights.yaml: see_words")
    recipe = recipe_of(job)
    settings, store, actor = recipe["settings"], house().reads.store, caller().actor
    own = {kind: sha256 for kind in ("portrait", "voice") if store.upload(actor, sha256 := recipe[f"{kind}_sha256"])}
    role = store.load_role(job["role"], job["role_version"])
    kept = set() if role is None else {role.portrait_sha256, role.voice_sha256}
    is_lost = bool(kept) and any(recipe[f"{kind}_sha256"] not in kept for kind in ("portrait", "voice") if kind not in own)
    return {
        "id": job["id"], "role": job["role"], "priority": job["priority"], "degrade": job["degrade"],
        "context": recipe["context"], "seed": settings.get("seed"), "size": settings.get("size"), "steps": settings.get("steps"),
        "duration_sec": round(recipe["voice_seconds"], 2), "fill": recipe.get("fill") or "",
        **own, "is_lost": is_lost,
    }  # fmt: skip


def is_made_here(preset: Preset, slots: list[dict[str, Any]]) -> bool:
    """Can the slots make it? On processors alone, a block of a large picture takes longer than its lease lasts."""
    devices = {slot["device"] for slot in slots if slot.get("device")}
    width, height = (int(side) for side in preset.size.split("*"))
    return devices != {"cpu"} or width * height <= CPU_AREA


def preset_card(preset: Preset) -> dict[str, Any]:
    """A preset for the form. `most_s`: seconds of the longest video; None where the voice alone decides."""
    most = None if preset.clips is None else preset.clips * preset.infer_frames / FPS
    return {"name": preset.name, "size": preset.size, "most_s": most}
