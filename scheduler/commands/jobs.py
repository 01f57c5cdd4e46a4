"""Commands about jobs: submit, again, cancel, pause, resume, priority, consent."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from engine.catalog import SHAPES
from engine.config import Recipe
from scheduler import submission
from scheduler.assets import AssetLibrary
from scheduler.commands.arguments import Arguments
from scheduler.commands.house import Handler, House
from scheduler.context_size import context_bytes
from scheduler.core import events
from scheduler.core.actions import Action, MoveJob
from scheduler.core.job import FINAL_STATES, JobState
from scheduler.core.ladder import AS_ASKED
from scheduler.core.ordering import place_of
from scheduler.door import Actor
from scheduler.errors import SchedulerError
from scheduler.job_ladder import Picture, job_ladder, settings_below
from scheduler.ledger import Turn
from scheduler.memory_kinds import kind_at
from scheduler.own_files import check_owned, named_in, unknown_upload, with_own_files
from scheduler.prompts import remarks_public
from scheduler.store import NewJob
from scheduler.submission import Submission

MAX_KEY = 200
_BASE32 = "0123456789abcdefghjkmnpqrstvwxyz"  # no i, l, o, u: these ids are read aloud


def new_job_id(at: float) -> str:
    """A short id that sorts by time: 8 characters of milliseconds, 4 of chance."""
    milliseconds = int(at * 1000)
    time_part = "".join(_BASE32[(milliseconds >> shift) & 31] for shift in range(35, -5, -5))
    return "j" + time_part + "".join(_BASE32[chance & 31] for chance in secrets.token_bytes(4))


def free_id(turn: Turn) -> str:
    """An id that nobody has: the many jobs of one transaction share their milliseconds."""
    while turn.store.job(job_id := new_job_id(turn.at)) is not None:
        pass
    return job_id


async def submit_job(house: House, actor: Actor, args: Arguments) -> dict[str, Any]:
    """Check, store and queue a request; the same idempotency key gives the same job back."""
    request, key = args.take("request", dict), args.maybe("idempotency_key", str)
    args.done()
    request = {name: value for name, value in request.items() if value is not None}
    submission.check_fields(request)
    check_key(key)
    store = house.ledger.store
    check_owned(store, actor.name, request)
    role = with_own_files(store, request, house.roles.get(request["role"]))
    made = submission.work_out(request, role, house.model, house.weights_sha256(), kv=house.kv())
    fingerprint = fingerprint_of(request)
    own = [sha256 for _, sha256 in named_in(request)]
    return await house.ledger.do(lambda turn: accept(house, turn, made, key, fingerprint, own=own), actor)


async def again(house: House, actor: Actor, args: Arguments) -> dict[str, Any]:
    """Submit a job with another job's recipe, unchanged: same assets, seed, settings and prompt."""
    job_id = args.take("job_id", str)
    args.done()
    row = house.ledger.store.job(job_id)
    if row is None:
        raise unknown_job(job_id)
    made = repeated(house, row)
    return await house.ledger.do(lambda turn: accept(house, turn, made, None, "", again_of=job_id), actor)


def repeated(house: House, row: Mapping[str, Any]) -> Submission:
    """The submission of a job that was made before, as it was. SchedulerError 409 where something of its recipe is gone."""
    job_id = row["id"]
    recipe = replace(Recipe.from_json(json.loads(row["recipe"])), degradations=())  # all of it at the last setting
    here = house.weights_sha256()
    if here and recipe.weights_sha256 and here != recipe.weights_sha256:
        message = f"{job_id} was made with weights {recipe.weights_sha256[:12]}…, loaded are {here[:12]}…."
        hint = "Load the weights of the recipe, or submit the job anew."
        raise SchedulerError(409, "other_weights", message, hint=hint)
    if recipe.model not in SHAPES:
        raise SchedulerError(409, "unknown_model", f"{job_id} was made with {recipe.model}, which is not here.")
    role = house.roles.version(recipe.role, recipe.role_version)
    width, height = row["width"], row["height"]
    settings = recipe.checked_settings()
    if width is None:
        raise SchedulerError(409, "never_started", f"{job_id} was never started, so there is nothing to make again.",
                             hint="Wait until it has finished.")  # fmt: skip
    _check_files(house, recipe, job_id)
    return Submission(
        user=row["user"], role=role, priority=row["priority"], degrade="never", total_blocks=row["total_blocks"],
        context_bytes=context_bytes(recipe.model, width, height, settings, house.kv()),
        width=width, height=height, recipe=recipe,
    )  # fmt: skip


