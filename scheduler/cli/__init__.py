"""The command `role_scheduler`: one small module per family of commands."""

from __future__ import annotations


def main() -> None:
    """Run the command line and exit with the code that `scheduler.cli.exits` explains."""
    from scheduler.cli.app import app

    app(prog_name="role_scheduler")
