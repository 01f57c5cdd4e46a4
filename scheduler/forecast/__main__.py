"""Entry of `python -m scheduler.forecast`: the forecaster, a child of the launcher."""

from __future__ import annotations

import argparse
import asyncio
import os
from pathlib import Path

from scheduler.forecast.process import Forecaster
from scheduler.logs import log_as_json

POLITENESS = 5  # others have work to do


def main() -> None:
    """Run until a signal or the end of the lifeline."""
    parser = argparse.ArgumentParser(prog="python -m scheduler.forecast")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--slots", type=int, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--lifeline-fd", type=int)
    chosen = parser.parse_args()
    log_as_json("forecaster")
    os.nice(POLITENESS)
    asyncio.run(Forecaster(chosen.data, chosen.slots, chosen.model).run(chosen.lifeline_fd))


if __name__ == "__main__":
    main()