def _check_files(house: House, recipe: Recipe, job_id: str) -> None:
    """409 where a file that the recipe names is no longer in the library: another face or voice is never shown instead."""
    library = AssetLibrary(house.data_dir)
    named = {"portrait": recipe.portrait_sha256, "voice": recipe.voice_sha256}
    for thing, sha256 in named.items():
        if not library.path_of(sha256).is_file():
            message = f"The {thing} that {job_id} was made with is not here any more."
            hint = "Submit a new video, or bring the same file again."
            raise SchedulerError(409, "asset_missing", message, field="id", hint=hint)


def accept(
    house: House, turn: Turn, made: Submission, key: str | None, fingerprint: str, *, again_of: str | None = None,
    own: Sequence[str] = (),
) -> dict[str, Any]:  # fmt: skip
    """In the transaction: job row, the core's decision, idempotency key. `own`: files of people that it is made with."""
    if key is not None and (earlier := turn.store.job_of_key(turn.actor.name, key)) is not None:
        answer = same_again(turn, earlier, key, fingerprint)
    elif made.preview is None:
        return _enter(house, turn, made, free_id(turn), key, fingerprint, again_of=again_of, own=own)
    else:
        answer = _with_preview(house, turn, made, made.preview, key, fingerprint, own)
    return {**answer, **_preview_of(house, turn, answer["id"])}


def _with_preview(
    house: House, turn: Turn, made: Submission, cheap: Submission, key: str | None, fingerprint: str, own: Sequence[str]
) -> dict[str, Any]:  # fmt: skip
    """The job that waits, then its preview: a job that is rejected leaves none. SchedulerError takes both back."""
    job_id, preview_id = (f"{new_job_id(turn.at)[:-1]}{last}" for last in "01")  # side by side, and never the same
    answer = _enter(house, turn, made, job_id, key, fingerprint, own=own, preview=preview_id)
    if answer["state"] == JobState.REJECTED:
        return answer
    preview = _enter(house, turn, cheap, preview_id, None, "", own=own)
    if preview["state"] == JobState.REJECTED:
        decision = preview["decision"] or {}
        said = decision.get("text") or {"en": "", "zh": ""}
        text = {
            "en": f"Its preview cannot be made: {said['en']}", "zh": f"无法制作其预览：{said['zh']}也可不经预览提交。",
        }  # fmt: skip
        raise SchedulerError(
            409, str(decision.get("reason")), text["en"], field="preview_first",
            hint="Or submit it without a preview.", text=text,
        )  # fmt: skip
    return {**_answer(turn, job_id, []), "warnings": answer["warnings"], "remarks": answer["remarks"]}


