"""`weights`: are the model's files complete and sound, and make a model directory from a public checkpoint.

The work is done by `python -m engine.model.checkpoint`, a process of its own: this one never loads torch.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from scheduler.cli.byte_bars import ByteBars
from scheduler.cli.child import follow
from scheduler.cli.exits import ExitCode
from scheduler.cli.output import AsJson, print_json, print_table, say, show_error
from scheduler.cli.place import bad_usage
from scheduler.core.counted import counted
from scheduler.errors import SchedulerError
from scheduler.spawn import python_module

app = typer.Typer(help="The model's files: check them, convert them.", no_args_is_help=True)
_VERDICTS = {
    "complete": "complete",
    "needs_attention": "complete, but see the warnings",
    "unusable": "cannot be used as it is",
    "cannot_tell": "cannot tell: something could not be read",
}


@app.command(name="check")
def check(
    place: Annotated[Path, typer.Argument(help="Public checkpoint, model directory, or adapter (file or folder).")],
    deep: Annotated[
        bool, typer.Option("--deep", help="Read every byte: sha256 where a list says it, and numbers that are none.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Is it complete and sound; which file is not, and what to do? Exit 0, 10 with warnings, 11 not usable, 12 cannot tell."""
    answer, code = _run(["check", str(place), *(["--deep"] if deep else [])], quiet=as_json)
    if as_json:
        print_json(answer)
    else:
        show_findings(answer)
    raise typer.Exit(code)


@app.command(name="convert")
def convert(
    source: Annotated[Path, typer.Argument(help="Public checkpoint or model directory.")],
    target: Annotated[Path, typer.Argument(help="The model directory to make.")],
    precision: Annotated[
        str, typer.Option("--precision", help="bf16, or fp8: large layers in eight bits, half the size.")
    ] = "bf16",
    lora: Annotated[
        str | None, typer.Option("--lora", help="Adapter to merge: safetensors file, or the folder it lies in.")
    ] = None,
    lora_alpha: Annotated[
        float | None, typer.Option("--lora-alpha", help="Its alpha, where neither adapter_config.json nor rank 128 tells.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a model directory: mapped files, the distillation adapter merged, bfloat16 or eight bits; all of it or nothing."""
    if precision not in ("bf16", "fp8"):
        raise bad_usage(f"--precision {precision!r} is not offered.", field="precision", hint="Use bf16 or fp8.")
    if lora_alpha is not None and lora is None:
        raise bad_usage("--lora-alpha needs --lora.", field="lora_alpha")
    words = ["convert", str(source), str(target), "--precision", precision]
    words += ["--lora", lora] if lora is not None else []
    words += ["--lora-alpha", str(lora_alpha)] if lora_alpha is not None else []
    answer, _ = _run(words, quiet=as_json)
    if as_json:
        print_json(answer)
        return
    done = "is made" if answer["converted"] else "is this very conversion already"
    say(f"{answer['target']} {done}: {answer['bytes'] / 1e9:.2f} GB, {answer['precision']}")
    for adapter in answer["adapters"]:
        say(f"merged: {adapter['name']}, rank {adapter['rank']}, alpha {adapter['alpha']:g}, "
            f"{counted(adapter['pairs'], 'layer')}")
    for remark in answer["notes"]:
        say(f"note: {remark}")


def show_findings(answer: dict[str, Any]) -> None:
    """A check's answer for people: files, then what is wrong with which, then the verdict."""
    rows = [(f["file"], f"{f['bytes']:,}", f.get("tensors", ""), f["state"]) for f in answer["files"]]
    print_table(("file", "bytes", "tensors", "state"), rows, title=f"{answer['directory']}: {answer['kind']}")
    for part, count in answer["tensors"].items():
        say(f"{part}: {count['found']} of {count['expected']} tensors")
    for remark in answer["notes"]:
        say(f"note: {remark}")
    for level in ("warnings", "problems"):
        for finding in answer[level]:
            say(f"{level.removesuffix('s')}: {finding['file']} {finding['what']}")
            if finding["remedy"]:
                say(f"  → {finding['remedy']}")
    say(f"{answer['directory']}: {_VERDICTS[answer['verdict']]}")


def _run(words: list[str], *, quiet: bool) -> tuple[dict[str, Any], int]:
    """The engine's answer and exit code. Raises a refusal in its words; ends here when it was interrupted."""
    answer: dict[str, Any] = {}
    with tempfile.TemporaryFile("w+", encoding="utf-8") as errors, ByteBars(quiet=quiet) as bars:

        def take(line: str) -> None:
            try:
                event = json.loads(line)
            except ValueError:
                return  # a library's own words
            if event.get("event") == "Progress":
                bars.update(event["what"], event["done"], event["total"])
            else:
                answer.update(event)

        code = follow(python_module("engine.model.checkpoint", *words), errors, take)
        errors.seek(0)
        reason = [line for line in errors.read().splitlines() if line.strip()]
    if code == ExitCode.INTERRUPTED:
        raise typer.Exit(ExitCode.INTERRUPTED)
    event = answer.pop("event", None)
    if event in ("Checked", "Converted"):
        return answer, code
    if event == "Refused":
        refusal = SchedulerError(400, answer["code"], answer["message"], hint=answer["hint"])
        if code not in (ExitCode.NO_DISK, ExitCode.NO_RIGHTS):
            raise refusal
        show_error(refusal, wants_json=quiet)
        raise typer.Exit(code)
    raise SchedulerError(500, "weights_failed", reason[-1] if reason else f"The engine ended with code {code}.")

