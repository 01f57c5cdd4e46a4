"""`submit`: ask the scheduler for one video of one role."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.catalog import PRESETS
from scheduler.cli import flags as published
from scheduler.cli.exits import ExitCode
from scheduler.cli.follow import wait_for
from scheduler.cli.forecast import show_what_if, told_text
from scheduler.cli.output import AsJson, note, print_json, say
from scheduler.cli.place import DEFAULT_DATA, DataDir, bad_usage, door, house_time, parse_pairs
from scheduler.clock import house_now
from scheduler.core.job import JobState
from scheduler.forecasts import Forecasts

_CONTENT = "Content"


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(name="submit")(submit)


def submit(
    role: Annotated[str, typer.Argument(help="A role of the registry; `role_scheduler roles list` shows them.")],
    user: Annotated[str | None, typer.Option("--user", help="For whom; without it your login name.")] = None,
    duration: Annotated[
        float | None, typer.Option("--duration", help="Seconds of video; without it the voice decides.")
    ] = None,
    priority: Annotated[int | None, typer.Option("--priority", help="0 to 100; without it the role's own.")] = None,
    context: Annotated[
        list[str] | None, typer.Option("--context", metavar="KEY=VALUE", help="A variable of the prompt; repeatable.")
    ] = None,
    preset: Annotated[str | None, typer.Option("--preset", help=f"One of {', '.join(PRESETS)}.")] = None,
    fill: Annotated[
        str | None, typer.Option("--fill", help="loop or pad: when the video is longer than the voice.")
    ] = None,
    degrade: Annotated[
        str | None, typer.Option("--degrade", help="allow, ask or never: may it be made at a lower rung?")
    ] = None,
    deadline_sec: Annotated[
        float | None, typer.Option("--deadline-sec", help="Wanted within so many seconds; more urgent as it nears.")
    ] = None,
    start_in_sec: Annotated[
        float | None, typer.Option("--start-in-sec", help="Reserve a slot for so many seconds from now.")
    ] = None,
    follows: Annotated[
        str | None, typer.Option("--follows", metavar="JOB", help="A part of a session: it begins where this job ends.")
    ] = None,
    preview_first: Annotated[
        bool, typer.Option("--preview-first", help="Make a cheap preview now; the video waits until that one is approved.")
    ] = False,
    idempotency_key: Annotated[
        str | None,
        typer.Option("--idempotency-key", help="The same key with the same request gives the same job back."),
    ] = None,
    what_if: Annotated[
        bool, typer.Option("--what-if", help="Submit nothing: when would it start and end, whom would it delay?")
    ] = False,
    wait: Annotated[
        bool,
        typer.Option("--wait", help="Stay until the job (or its preview, if that is first) has ended; exit 0 when it succeeded."),
    ] = False,
    size: published.Size = None,
    sample_steps: published.SampleSteps = None,
    num_clip: published.NumClip = None,
    infer_frames: published.InferFrames = None,
    base_seed: published.BaseSeed = None,
    sample_solver: published.SampleSolver = None,
    sample_guide_scale: published.SampleGuideScale = None,
    enable_online_decode: published.OnlineDecode = False,
    load_lora: published.LoadLora = False,
    lora_path_dmd: published.LoraPathDmd = None,
    offload_model: published.OffloadModel = None,
    num_gpus_dit: published.NumGpusDit = None,
    ulysses_size: published.UlyssesSize = None,
    enable_vae_parallel: published.VaeParallel = False,
    ckpt_dir: published.CkptDir = None,
    image: Annotated[
        Path | None, typer.Option("--image", help="A portrait of your own, in place of the role's.", rich_help_panel=_CONTENT)
    ] = None,
    audio: Annotated[
        Path | None, typer.Option("--audio", help="A voice of your own, in place of the role's.", rich_help_panel=_CONTENT)
    ] = None,
    prompt: Annotated[
        str | None, typer.Option("--prompt", help="Refused: the role has the prompt.", rich_help_panel=_CONTENT)
    ] = None,
    data: DataDir = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Ask for one video; prints the job, its place in the queue and the decision."""
    _refuse_content(prompt=prompt, ckpt_dir=ckpt_dir)
    checked = published.check_flags(
        published.ModelFlags(
            size=size, num_clip=num_clip, infer_frames=infer_frames, sample_steps=sample_steps, base_seed=base_seed,
            sample_solver=sample_solver, sample_guide_scale=sample_guide_scale,
            enable_online_decode=enable_online_decode, load_lora=load_lora, lora_path_dmd=lora_path_dmd,
            offload_model=offload_model, num_gpus_dit=num_gpus_dit, ulysses_size=ulysses_size,
            enable_vae_parallel=enable_vae_parallel,
        ),
        preset,
    )  # fmt: skip
    request: dict[str, Any] = {
        "user": getpass.getuser() if user is None else user, "role": role, "duration_sec": duration, "priority": priority,
        "context": parse_pairs(context) or None, "preset": preset, "fill": fill, "degrade": degrade,
        "deadline_sec": deadline_sec, "start_in_sec": start_in_sec, "follows": follows,
        "preview_first": preview_first or None, **checked.as_request(),
    }  # fmt: skip
    request |= _brought(data, portrait=image, voice=audio)
    if what_if:
        raise typer.Exit(show_what_if(data, request, as_json=as_json))
    answer = door(data).submit({k: v for k, v in request.items() if v is not None}, idempotency_key=idempotency_key)
    if answer["state"] != JobState.REJECTED:
        answer |= Forecasts(data).of_new(str(answer["id"]))
    show_submitted(answer, checked.notes, as_json=as_json, clock=lambda: house_time(data))
    if answer["state"] == JobState.REJECTED:
        raise typer.Exit(ExitCode.DOES_NOT_FIT)
    if wait:
        raise typer.Exit(wait_for(data, str(answer.get("preview", answer)["id"]), as_json=as_json))