def _enter(
    house: House, turn: Turn, made: Submission, job_id: str, key: str | None, fingerprint: str, *,
    again_of: str | None = None, own: Sequence[str] = (), preview: str = "",
) -> dict[str, Any]:  # fmt: skip
    """One job: its row, the core's decision, its key. `preview`: the job that it waits for."""
    ordinal = turn.store.next_ordinal()
    role = made.role
    recipe = made.recipe.to_json()
    times = {**_times(house, turn, made, recipe), "preview": preview}
    job = NewJob(
        id=job_id, ordinal=ordinal, user=made.user, team=role.team, role=role.name, role_version=role.version,
        priority=made.priority, degrade=made.degrade, total_blocks=made.total_blocks, context_bytes=made.context_bytes,
        submitted_at=turn.at, recipe=recipe, width=made.width, height=made.height, again_of=again_of,
        **times,
    )  # fmt: skip
    for sha256 in own:
        if turn.store.upload(turn.actor.name, sha256) is None:
            raise unknown_upload("file", sha256)  # removed a moment ago
    turn.has_changed = True
    turn.store.insert_job(job, turn.actor, turn.at, idempotency_key=key, request_sha256=fingerprint)
    for sha256 in own:
        turn.store.note_use(sha256, job_id)
    if again_of:
        turn.store.copy_uses(again_of, job_id)
    actions = turn.apply(
        events.JobSubmitted(
            at=turn.at, job_id=job_id, ordinal=ordinal, user=made.user, team=role.team, role=role.name,
            priority=made.priority, total_blocks=made.total_blocks, context_bytes=made.context_bytes, degrade=made.degrade,
            follows_end=_end_of(turn, made.follows), **settings_of(house, turn, made, is_fixed=again_of is not None), **times,
        )
    )  # fmt: skip
    return {**_answer(turn, job_id, actions), **warned(made)}


def _times(house: House, turn: Turn, made: Submission, recipe: dict[str, Any]) -> dict[str, Any]:
    """Predicted pace and wanted times; what was never measured has the pace that the standard preset promises."""
    times: dict[str, Any] = {
        name: None if ahead_s is None else turn.at + ahead_s
        for name, ahead_s in (("deadline", made.deadline_s), ("start_at", made.start_in_s))
    }
    times["follows"] = made.follows
    pace = house.pace().block_ms(recipe, made.width, made.height)
    return times if pace is None else {**times, "block_ms": pace}


def _end_of(turn: Turn, job_id: str) -> str:
    """The state in which a job ended; empty for one that is open, or that nobody knows."""
    row = turn.store.job(job_id) if job_id else None
    return str(row["state"]) if row is not None and row["state"] in FINAL_STATES else ""


def settings_of(house: House, turn: Turn, made: Submission, *, is_fixed: bool) -> dict[str, Any]:
    """What could be offered or named in a refusal, and whose measured memory counts. `is_fixed`: only as it was made."""
    picture = Picture(width=made.role.image_width, height=made.role.image_height)
    workers = [slot.active.ready for slot in house.supervisor.slots if slot.active is not None]
    kinds = kind_at(turn.state.memory, made.recipe.model, workers)
    settings, kv = made.recipe.settings, house.kv()
    if is_fixed:  # its own size, and no other: its portrait may have been one of a person's
        own = () if kinds is None else ((AS_ASKED, kinds(made.width, made.height, settings["steps"])),)
        return {"alternatives": (), "memory": own}
    return settings_below(job_ladder(made.recipe.model, settings, picture, kv=kv, kind_at=kinds))


def same_again(turn: Turn, earlier: dict[str, Any], key: str, fingerprint: str) -> dict[str, Any]:
    """The answer to a key that was used before. SchedulerError 409 where it was for another request."""
    if earlier["request_sha256"] != fingerprint:
        raise SchedulerError(409, "key_reused", f"The idempotency key {key!r} was used for another request.",
                             field="Idempotency-Key", hint="Use a new key for a new request.")  # fmt: skip
    return {**_answer(turn, earlier["job_id"], []), "warnings": [], "remarks": []}


def _answer(turn: Turn, job_id: str, actions: list[Action]) -> dict[str, Any]:
    if (job := turn.state.jobs.get(job_id)) is not None:
        state = str(job.state)
    else:  # it has ended
        row = turn.store.job(job_id)
        assert row is not None
        state = row["state"]
    moves = [action for action in actions if isinstance(action, MoveJob) and action.job_id == job_id]
    decisions = [move.body["decision"] for move in moves if "decision" in move.body]
    decision = decisions[0] if decisions else _first_decision(turn, job_id)
    place = place_of(turn.state, job_id) if state == JobState.QUEUED else None
    return {
        "id": job_id,
        "state": state,
        "place": None if place is None else {"place": place[0], "of": place[1]},
        "estimate": None,  # whoever asks a person's question asks the forecaster next; the daemon waits for nobody
        "decision": decision,
    }


