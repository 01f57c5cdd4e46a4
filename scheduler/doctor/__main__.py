"""`python -m scheduler.doctor --data DIR … NAME …`: these checks one after another, JSON lines on stdout.

`{"begun": name}`, then `{"finding": {…}}` for each finding, then `{"done": name}`. Who started it ends it when a check hangs.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scheduler.doctor.examination import EXAMINATIONS, NAMES
from scheduler.doctor.subject import DEFAULTS, Subject


def main(argv: Sequence[str] | None = None) -> None:
    """Do them and say what they found; a library that prints does not spoil the answers."""
    parser = argparse.ArgumentParser(prog="python -m scheduler.doctor")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default=DEFAULTS.model)
    parser.add_argument("--host", default=DEFAULTS.host)
    parser.add_argument("--port", type=int, default=DEFAULTS.port)
    parser.add_argument("names", nargs="+", choices=NAMES)
    options = parser.parse_args(argv)
    subject = Subject(data_dir=options.data, model=options.model, host=options.host, port=options.port)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(event: dict[str, Any]) -> None:
        answers.write(json.dumps(event) + "\n")
        answers.flush()

    for one in EXAMINATIONS:
        if one.name not in options.names:
            continue
        say({"begun": one.name})
        for finding in one.look(subject):
            say({"finding": asdict(finding)})
        say({"done": one.name})


if __name__ == "__main__":
    main()
