"""Wishes about a job or a slot: cancel, pause, resume, priority, consent, queue, switch."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from scheduler.cli.output import AsJson, print_json, say
from scheduler.cli.place import DEFAULT_DATA, DataDir, bad_usage, door, parse_pairs

JobId = Annotated[str, typer.Argument(metavar="JOB", help="The job's id, as `jobs` shows it.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (cancel, pause, resume, priority, consent, switch, queue, drain):
        app.command(name=command.__name__)(command)


def _answer(answer: dict[str, Any], text: str, as_json: bool) -> None:
    if as_json:
        print_json(answer)
    else:
        say(text)


def _job_text(job_id: str, answer: dict[str, Any], wish: str) -> str:
    return f"{job_id}: {wish}; now {answer['state']}"


def cancel(job: JobId, data: DataDir = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """End a job; a running one stops at its next block."""
    answer = door(data).cancel(job)
    _answer(answer, _job_text(job, answer, "cancel asked for"), as_json)


def pause(job: JobId, data: DataDir = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Let a job wait; a running one stops at its next block and loses nothing."""
    answer = door(data).pause(job)
    _answer(answer, _job_text(job, answer, "pause asked for"), as_json)


def resume(job: JobId, data: DataDir = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Let a paused job go on."""
    answer = door(data).resume(job)
    _answer(answer, _job_text(job, answer, "resumed"), as_json)


def priority(
    job: JobId,
    value: Annotated[int, typer.Argument(metavar="PRIORITY", help="0 to 100.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it is written into the audit.")] = "",
    data: DataDir = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Give a job another priority."""
    answer = door(data).set_priority(job, value, reason)
    _answer(answer, _job_text(job, answer, f"priority {value}"), as_json)


def consent(
    job: JobId,
    is_agreed: Annotated[bool | None, typer.Option("--agree/--refuse", help="The answer.", show_default=False)] = None,
    data: DataDir = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Answer a job that asks whether it may be made at a lower rung."""
    if is_agreed is None:
        raise bad_usage("An answer is missing.", field="consent", hint="Say --agree or --refuse.")
    answer = door(data).consent(job, is_agreed)
    _answer(answer, _job_text(job, answer, "agreed" if is_agreed else "refused"), as_json)


def queue(
    wish: Annotated[str, typer.Argument(metavar="pause|resume", help="What to do with the queue.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; people who wait will read it.")] = "",
    data: DataDir = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Start nothing new, or start jobs again; what runs goes on."""
    if wish not in ("pause", "resume"):
        raise bad_usage(f"queue {wish!r} is unknown.", field="queue", hint="Use pause or resume.")
    answer = door(data).pause_queue(reason) if wish == "pause" else door(data).resume_queue()
    _answer(answer, f"queue: {wish}d", as_json)


def drain(
    slot: Annotated[int, typer.Argument(min=0, help="Number of the slot, as `status` shows it.")],
    is_back: Annotated[bool, typer.Option("--back", help="Give it work again.")] = False,
    data: DataDir = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Give a slot no new work; what runs there goes on to its end."""
    answer = door(data).drain_slot(slot, is_drained=not is_back)
    kept = ", ".join(cause for cause in answer["for"] if cause != "person")
    if not answer["drained"]:
        text = "takes work again"
    elif is_back:
        text = f"is given back, but takes no work yet ({kept})"
    else:
        text = "takes no new work"
    _answer(answer, f"slot {slot} {text}", as_json)


def switch(
    role: Annotated[str, typer.Argument(help="The role to make ready.")],
    context: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Variables of its prompt.")
    ] = None,
    slot: Annotated[int | None, typer.Option("--slot", help="On which slot; without it the scheduler chooses.")] = None,
    data: DataDir = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Make a role ready on a slot: prompt, portrait and voice prepared, no weights reloaded, no running job touched."""
    answer = door(data).switch_role(role, parse_pairs(context), slot)
    text = (
        f"{answer.get('role', role)} is ready on slot {answer.get('slot')}: tier {answer.get('tier')},"
        f" switched in {answer.get('switch_ms', 0):.1f} ms, prepared in {answer.get('prepare_ms', 0):.1f} ms"
    )
    _answer(answer, f"{text}\nprompt: {answer.get('prompt', '')}", as_json)
