"""The house with settings that the command line does not offer: `python -m benchmarks.serve --data DIR --port N …`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from scheduler.launcher import serve
from scheduler.serve_options import ServeOptions


def main(arguments: list[str]) -> int:
    """Run until a signal; the launcher's exit code."""
    parser = argparse.ArgumentParser(prog="benchmarks.serve", description="Greenroom, for benchmarks.")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--engine", default="fake")
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--standbys", type=int, default=1)
    parser.add_argument("--vault-limit-gib", type=float, default=4.0)
    parser.add_argument("--preload_roles", type=Path)
    chosen = parser.parse_args(arguments)
    options = ServeOptions(
        data_dir=chosen.data.resolve(), preload_roles=chosen.preload_roles, port=chosen.port, engine=chosen.engine,
        model=chosen.model, standbys=chosen.standbys, vault_limit_gib=chosen.vault_limit_gib,
    )  # fmt: skip
    return serve(options, lambda text: print(text, flush=True))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
