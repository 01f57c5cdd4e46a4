"""`python -m engine.worker --control-fd N`: one worker.

Exit codes: 0 told to stop or left alone, 1 unable, 75 its vault ended and took device memory along, 76 no protocol.
"""

from __future__ import annotations

import argparse
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Sequence

from engine.protocol import Welcome
from engine.threads import let_threads_sleep
from engine.vault.client import VaultClient
from engine.worker.channel import Channel
from engine.worker.crash_points import CrashPoints
from engine.worker.log import start_log
from engine.worker.shell import Shell, end_at_once
from engine.worker.store import Store

MEND_EVERY_S = 0.2
EXIT_ORPHANED = 75


def main(argv: Sequence[str] | None = None) -> int:
    """Work until told to stop; returns the exit code."""
    parser = argparse.ArgumentParser(prog="engine.worker", description="Computes blocks of video for the daemon.")
    parser.add_argument("--control-fd", type=int, required=True, help="the daemon's socket")
    options = parser.parse_args(argv)
    start_log("worker")
    let_threads_sleep()
    from engine.worker.greenroom import GreenroomMaker  # seconds: torch; the log stands by then

    channel = Channel(socket.socket(fileno=options.control_fd))
    return Shell(channel, GreenroomMaker(open_vault), CrashPoints.from_environment(os.environ)).run()


def open_vault(welcome: Welcome) -> Store:
    """The vault of this worker, watched by a thread of its own. A slot's GPU has the slot's number there."""
    vault = VaultClient(welcome.vault_socket, f"worker:{welcome.worker_id}", device=welcome.slot)
    threading.Thread(target=_watch, args=(vault,), name="vault", daemon=True).start()
    return vault


def _watch(vault: VaultClient) -> None:
    """A vault that died is noticed within a fraction of a second, and the next one gets the contexts held here."""
    log = logging.getLogger(__name__)
    was_well = True
    while True:
        is_well = vault.mend()
        if is_well != was_well:
            log.log(logging.INFO if is_well else logging.WARNING, "vault is back" if is_well else "vault is lost")
            was_well = is_well
        if vault.is_orphaned:
            log.error("the vault ended, and with it the device memory that is mapped here: this worker ends too")
            end_at_once(EXIT_ORPHANED)
        time.sleep(MEND_EVERY_S)


if __name__ == "__main__":
    sys.exit(main())
