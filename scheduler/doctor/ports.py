"""Ports: the one of dashboard and API, and the one at which processes of a group of GPUs meet."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

from scheduler.doctor.finding import Finding, found
from scheduler.doctor.house import orphans, running_house
from scheduler.doctor.listeners import listeners, name_of
from scheduler.doctor.subject import Subject
from scheduler.plan.check import ATTENTION, BAD, OK
from scheduler.preflight import EXIT_NO_RIGHTS, CannotStart, check_port
from scheduler.reach import base_url

GROUP_VARIABLE = "MASTER_PORT"
GROUP_PORT = 29103  # of the published launch scripts
_EVERYWHERE = "0.0.0.0"


def web_port_findings(subject: Subject) -> Iterator[Finding]:
    """Free, our own house's, a dead house's (whose processes `serve` ends), or somebody else's."""
    name, words = f"port {subject.port}", {"port": subject.port, "host": subject.host, "next": subject.port + 1}
    try:
        check_port(subject.host, subject.port)
    except CannotStart as error:
        yield _in_use(name, subject, error, words)
    else:
        yield found(name, OK, "port_free", {"port": subject.port, "host": subject.host}, **words)


def _in_use(name: str, subject: Subject, error: CannotStart, words: dict[str, object]) -> Finding:
    pids = listeners(subject.port)
    figures = {"port": subject.port, "host": subject.host, "pids": pids}
    cause = error.__cause__
    if error.exit_code == EXIT_NO_RIGHTS:
        return found(name, BAD, "port_rights", figures, **words)
    if not isinstance(cause, OSError) or cause.errno != errno.EADDRINUSE:
        return found(name, BAD, "host_unknown", figures, **words)
    house = running_house(subject)
    if house is not None and house.url == base_url(subject.host, subject.port):
        return found(name, OK, "port_ours", figures, **words)
    if house is None and _are_of(pids, {record.pid for record in orphans(subject)}):
        return found(name, ATTENTION, "port_orphan", figures, **words)
    return found(name, BAD, "port_in_use", figures, who=_who(pids), **words)


def group_port_findings(subject: Subject) -> Iterator[Finding]:
    """Where the ranks of a launch over several GPUs meet. Greenroom plays one video per GPU and does not open it."""
    text = os.environ.get(GROUP_VARIABLE, "")
    if text and not (text.isascii() and text.isdecimal() and 1 <= int(text) <= 65535):
        yield found(f"port {GROUP_VARIABLE}", ATTENTION, "group_port_rubbish", {"value": text}, value=text)
        return
    port = int(text or GROUP_PORT)
    try:
        check_port(_EVERYWHERE, port)
    except CannotStart:
        pids = listeners(port)
        figures = {"port": port, "pids": pids}
        yield found(f"port {port}", ATTENTION, "group_port_in_use", figures, port=port, who=_who(pids), next=port + 1)
    else:
        yield found(f"port {port}", OK, "group_port_free", {"port": port}, port=port)


def _are_of(pids: list[int], leaders: set[int]) -> bool:
    """All of these are such processes, or of their sessions: a web has workers of its own."""
    return bool(pids) and all(_session(pid) in leaders for pid in pids)


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return -1


def _who(pids: list[int]) -> dict[str, str]:
    words = ", ".join(f"{name_of(pid)} {pid}" for pid in pids)
    return {"en": words or "somebody who cannot be seen from here", "zh": words or "此处看不到的进程"}
