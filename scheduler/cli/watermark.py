"""`status`: what runs now."""

from __future__ import annotations

import time
from typing import Any

import typer

from scheduler.cli.checks import clock_check, held_bytes, policy_check
from scheduler.cli.output import AsJson, bytes_text, print_json, print_table, say
from scheduler.cli.place import DEFAULT_DATA, LOOK_S, DataDir, door
from scheduler.cli.slot_words import idle_words
from scheduler.core.counted import counted
from scheduler.plan.check import BAD
from scheduler.reach import announced_url
from scheduler.zone import studio_zone


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(name="status")(status)


def status(data: DataDir = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """What runs now: daemon, slots, standbys, vault, queue, disk."""
    answer = door(data, LOOK_S).status()
    if as_json:
        print_json(answer)
        return
    daemon, queue, vault = answer["daemon"], answer["queue"], answer["vault"]
    if (url := announced_url(data)) is not None:
        say(f"web      {url}/dashboard")
    say(f"daemon   process {daemon['pid']}, model {daemon['model']}{_weights(daemon)}")
    say(f"queue    {queue['length']} waiting{', paused' if queue['paused'] else ''}")
    say(f"vault    {_vault(vault)}")
    say(f"disk     {bytes_text(answer['disk']['free_bytes'])} free")
    say(f"standby  {len(answer['standby'])} ({sum(1 for one in answer['standby'] if one['is_warm'])} warm)")
    policy = policy_check(data, answer)
    if policy.state == BAD:  # who changed the file has to hear of it
        say(f"policy   {policy.text}")
    for check in clock_check(daemon["now"], time.time()):
        say(f"clock    {check.text}")
    print_table(
        ("slot", "state", "device", "role", "job", "blocks", "doing"),
        [_slot(slot, daemon["now"]) for slot in answer["slots"]],
    )
    for slot in answer["slots"]:
        if slot["worker"] is None and slot["last_error"]:
            say(f"slot {slot['slot']}: its last worker did not get ready: {slot['last_error']}")


def _weights(daemon: dict[str, Any]) -> str:
    return ", random weights" if daemon["weights_trained"] is False else ""


def _vault(vault: dict[str, Any] | None) -> str:
    if vault is None:
        return "not reached"
    limit = f" of {bytes_text(vault['limit_bytes'])}" if not vault["device_bytes"] else " on GPUs"
    parked = vault["parked"]
    contexts, size = counted(parked["jobs"], "context"), bytes_text(parked["bytes"])
    resting = f", {contexts} parked in host memory ({size})" if parked["jobs"] else ""
    silent = f", no answer for {vault['silent_s']:.0f} s" if vault["silent_s"] else ""
    return f"process {vault['pid']}, holds {bytes_text(held_bytes(vault))}{limit}{resting}{silent}"


def _slot(slot: dict[str, Any], now: float) -> tuple[object, ...]:
    state = f"{slot['state']}, {idle_words(slot, now, studio_zone())['en']}" if slot["drained"] else slot["state"]
    blocks = f"{slot['block']}/{slot['total_blocks']}" if slot["job_id"] else None
    return (
        slot["slot"], state, slot["device"], slot["role"], slot["job_id"], blocks, slot["phase"],
    )  # fmt: skip
