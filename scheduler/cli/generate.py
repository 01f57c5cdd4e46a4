"""`generate`: one video, without queue and roles, with the flags of the published inference program."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from scheduler.cli import flags as published
from scheduler.cli.output import AsJson, note, print_json, say
from scheduler.cli.place import bad_usage
from scheduler.cli.show import progress_show
from scheduler.show import Show


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(name="generate")(generate)


def generate(
    image: Annotated[Path, typer.Option("--image", help="The portrait.")],
    audio: Annotated[Path, typer.Option("--audio", help="The voice.")],
    prompt: Annotated[str, typer.Option("--prompt", help="What the picture should show.")] = "",
    ckpt_dir: published.CkptDir = None,
    save_file: Annotated[Path, typer.Option("--save_file", help="Where the video goes.")] = Path("video.mp4"),
    preset: Annotated[str, typer.Option("--preset", help="Settings that the flags below replace.")] = "pocket",
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
    as_json: AsJson = False,
) -> None:
    """Make one video here and now, in a process of its own; no daemon is needed."""
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
    for flag, path in (("image", image), ("audio", audio)):
        if not path.is_file():
            raise bad_usage(f"--{flag}: there is no file {path}.", field=flag)
    for remark in checked.notes:
        note(remark)
    argv = _argv(image=image, audio=audio, prompt=prompt, ckpt_dir=ckpt_dir, save_file=save_file, preset=preset)
    argv += [part for name, value in checked.as_request().items() for part in (_ENGINE_FLAGS[name], str(value))]
    raise typer.Exit(_run(argv, as_json))


# Spelling of a request → flag of `python -m engine.generate`.
_ENGINE_FLAGS = {
    "size": "--size", "steps": "--sample_steps", "infer_frames": "--infer_frames", "num_clip": "--num_clip",
    "seed": "--base_seed",
}  # fmt: skip


def _argv(**values: object) -> list[str]:
    given = [(name, value) for name, value in values.items() if value is not None]
    return [
        sys.executable,
        "-m",
        "engine.generate",
        *(part for name, value in given for part in (f"--{name}", str(value))),
    ]


def _run(argv: list[str], as_json: bool) -> int:
    """Run the engine, show its progress; its exit code. Ctrl-C reaches the child by itself, so it is waited for."""
    last: dict[str, Any] = {}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as child, progress_show(as_json=as_json) as show:
        assert child.stdout is not None
        try:
            for line in child.stdout:
                last = _show_line(line, show) or last
        except KeyboardInterrupt:
            child.send_signal(signal.SIGINT)
            raise
        code = child.wait()
    if code == 0 and last:
        if as_json:
            print_json(last)
        else:
            say(f"{last.get('path')}: {last.get('frames')} frames, sha256 {last.get('sha256')}")
    return code if code >= 0 else 128 - code


def _show_line(line: str, show: Show) -> dict[str, Any] | None:
    """One JSON line of the engine: progress is shown, the final object returned."""
    try:
        message = json.loads(line)
    except ValueError:
        show.say(line.rstrip())
        return None
    if "path" in message:
        return dict(message)
    if "block" in message:
        show.update("video", "video", int(message["block"]) + 1, int(message["total_blocks"]), "running")
    elif "message" in message:
        show.say(str(message["message"]))
    return None