def _preview_of(house: House, turn: Turn, job_id: str) -> dict[str, Any]:
    """Of a job that waits for the approval of its preview: that one, and the GPU seconds predicted of each, where measured."""
    row = turn.store.job(job_id)
    cheap = turn.store.job(row["preview"]) if row is not None and row["preview"] else None
    if row is None or cheap is None:
        return {}
    place = place_of(turn.state, cheap["id"]) if cheap["state"] == JobState.QUEUED else None
    shown = {"id": cheap["id"], "state": cheap["state"], "place": None if place is None else {"place": place[0], "of": place[1]}}
    return {"preview": shown, "cost": {"preview_gpu_s": _gpu_s(house, cheap), "gpu_s": _gpu_s(house, row)}}


def _gpu_s(house: House, row: Mapping[str, Any]) -> float | None:
    return house.pace().gpu_seconds(json.loads(row["recipe"]), row["width"], row["height"], row["total_blocks"])


def _first_decision(turn: Turn, job_id: str) -> dict[str, Any] | None:
    """What admission said when the job was submitted."""
    for entry in turn.store.story(f"job:{job_id}"):
        if "decision" in entry["body"]:
            decision: dict[str, Any] = entry["body"]["decision"]
            return decision
    return None


def warned(made: Submission) -> dict[str, Any]:
    """What the person should know, in an answer: `warnings`, English sentences, and `remarks`, their codes and figures."""
    return {"warnings": list(made.warnings), "remarks": remarks_public(made.warnings)}


def fingerprint_of(request: dict[str, Any]) -> str:
    """What tells one request from another."""
    return hashlib.sha256(json.dumps(request, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def check_key(key: str | None) -> None:
    """SchedulerError 422 for an idempotency key that is empty or too long."""
    if key is not None and not 0 < len(key) <= MAX_KEY:
        raise SchedulerError(422, "bad_request", f"An idempotency key has 1 to {MAX_KEY} characters.", field="Idempotency-Key")


def unknown_job(job_id: str) -> SchedulerError:
    """404 that says how to find jobs."""
    return SchedulerError(404, "unknown_job", f"There is no job {job_id!r}.", field="id", hint="See: role_scheduler jobs.")


def _wish(make: Any) -> Handler:
    """A handler for a wish about one job that is nothing but an event for the core."""

    async def handler(house: House, actor: Actor, args: Arguments) -> dict[str, Any]:
        job_id = args.take("job_id", str)
        event = make(job_id, args)
        args.done()

        def act(turn: Turn) -> dict[str, Any]:
            if turn.store.job(job_id) is None:
                raise unknown_job(job_id)
            return _answer(turn, job_id, turn.apply(event(turn.at)))

        return await house.ledger.do(act, actor)

    return handler


def _priority(job_id: str, args: Arguments) -> Any:
    priority = args.take("priority", int)
    reason = args.maybe("reason", str) or ""
    if not 0 <= priority <= 100:
        raise SchedulerError(422, "bad_request", f"priority {priority} is outside 0 … 100.", field="priority")
    return lambda at: events.PriorityChanged(at=at, job_id=job_id, priority=priority, reason=reason)


def _consent(job_id: str, args: Arguments) -> Any:
    is_agreed = args.take("is_agreed", bool)
    return lambda at: events.ConsentAnswered(at=at, job_id=job_id, is_agreed=is_agreed)


JOB_COMMANDS: dict[str, Handler] = {
    "submit_job": submit_job,
    "again": again,
    "cancel_job": _wish(lambda job_id, _: lambda at: events.CancelRequested(at=at, job_id=job_id)),
    "pause_job": _wish(lambda job_id, _: lambda at: events.PauseRequested(at=at, job_id=job_id)),
    "resume_job": _wish(lambda job_id, _: lambda at: events.ResumeRequested(at=at, job_id=job_id)),
    "set_priority": _wish(_priority),
    "consent": _wish(_consent),
}
