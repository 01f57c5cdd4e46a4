"""The command `role_scheduler`: one small module per family of commands."""

from __future__ import annotations

_INTERRUPTED = 130  # as a shell says it: 128 + SIGINT


def main() -> None:
    """Run the command line and exit with the code that `scheduler.cli.exits` explains."""
    try:
        from scheduler.cli.app import app

        app(prog_name="role_scheduler")
    except KeyboardInterrupt:  # before the command's own handling is there: loading takes a moment
        raise SystemExit(_INTERRUPTED) from None
