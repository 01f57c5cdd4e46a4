"""Who may do what: the table that is asked at every request, drawn as it is."""

from __future__ import annotations

from flask import Blueprint, render_template

from dashboard.auth import caller, require
from dashboard.context import house

# Rights by what they are about, as rights.yaml has them; a test keeps this list whole.
PARTS = {
    "looking": ("see", "see_words", "see_people", "see_audit", "see_metrics"),
    "own": ("submit", "bring_files", "change_own", "lower_own"),
    "everybody": ("submit_for_others", "change_any", "prioritise", "switch_role", "edit_roles", "run_queue"),
    "videos": ("comment", "judge", "judge_own"),
    "house": ("sign_watermark", "mute_faults", "export", "verify", "manage_people"),
}
blueprint = Blueprint("rights_pages", __name__)


@blueprint.get("/dashboard/rights")
@require("see")
def page() -> str:
    """Rights down, groups across."""
    rights = house().rights
    known = {right for part in PARTS.values() for right in part}
    others = tuple(sorted(set(rights.holders) - known))
    parts = {**PARTS, **({"others": others} if others else {})}
    shown = {part: [right for right in names if right in rights.holders] for part, names in parts.items()}
    return render_template("rights/page.html", nav="rights", rights=rights, parts=shown, mine=caller().group)