def _brought(data: Path, **files: Path | None) -> dict[str, str]:
    """Files of one's own, taken in by the daemon: kind → sha256."""
    brought = {}
    for kind, path in files.items():
        if path is not None and not path.is_file():
            flag = "image" if kind == "portrait" else "audio"
            raise bad_usage(f"--{flag}: {path} is no file.", field=flag)
        if path is not None:
            brought[kind] = str(door(data).bring_file(kind, path)["sha256"])
    return brought


def _refuse_content(**given: object) -> None:
    """A job's words come from its role, its model from the house; the flags are known and refused, not ignored."""
    for name, value in given.items():
        if value is None:
            continue
        if name == "ckpt_dir":
            raise bad_usage(
                "--ckpt_dir: the running engine already holds its model.", field=name,
                hint="Use role_scheduler generate for a video with another model.",
            )  # fmt: skip
        raise bad_usage(
            f"--{name}: a submitted job takes it from its role.", field=name,
            hint="Put it into roles.yaml, or use role_scheduler generate for one video without a role.",
        )  # fmt: skip


def show_submitted(
    answer: dict[str, Any], notes: tuple[str, ...], *, as_json: bool, clock: Callable[[], float] = house_now
) -> None:
    """The scheduler's answer to a submission, with what the command line has to say to it. `clock`: the house's time."""
    if as_json:
        print_json({**answer, "notes": list(notes)})
        return
    for remark in dict.fromkeys((*notes, *answer.get("warnings", ()))):
        note(remark)
    place = answer.get("place")
    where = f"  place {place['place']} of {place['of']}" if place else ""
    say(f"{answer['id']}  {answer['state']}{where}")
    if answer.get("estimate"):
        say(told_text(answer, clock()))
    decision = answer.get("decision") or {}
    if sentence := (decision.get("text") or {}).get("en"):
        say(sentence)
    if preview := answer.get("preview"):
        seconds = {name: "unknown" if value is None else f"{value:g} s" for name, value in answer["cost"].items()}
        say(f"preview {preview['id']}  {preview['state']}")
        say(f"predicted GPU time: {seconds['preview_gpu_s']} for the preview, {seconds['gpu_s']} for the video")
        say(f"judge it: role_scheduler approve {preview['id']}, or role_scheduler reject {preview['id']} --reason …")
