"""A public checkpoint as the studio's model: what has to be converted is converted before anything is started."""

from __future__ import annotations

import functools
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from scheduler.preflight import CannotStart
from scheduler.spawn import die_with, python_module

EXIT_NO_MODEL = 71


def prepare_public_model(model_dir: Path, say: Callable[[str], None]) -> None:
    """Convert a public directory's `.pth` files into `.converted` beside it, once. Raises CannotStart.

    In a process of its own: it takes a minute, and a worker that is starting does not have one.
    """
    if not model_dir.is_dir():
        hint = "Put or link a model directory or a public checkpoint there."
        raise CannotStart(f"No model in {model_dir}. {hint}", EXIT_NO_MODEL)
    refusal = ""
    with subprocess.Popen(
        python_module("engine.model.checkpoint", "prepare", str(model_dir)), stdout=subprocess.PIPE, text=True,
        stderr=subprocess.DEVNULL, preexec_fn=functools.partial(die_with, os.getpid()),
    ) as child:  # fmt: skip
        assert child.stdout is not None
        said = ""
        for line in child.stdout:
            event = json.loads(line)
            if event["event"] == "Progress" and event["what"] != said:
                said = event["what"]
                say(f"first use of {model_dir.name}: {said}, {event['total'] / 1e9:.2f} GB")
            elif event["event"] == "Refused":
                refusal = f"{event['message']} {event['hint']}"
        code = child.wait()
    if code:
        raise CannotStart(f"The model cannot be used: {refusal or f'the check ended with code {code}.'}", EXIT_NO_MODEL)
