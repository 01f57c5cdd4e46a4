"""Commands about videos: notes at a moment, answers, verdicts. Who may is the web's to know; what is sound is ours."""

from __future__ import annotations

import math
from typing import Any

from scheduler.commands.arguments import Arguments
from scheduler.commands.house import Handler, House
from scheduler.core import events
from scheduler.core.job import JobState
from scheduler.door import Actor
from scheduler.errors import SchedulerError
from scheduler.ledger import Turn

MAX_NOTE, MAX_REASON = 1000, 500  # characters
MAX_NOTES = 500  # of one job
END_TOLERANCE_S = 0.5  # a player stands a little behind the last frame: the file's sound is longer than its pictures
DEEDS = {"resolve": "resolved", "reopen": "open", "retract": "retracted"}
VERDICTS = ("approved", "rejected")


async def write_note(house: House, actor: Actor, args: Arguments) -> dict[str, Any]:
    """A note about a moment of a job's video (`video_s`; without it about all of it), or an answer to one (`answers`)."""
    job_id, text = args.take("job_id", str), plain(args.take("text", str), "text", 1, MAX_NOTE)
    video_s, answers = args.maybe("video_s", object), args.maybe("answers", int)
    args.done()
    moment = _moment(video_s)

    def act(turn: Turn) -> dict[str, Any]:
        _job(turn, job_id)
        if turn.store.note_count(job_id) >= MAX_NOTES:
            raise SchedulerError(409, "too_many_notes", f"{job_id} has {MAX_NOTES} notes already.")
        if answers is not None:
            at_s, root = None, _answered(turn, job_id, answers)
        else:
            at_s, root = _within(turn, job_id, moment), None
        number = turn.store.write_note(job_id, text, turn.actor, turn.at, video_s=at_s, answers=root)
        turn.has_changed = True
        return {"number": number, "job_id": job_id, "video_s": at_s, "answers": root}

    return await house.ledger.do(act, actor)


async def change_note(house: House, actor: Actor, args: Arguments) -> dict[str, Any]:
    """Resolve a note, open it again, or retract one's own."""
    job_id, number, deed = args.take("job_id", str), args.take("number", int), args.take("deed", str)
    args.done()
    if deed not in DEEDS:
        hint = f"Use {', '.join(DEEDS)}."
        raise SchedulerError(422, "bad_request", f"{deed!r:.60} cannot be done to a note.", field="deed", hint=hint)

    def act(turn: Turn) -> dict[str, Any]:
        _job(turn, job_id)
        note = _note(turn, job_id, number)
        if deed == "retract" and note["author"] != turn.actor.name:
            raise SchedulerError(403, "not_author", f"Note {number} is somebody else's.", hint="Its author may retract it.")
        if deed != "retract" and note["answers"] is not None:
            raise SchedulerError(409, "note_is_answer", f"Note {number} is an answer.", hint="Resolve the note that it answers.")
        turn.store.change_note(number, DEEDS[deed], turn.actor, turn.at)
        turn.has_changed = True
        return {"number": number, "job_id": job_id, "state": DEEDS[deed]}

    return await house.ledger.do(act, actor)


async def judge(house: House, actor: Actor, args: Arguments) -> dict[str, Any]:
    """Approve or reject a finished video; `before` is the number of the verdict that the judge saw (0: none).

    Jobs that wait for the approval of this video are let into the line, or end. A job that waits itself may be named in place of
    its preview; where there is no video of that one, the job goes on without.
    """
    job_id, verdict, before = args.take("job_id", str), args.take("verdict", str), args.take("before", int)
    reason = plain(args.maybe("reason", str) or "", "reason", 0, MAX_REASON)
    args.done()
    if verdict not in VERDICTS:
        hint = f"Use {', '.join(VERDICTS)}."
        raise SchedulerError(422, "bad_request", f"{verdict!r:.60} is no verdict.", field="verdict", hint=hint)
    if verdict == "rejected" and not reason:
        raise SchedulerError(422, "reason_missing", "A rejection says why.", field="reason", hint="Say what should be different.")

    def act(turn: Turn) -> dict[str, Any]:
        job = _job(turn, job_id)
        if job["preview"] and job["approved_at"] is None and job["state"] == JobState.QUEUED:
            if job["preview_end"] != JobState.SUCCEEDED:
                return {"job_id": job_id, "verdict": verdict, "number": 0, "waiting": [_let_go(turn, job_id, verdict)]}
            job = _job(turn, job["preview"])
        if job["state"] != JobState.SUCCEEDED:
            raise SchedulerError(409, "not_finished", f"{job_id} has no finished video to judge.", hint="Wait until it is done.")
        number = turn.store.keep_verdict(job["id"], verdict, reason, before, turn.actor, turn.at)
        turn.has_changed = True
        waiting = [_let_go(turn, waits, verdict) for waits in turn.store.waiting_for_preview(job["id"])]
        return {"job_id": job["id"], "verdict": verdict, "number": number, "waiting": waiting}

    return await house.ledger.do(act, actor)


