"""`python -m engine.vault --socket PATH --limit-gib N [--lifeline-fd N] …`: one vault.

Exit codes: 0 told to stop, 64 wrong usage, 69 the socket is in use or cannot be made.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from engine.vault.device_place import FilePlace
from engine.vault.listener import listen
from engine.vault.log import log
from engine.vault.server import VaultServer

EXIT_USAGE = 64
EXIT_UNAVAILABLE = 69


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Wrong usage is 64 everywhere in this house."""
        self.print_usage(sys.stderr)
        self.exit(EXIT_USAGE, f"{self.prog}: {message}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until told to stop; returns the exit code."""
    parser = _Parser(prog="engine.vault", description="Keeps weights, conditions, contexts in shared or device memory.")
    parser.add_argument("--socket", type=Path, required=True, help="Unix socket to listen on")
    parser.add_argument("--limit-gib", type=float, required=True, help="most memory to hold, GiB")
    parser.add_argument("--lifeline-fd", type=int, help="end when the other end of this descriptor is closed")
    parser.add_argument("--device-files-gib", type=float, help="memory files of so much instead of a GPU's memory (tests)")
    options = parser.parse_args(argv)
    if not options.limit_gib > 0:
        parser.error(f"--limit-gib is {options.limit_gib}; use a number above 0")
    try:
        listener = listen(options.socket)
    except OSError as error:
        in_use = error.errno == errno.EADDRINUSE
        print(f"{options.socket}: {'another vault listens here' if in_use else error.strerror}", file=sys.stderr)
        return EXIT_UNAVAILABLE
    ours = options.socket.stat()
    place = None if options.device_files_gib is None else FilePlace(int(options.device_files_gib * (1 << 30)))
    server = VaultServer(listener, int(options.limit_gib * (1 << 30)), options.lifeline_fd, place)
    log("listening", socket=str(options.socket), pid=os.getpid())
    try:
        server.run()
    finally:
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(options.socket.stat(), ours):
                options.socket.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
