"""What went wrong, as a sentence in the reader's language, with its stable code beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dashboard import i18n
from dashboard.cards import event_card
from dashboard.refusals import told_problems
from dashboard.verification import verdict_words
from scheduler.core.job import JobState

_MAX_TEXT = 300


def error_card(row: Mapping[str, Any]) -> dict[str, Any]:
    """A failure for lists: when, what, `code`, `message` and `hint`. `row`: one of `Reads.recent_errors`."""
    code, hint = code_of(row), row.get("error_hint") if row["action"].startswith("job:") else None
    return {
        **event_card({**row, "outcome": "failure"}),
        "role": row.get("role"),
        "code": code,
        "message": message_of(row, code)[:_MAX_TEXT],
        "hint": _way_out(code, hint, is_rejected=row["action"] == "job:rejected"),
    }


def job_problem(job: Mapping[str, Any], decision: Mapping[str, str] | None = None) -> dict[str, str] | None:
    """`message` and `hint` of a job that failed or was rejected; None for any other. `decision`: in both languages what admission
    said, the way out with it, where it rejected the job; else the code's words are used, which have no figures."""
    english = job.get("error_message") or ""
    if not english and not job.get("error_code"):
        return None
    code = str(job["error_code"])
    if decision:
        return {"message": i18n.both(dict(decision)), "hint": ""}
    way_out = _way_out(code, job.get("error_hint"), is_rejected=job.get("state") == JobState.REJECTED)
    return {"message": _own_words("problem", code, english) or code, "hint": way_out}


def told_failure(shown: Mapping[str, Any]) -> dict[str, str]:
    """`error_message` and `error_hint` of a job for an answer, in the reader's language; nothing where there are none."""
    problem = job_problem(shown)
    return {} if problem is None else {"error_message": problem["message"], "error_hint": problem["hint"]}


def code_of(row: Mapping[str, Any]) -> str:
    """The stable code: the job's error, the cause that the log names, else the kind of event (`vault_lost`)."""
    body = row["body"]
    if row["action"].startswith(("fault:", "heal:")) and body.get("fault"):
        return str(body["fault"])
    known = row.get("error_code") if row["action"].startswith("job:") else None
    return str(known or body.get("kill_cause") or body.get("cause") or row["action"].replace(":", "_").replace("-", "_"))


def message_of(row: Mapping[str, Any], code: str) -> str:
    """The sentence. What a job's engine said of itself is English and exact; Chinese has a sentence per code."""
    if row["action"].startswith("job:"):
        return _own_words("problem", code, row.get("error_message") or "") or i18n.named("action", row["action"])
    body = {"name": row["object"].partition(":")[2], **_texts(row["body"])}
    if row["body"].get("problems"):
        body["message"] = told_problems(row["body"])
    elif row["action"] == "audit:verified":
        body["message"] = verdict_words(row["body"])
    elif row["action"] == "quality:failed" and i18n.language() != "en":
        body["message"] = i18n.named("quality.why", row["body"].get("code"))
    if "problem" in body:
        body["problem"] = i18n.catalogue(i18n.language()).get(f"role.problem.{body['problem']}", body["problem"])
    if row["action"].startswith(("fault:", "heal:")):
        return i18n.named("fault_means", code)
    if row["action"] == "worker:lost":
        return i18n.words("problem.worker_lost", slot=body["name"], cause=i18n.named("cause", code))
    key = f"problem.{row['action'].replace(':', '_').replace('-', '_')}"
    if key in i18n.catalogue("en"):
        return i18n.words(key, **{**_NOTHING, **body})
    said = body.get("message") or body.get("problem") or body.get("error")
    what = " ".join(part for part in (i18n.named("action", row["action"]), body["name"]) if part)
    return f"{what}: {said}" if said else what


_NOTHING = {"strikes": "–", "message": "–", "problem": "–", "error": "–"}  # what an older row may lack


def _texts(body: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in body.items() if isinstance(value, str | int | float)}


def _way_out(code: str, hint: str | None, *, is_rejected: bool) -> str:
    """What to do about it; nothing where admission's sentence, in English, has said it."""
    return "" if is_rejected and i18n.language() == "en" else _own_words("way_out", code, hint or "")


def _own_words(prefix: str, code: str, english: str) -> str:
    """English as it was said, where it was; otherwise the catalogue's words for the code, if it has any."""
    if english and i18n.language() == "en":
        return english
    words = i18n.catalogue(i18n.language())
    return words.get(f"{prefix}.job.{code}") or words.get(f"{prefix}.{code}", english)