def _let_go(turn: Turn, job_id: str, verdict: str) -> dict[str, Any]:
    """What the verdict makes of a job that waited for it."""
    turn.apply(events.PreviewJudged(at=turn.at, job_id=job_id, is_approved=verdict == "approved"))
    return {"id": job_id, "state": _job(turn, job_id)["state"]}


def plain(text: str, field: str, least: int, most: int) -> str:
    """Text without space around it and with one kind of line end. Raises SchedulerError for one that is too short, too long
    or has other control characters."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if not least <= len(text) <= most:
        size = f"at most {most}" if not least else f"{least} to {most}"
        message = f"{field} has {len(text)} characters; {size} are taken."
        problem = "long_text" if len(text) > most else "short_text"
        raise SchedulerError(422, "bad_request", message, field=field, problem=problem, least=least, most=most)
    if not all(_is_text(letter) for letter in text):
        message = f"{field} has characters that are no text."
        raise SchedulerError(422, "bad_request", message, field=field, problem="odd_character")
    return text


def _is_text(letter: str) -> bool:
    code = ord(letter)
    return letter in "\n\t" or (code >= 32 and not 127 <= code < 160 and not 0xD800 <= code < 0xE000)


def _moment(value: object) -> float | None:
    if value is None:
        return None
    if not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise SchedulerError(422, "bad_request", f"video_s {value!r:.60} is no moment of a video.", field="video_s",
                             hint="Seconds from its beginning, such as 3.2.")  # fmt: skip
    return float(value)


def _within(turn: Turn, job_id: str, moment: float | None) -> float | None:
    """The moment, as far as the video goes by now."""
    made = turn.store.made_seconds(job_id)
    if made <= 0:
        raise SchedulerError(409, "no_video_yet", f"{job_id} has no block of video yet.", hint="Wait for its first block.")
    if moment is None:
        return None
    if moment > made + END_TOLERANCE_S:
        raise SchedulerError(422, "beyond_the_end", f"{moment:g} s is beyond the end: {job_id} has {made:g} s of video so far.",
                             field="video_s")  # fmt: skip
    return round(min(moment, made), 3)


def _job(turn: Turn, job_id: str) -> dict[str, Any]:
    job = turn.store.job(job_id)
    if job is None:
        raise SchedulerError(404, "unknown_job", f"There is no job {job_id!r:.60}.", field="id", hint="See: role_scheduler jobs.")
    return job


def _note(turn: Turn, job_id: str, number: int) -> dict[str, Any]:
    note = turn.store.note(number) if 0 < number < 1 << 60 else None
    if note is None or note["job_id"] != job_id:
        raise SchedulerError(404, "unknown_note", f"{job_id} has no note {number}.", field="number")
    return note


def _answered(turn: Turn, job_id: str, number: int) -> int:
    """The note that begins the talk: an answer to an answer belongs to the same talk."""
    note = _note(turn, job_id, number)
    root = note if note["answers"] is None else _note(turn, job_id, note["answers"])
    if root["state"] == "retracted":
        raise SchedulerError(409, "note_retracted", f"Note {number} was retracted.", hint="Write a note of its own.")
    return int(root["id"])


REVIEW_COMMANDS: dict[str, Handler] = {"write_note": write_note, "change_note": change_note, "judge": judge}
