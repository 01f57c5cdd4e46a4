"""`python -m scheduler.chaos OPTIONS HOME PORT PARENT`: one house of a run, in a process of its own.

On standard output it says a JSON object per line: where it is, and at the end its report. SIGUSR1 makes it write where each of
its threads stands into `stacks.txt` in its directory, also while it hangs. It ends with its parent.
"""

from __future__ import annotations

import dataclasses
import faulthandler
import json
import signal
import sys
from pathlib import Path
from typing import Any

from scheduler.chaos.evidence import STACKS
from scheduler.chaos.run import ChaosOptions, Progress, run_kills
from scheduler.spawn import die_with


def main() -> None:
    """Strike the house and tell."""
    words, folder, port, parent = sys.argv[1:]
    die_with(int(parent))
    home = Path(folder)
    with (home / STACKS).open("w", encoding="utf-8") as stacks:
        faulthandler.register(signal.SIGUSR1, file=stacks, all_threads=True)
        report = run_kills(ChaosOptions.from_json(json.loads(words)), home, _progress, int(port))
        _say({"report": dataclasses.asdict(report)})


def _progress(progress: Progress) -> None:
    _say({"progress": dataclasses.asdict(progress)})


def _say(data: dict[str, Any]) -> None:
    print(json.dumps(data), flush=True)


if __name__ == "__main__":
    main()
