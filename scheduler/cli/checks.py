"""The watermark's checks: each looks at one thing and says ok, attention, bad or unknown, with the figure it saw."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import tzinfo
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from scheduler.assets import AssetLibrary
from scheduler.cli.exits import ExitCode
from scheduler.cli.output import bytes_text
from scheduler.cli.place import LOOK_S, door
from scheduler.cli.slot_words import idle_slots_words, is_ready
from scheduler.clock import is_off
from scheduler.core.maintenance import CAUSE
from scheduler.core.policy import Policy
from scheduler.core.role_problem import RoleProblem, sentence
from scheduler.errors import DaemonUnreachable, SchedulerError
from scheduler.plan.check import ATTENTION, BAD, EXIT_CODES, OK, UNKNOWN, Check, checked
from scheduler.plan.check import verdict_of as worst_of
from scheduler.policy_file import POLICY_NAME, for_slots, last_good, read_policy
from scheduler.preflight import MIN_FREE_BYTES, WARN_FREE_BYTES
from scheduler.store import Reader, open_reader
from scheduler.zone import studio_zone

HIGH_MEMORY_RATIO = 0.95  # above it the memory ladder begins
WARN_MEMORY_RATIO = 0.85
STALE_SAMPLE_S = 12.0
LONG_WAIT_S = 3600.0
UNKNOWN_BYTES = 1  # memory of a slot that nobody knows
_PACKAGES = ("greenroom", "torch", "av", "flask", "sqlite-utils")


def verdict_of(checks: list[Check]) -> ExitCode:
    """Does not fit when one is bad; cannot tell when one is unknown; degraded when one needs attention; else fits."""
    return ExitCode(EXIT_CODES[worst_of(checks)])


def as_report(checks: list[Check], now: float, data: Path) -> dict[str, Any]:
    """`{"verdict", "exit_code", "at", "data_dir", "checks"}` of these checks."""
    verdict = worst_of(checks)
    return {
        "verdict": verdict.value, "exit_code": EXIT_CODES[verdict], "at": now, "data_dir": str(data),
        "checks": [asdict(check) for check in checks],
    }  # fmt: skip


def house_checks(
    data: Path, now: float, status: dict[str, Any] | None, why_not: str, *, is_for_later: bool = False
) -> Iterator[Check]:
    """The house at this moment: `now` by its own time, `status` as `ask_daemon` gives it.

    `is_for_later`: the answer is for a plan of a later day, so drained slots need attention and are not bad.
    """
    if status is None:
        yield checked("daemon", UNKNOWN, "told", text=why_not)
    else:
        yield from _daemon_checks(status)
        yield workers_check(status, now, studio_zone(), is_for_later=is_for_later)
        yield from clock_check(now, time.time())
    yield disk_check(data)
    try:
        reader = open_reader(data)
    except SchedulerError as error:
        for name in ("device memory", "roles", "queue"):
            yield checked(name, UNKNOWN, "told", text=error.message)
    else:
        yield from memory_checks(reader.latest_samples(), now)
        yield from role_checks(reader, AssetLibrary(data))
        yield policy_check(data, status)
        yield queue_check(reader, status, now, house_policy(data, reader, status).max_queued)
        reader.close()
    yield versions_check(status)


def ask_daemon(data: Path) -> tuple[dict[str, Any] | None, str]:
    """(the daemon's status, "") or (None, why it does not answer and what to do)."""
    try:
        return door(data, LOOK_S).status(), ""
    except DaemonUnreachable as error:
        return None, f"{error.message} {error.hint}"


def _daemon_checks(status: dict[str, Any]) -> Iterator[Check]:
    trouble = status["daemon"].get("trouble")
    if trouble:
        yield checked("daemon", BAD, "told", trouble, text=trouble.get("message"))
    else:
        yield checked("daemon", OK, "daemon_ok", pid=status["daemon"]["pid"])
    yield vault_check(status["vault"])


def workers_check(status: dict[str, Any], now: float, zone: tzinfo, *, is_for_later: bool = False) -> Check:
    """Slots that take work, and why the others do not. None at all is bad, but for maintenance, which ends by itself."""
    slots = status["slots"]
    ready = [slot for slot in slots if is_ready(slot)]
    figures = {"slots": len(slots), "ready": len(ready), "standbys": len(status["standby"])}
    if len(ready) == len(slots) and ready:
        return checked("workers", OK, "workers", figures, **figures)
    why = idle_slots_words(slots, now, zone)
    if ready:
        return checked("workers", ATTENTION, "workers_some", figures, why=why, **figures)
    comes_back = all(slot["drained"] if is_for_later else slot["drained_for"] == [CAUSE] for slot in slots)
    return checked("workers", ATTENTION if comes_back and slots else BAD, "no_workers", figures, slots=len(slots), why=why)


def vault_check(vault: dict[str, Any] | None) -> Check:
    """The process that owns weights and contexts: without it nothing can be taken up, and what hangs is about to be replaced."""
    if vault is None:
        return checked("vault", ATTENTION, "no_vault")
    held = held_bytes(vault)
    figures = {name: vault[name] for name in ("pid", "limit_bytes", "silent_s")} | {"held_bytes": held}
    if vault["silent_s"]:
        return checked("vault", ATTENTION, "vault_silent", figures, pid=vault["pid"], silent=f"{vault['silent_s']:.0f}")
    words = {"held": bytes_text(held), "limit": bytes_text(vault["limit_bytes"]), "pid": vault["pid"]}
    parked = vault["parked"]
    if parked["jobs"]:
        figures["parked_bytes"] = parked["bytes"]
        return checked("vault", OK, "vault_parked", figures, **words, jobs=parked["jobs"], parked=bytes_text(parked["bytes"]))
    return checked("vault", OK, "vault_on_gpu" if vault["device_bytes"] else "vault", figures, **words)


def clock_check(house: float, wall: float) -> Iterator[Check]:
    """The house keeps the time that it was started with; a machine whose clock was set since says another one. Nothing where
    they agree."""
    off_s = wall - house
    if is_off(off_s):
        word = "clock_behind" if off_s > 0 else "clock_ahead"
        yield checked("clock", ATTENTION, word, {"off_s": round(off_s, 1)}, minutes=f"{abs(off_s) / 60:.0f}")


def held_bytes(vault: dict[str, Any]) -> int:
    """What the vault holds: on GPUs, or where there is none in host memory."""
    host = vault["files_bytes"] + vault["contexts_bytes"] + vault["conditions_bytes"]
    return int(vault["device_bytes"] or host)


def disk_check(data: Path) -> Check:
    """Free space where the data lies (or would lie)."""
    place = next(folder for folder in (data, *data.resolve().parents) if folder.exists())
    usage = shutil.disk_usage(place)
    state = BAD if usage.free < MIN_FREE_BYTES else ATTENTION if usage.free < WARN_FREE_BYTES else OK
    figures = {"free_bytes": usage.free, "total_bytes": usage.total}
    return checked("disk", state, "disk_free", figures, free=bytes_text(usage.free), total=bytes_text(usage.total))


def memory_checks(samples: list[dict[str, Any]], now: float) -> Iterator[Check]:
    """Memory of every device, by its newest reading; an old reading says nothing of now."""
    if not samples:
        yield checked("device memory", UNKNOWN, "no_device")
    for sample in samples:
        name = f"device memory {sample['device']}"
        used, total = sample.get("memory_used_bytes"), sample.get("memory_total_bytes")
        age = now - sample["at"]
        if age > STALE_SAMPLE_S:
            yield checked(name, UNKNOWN, "stale_sample", {"age_s": age}, age=f"{age:.0f}")
        elif used is None or not total:
            yield checked(name, UNKNOWN, "no_sensor")
        else:
            ratio = used / total
            state = BAD if ratio > HIGH_MEMORY_RATIO else ATTENTION if ratio > WARN_MEMORY_RATIO else OK
            words = {"used": bytes_text(used), "total": bytes_text(total), "ratio": f"{ratio:.0%}"}
            figures = {"memory_used_bytes": used, "memory_total_bytes": total, "age_s": age}
            yield checked(name, state, "memory_used", figures, **words)


def role_checks(reader: Reader, library: AssetLibrary) -> Iterator[Check]:
    """Every role that was not removed: available, and its portrait and voice still what they were (hashed again)."""
    rows = [row for row in reader.roles() if row["is_available"] or row["problem"] != RoleProblem.REMOVED]
    if not rows:
        yield checked("roles", ATTENTION, "no_roles")
    for row in rows:
        role = reader.load_role(row["name"])
        assert role is not None, row["name"]
        health = {"portrait": library.verify(role.portrait_sha256), "voice": library.verify(role.voice_sha256)}
        health |= {f"adapter {use.name}": library.verify(use.sha256) for use in role.adapters}
        broken = [f"{kind} {state}" for kind, state in health.items() if state != "healthy"]
        if broken:
            yield checked(f"role {role.name}", BAD, "role_broken", dict(health), broken=", ".join(broken))
        elif not row["is_available"]:
            yield checked(f"role {role.name}", BAD, "told", dict(health), text=sentence(row["problem"]))
        else:
            code = "role_whole_adapters" if role.adapters else "role_whole"
            yield checked(f"role {role.name}", OK, code, dict(health), version=row["version"])


def policy_check(data: Path, status: dict[str, Any] | None = None) -> Check:
    """Which numbers the queue follows: the defaults, or those of policy.yaml if this house can use it."""
    try:
        _policy_for(data, UNKNOWN_BYTES, status)
    except SchedulerError as error:
        return checked("policy", BAD, "told" if status is None else "policy_held", text=f"{error.message} {error.hint}".strip())
    return checked("policy", OK, "policy_file" if (data / POLICY_NAME).exists() else "policy_default")


def house_policy(data: Path, reader: Reader, status: dict[str, Any] | None) -> Policy:
    """The policy with the memory that a slot really has: the vault's limit, or what the daemon wrote down last.

    Where the file cannot be used, the one that held last: the line `policy` says what is wrong.
    """
    held = last_good(reader.fact)
    known = None if held is None else held.policy.slot_memory_bytes
    limit = status["vault"]["limit_bytes"] if status and status["vault"] else known
    try:
        policy = _policy_for(data, limit or UNKNOWN_BYTES, status)
    except SchedulerError:
        policy = Policy(slot_memory_bytes=limit) if held is None else held.policy
    return replace(policy, slot_memory_bytes=None) if policy.slot_memory_bytes == UNKNOWN_BYTES else policy


def _policy_for(data: Path, slot_memory_bytes: int, status: dict[str, Any] | None) -> Policy:
    found = read_policy(data, slot_memory_bytes)
    return (found if status is None else for_slots(found, len(status["slots"]))).policy


def queue_check(reader: Reader, status: dict[str, Any] | None, now: float, max_queued: int) -> Check:
    """How many wait, for how long, and whether the queue moves."""
    jobs = reader.waiting_jobs()
    waiting = [job for job in jobs if not job.preview or job.approved_at is not None]
    longest_s = max((now - (job.start_at or job.approved_at or job.submitted_at) for job in waiting), default=0.0)
    is_paused = bool(status and status["queue"]["paused"])
    figures = {"length": len(jobs), "longest_wait_s": max(0.0, longest_s), "is_paused": is_paused if status else None}
    words = {"length": len(jobs), "longest": f"{max(0.0, longest_s):.0f}"}
    if len(jobs) >= max_queued:
        return checked("queue", BAD, "queue_full", figures, **words)
    state = ATTENTION if is_paused or longest_s > LONG_WAIT_S else OK
    return checked("queue", state, "queue_paused" if is_paused else "queue", figures, **words)


def versions_check(status: dict[str, Any] | None) -> Check:
    """What runs here; random weights are named, so that nobody takes noise for a fault."""
    found: dict[str, Any] = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    if status is not None:
        daemon = status["daemon"]
        found["model"], found["weights_trained"] = daemon["model"], daemon["weights_trained"]
    words = ", ".join(f"{name} {value}" for name, value in found.items() if isinstance(value, str))
    code = "versions_random" if found.get("weights_trained") is False else "versions"
    return checked("versions", OK, code, found, words=words)
