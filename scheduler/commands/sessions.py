"""A whole session at once: an ordered relay of roles, of which each part begins where the one before it ends."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from scheduler import submission
from scheduler.batch_file import is_name
from scheduler.commands.arguments import Arguments
from scheduler.commands.house import Handler, House
from scheduler.commands.jobs import accept, check_key, fingerprint_of
from scheduler.core.job import JobState
from scheduler.door import Actor
from scheduler.errors import SchedulerError
from scheduler.ledger import Turn
from scheduler.own_files import check_owned, named_in, with_own_files
from scheduler.submission import Submission, bad_request

LEAST_PARTS, MOST_PARTS = 2, 50
_COUNTED = {"queue_full", "quota_spent"}  # refusals that count jobs: those of the session itself among them
_BEFORE = "the part before it"  # stands for an id that the part before it has not got yet


async def submit_session(house: House, actor: Actor, args: Arguments) -> dict[str, Any]:
    """Submit the parts, all of them or none: `{"id": the first part's, "parts": [answers of submit_job]}`.

    The same key with the same parts gives the same jobs back.
    """
    parts, key = args.take("parts", list), args.maybe("idempotency_key", str)
    args.done()
    check_key(key)
    if not LEAST_PARTS <= len(parts) <= MOST_PARTS:
        message = f"A session has {LEAST_PARTS} to {MOST_PARTS} parts, not {len(parts)}."
        hint = "Divide it into several." if parts[1:] else "One part alone is a job: role_scheduler submit, over HTTP POST /jobs."
        raise SchedulerError(422, "bad_session_size", message, field="parts", hint=hint,
                             least=LEAST_PARTS, most=MOST_PARTS, count=len(parts))  # fmt: skip
    made = [_worked_out(house, actor, number, part) for number, part in enumerate(parts, start=1)]
    fingerprint = fingerprint_of({"session": [request for request, _ in made]})  # other parts are another session

    def act(turn: Turn) -> dict[str, Any]:
        answers: list[dict[str, Any]] = []
        for number, (request, one) in enumerate(made, start=1):
            after = replace(one, follows=str(answers[-1]["id"]) if answers else "")
            own_key = None if key is None else f"{key}:part{number}"
            own = [sha256 for _, sha256 in named_in(request)]
            answer = accept(house, turn, after, own_key, fingerprint, own=own)
            if answer["state"] == JobState.REJECTED:
                raise _rejected(number, request, answer["decision"] or {}, [str(one["id"]) for one in answers])
            answers.append(answer)
        return {"id": answers[0]["id"], "parts": answers}

    return await house.ledger.do(act, actor)


def _worked_out(house: House, actor: Actor, number: int, part: Any) -> tuple[dict[str, Any], Submission]:
    if not isinstance(part, dict):
        raise bad_request(f"Part {number} is no request.", "parts", "Write an object with a role.")
    request = {name: value for name, value in part.items() if value is not None}
    try:
        if "follows" in request:
            raise bad_request(
                "The order of the list says what follows what.", "follows", "Leave follows out.", problem="session_order"
            )
        asked = request if number == 1 else {**request, "follows": _BEFORE}
        submission.check_fields(asked)
        if number == 1 and request.get("preview_first"):
            raise bad_request(
                "A session is played at once: nobody knows when a preview will be approved.", "preview_first",
                "Leave preview_first out.", code="preview_unplanned",
            )  # fmt: skip
        store = house.ledger.store
        check_owned(store, actor.name, request)
        role = with_own_files(store, request, house.roles.get(request["role"]))
        return request, submission.work_out(asked, role, house.model, house.weights_sha256(), kv=house.kv())
    except SchedulerError as error:
        raise _of_part(number, request, error) from error


def _of_part(number: int, request: dict[str, Any], error: SchedulerError) -> SchedulerError:
    """The same refusal, with the part that it is about."""
    role = request.get("role")
    name = f" ({role})" if isinstance(role, str) and is_name(role) else ""
    return SchedulerError(
        error.status, error.code, f"Part {number}{name}: {error.message}", field=error.field, hint=error.hint,
        **{**error.data, "part": number},
    )  # fmt: skip


def _rejected(number: int, request: dict[str, Any], decision: dict[str, Any], before: list[str]) -> SchedulerError:
    """Admission rejects a part: nothing was submitted, so the ids of the parts `before` it mean nothing to anybody."""
    said = {"en": "", "zh": "", **(decision.get("text") or {})}
    for place, job_id in enumerate(before, start=1):
        said = {"en": said["en"].replace(job_id, f"part {place}"), "zh": said["zh"].replace(job_id, f"第 {place} 段")}
    text = {
        "en": f"Part {number} ({request['role']}) is refused, so nothing was submitted: {said['en']}",
        "zh": f"第 {number} 段（{request['role']}）被拒绝，因此什么也没有提交：{said['zh']}",
    }  # fmt: skip
    if before and decision.get("reason") in _COUNTED:
        text = {"en": f"{text['en']} The parts before it are counted.", "zh": f"{text['zh']}其中已计入前面各段。"}
    return SchedulerError(
        409, "session_refused", text["en"], field="parts", text=text, part=number, reason=decision.get("reason"),
    )  # fmt: skip


SESSION_COMMANDS: dict[str, Handler] = {"submit_session": submit_session}
