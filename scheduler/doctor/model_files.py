"""The chosen model's files: there, whole, and how many bytes a start has to read."""

from __future__ import annotations

import functools
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.catalog import SHAPES
from engine.memory import speech_encoder_bytes, text_encoder_bytes, weights_bytes
from scheduler.doctor.finding import Finding, found
from scheduler.doctor.subject import DEFAULTS, Subject, is_there
from scheduler.doctor.weight_words import refusal_words, trouble_words
from scheduler.plan.check import ATTENTION, BAD, OK, UNKNOWN
from scheduler.plan.figures import size_text
from scheduler.spawn import die_with, python_module

_WEIGHTS = (".safetensors", ".pth", ".pt", ".bin")
_STATES = {"complete": OK, "needs_attention": ATTENTION, "unusable": BAD, "cannot_tell": UNKNOWN}


def weight_files(subject: Subject) -> list[Path]:
    """The model's weight files, largest first; a linked directory is followed, and so are linked files."""
    paths = [
        Path(place, name)
        for place, _, names in os.walk(subject.model_dir.resolve())
        for name in names
        if name.endswith(_WEIGHTS)
    ]
    return sorted((path for path in paths if path.is_file()), key=lambda path: -path.stat().st_size)


def expected_bytes(model: str) -> int:
    """What a model of this name takes whose files are not here, by its shape."""
    shape = SHAPES[model]
    return weights_bytes(shape, shape.dtype) + text_encoder_bytes(shape) + speech_encoder_bytes(shape)


def model_findings(subject: Subject) -> Iterator[Finding]:
    """As `role_scheduler weights check` finds them, in short."""
    words = {"model": subject.model, "place": subject.model_dir}
    figures: dict[str, Any] = {"model": subject.model, "directory": str(subject.model_dir)}
    if not is_there(subject.model_dir):
        if subject.model == DEFAULTS.model:
            yield found("model files", OK, "model_to_be_made", figures, **words)
        else:
            size = size_text(expected_bytes(subject.model))
            yield found("model files", BAD, "model_missing", figures, size=size, **words)
        return
    answer = checked_model(subject.model_dir)
    here = sum(path.stat().st_size for path in weight_files(subject))
    state = _STATES.get(answer.get("verdict", ""), BAD)
    told = [trouble_words(one)[0] for level in ("problems", "warnings") for one in answer.get(level, ())]
    told += [refusal_words(answer)[0]] if "message" in answer else []
    troubles = [one["en"] for one in told]
    figures |= {"bytes": here, "verdict": answer.get("verdict"), "troubles": troubles}
    if state == OK:
        yield found("model files", OK, "model_whole", figures, size=size_text(here), **words)
    else:
        trouble = {"trouble": told[0] if told else "?", "count": len(told)}
        yield found("model files", state, "model_broken", figures, **trouble, **words)


def checked_model(directory: Path, *, is_deep: bool = False) -> dict[str, Any]:
    """The engine's answer, `is_deep` with every byte read; it loads torch, in a process of its own that ends with this one."""
    words = ["check", str(directory), *(["--deep"] if is_deep else [])]
    done = subprocess.run(
        python_module("engine.model.checkpoint", *words), capture_output=True, text=True,
        preexec_fn=functools.partial(die_with, os.getpid()),
    )  # fmt: skip
    answers = [line for line in done.stdout.splitlines() if line.startswith(('{"event": "Checked"', '{"event": "Refused"'))]
    if not answers:
        last = done.stderr.strip().splitlines()[-1:] or [f"the check ended with code {done.returncode}"]
        return {"verdict": "cannot_tell", "message": last[0], "code": "check_ended", "data": {"status": done.returncode}}
    answer: dict[str, Any] = json.loads(answers[-1])
    return answer
