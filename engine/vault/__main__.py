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

from engine.vault.device_place import CudaPlace, FilePlace, Place
from engine.vault.listener import listen
from engine.vault.log import log
from engine.vault.server import VaultServer

GIB = 1 << 30
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
    parser.add_argument(
        "--device-files-gib", type=float, help="memory files of so much instead of a GPU's memory (tests)"
    )
    parser.add_argument("--devices", type=int, default=1, help="GPUs whose memory it owns")
    parser.add_argument("--park-gib", type=float, help="most host memory for contexts that had to leave their GPU")
    options = parser.parse_args(argv)
    if options.devices < 1:
        parser.error(f"--devices is {options.devices}; use 1 or more")
    if options.park_gib is not None and options.park_gib < 0:
        parser.error(f"--park-gib is {options.park_gib}; use 0 or more")
    if not options.limit_gib > 0:
        parser.error(f"--limit-gib is {options.limit_gib}; use a number above 0")
    try:
        listener = listen(options.socket)
    except OSError as error:
        in_use = error.errno == errno.EADDRINUSE
        print(f"{options.socket}: {'another vault listens here' if in_use else error.strerror}", file=sys.stderr)
        return EXIT_UNAVAILABLE
    ours = options.socket.stat()
    places: list[Place] = [_place(number, options.device_files_gib) for number in range(options.devices)]
    park_bytes = None if options.park_gib is None else int(options.park_gib * GIB)
    server = VaultServer(listener, int(options.limit_gib * GIB), options.lifeline_fd, places, park_bytes)
    log("listening", socket=str(options.socket), pid=os.getpid())
    try:
        server.run()
    finally:
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(options.socket.stat(), ours):
                options.socket.unlink()
    return 0


def _place(number: int, files_gib: float | None) -> Place:
    return CudaPlace(number) if files_gib is None else FilePlace(int(files_gib * GIB))


if __name__ == "__main__":
    sys.exit(main())
