"""Commands about roles: load a registry, switch a slot's stage to a role."""

from __future__ import annotations

import asyncio
import secrets
import time
from pathlib import Path
from typing import Any

from engine import protocol
from engine.config import Recipe
from scheduler import submission
from scheduler.commands.arguments import Arguments
from scheduler.commands.house import Handler, House
from scheduler.core import events
from scheduler.core.job import OWNED_STATES
from scheduler.door import Actor
from scheduler.effects import adapter_paths, asset_path
from scheduler.errors import SchedulerError
from scheduler.ledger import Turn
from scheduler.registry import Role

SWITCH_TIMEOUT_S = 25.0


async def put_roles(house: House, actor: Actor, args: Arguments) -> dict[str, Any]:
    """Check and load a registry; running jobs keep the version they started with."""
    text, base_dir = args.take("text", str), args.maybe("base_dir", str)
    args.done()
    loaded = await house.roles.load(text, None if base_dir is None else Path(base_dir), house.ledger, actor)
    return {"roles": loaded.names, "changed": loaded.changed, "removed": loaded.removed, "warnings": loaded.warnings}


async def switch_role(house: House, actor: Actor, args: Arguments) -> dict[str, Any]:
    """Make a role ready on a slot and the default of its stage (requirements A2). Touches no running job."""
    name, context, wanted = args.take("role", str), args.maybe("context", dict) or {}, args.maybe("slot", int)
    args.done()
    role = house.roles.get(name)
    asked = {"user": "switch", "role": name, "context": context}
    made = submission.work_out(asked, role, house.model, house.weights_sha256(), kv=house.kv())
    slot = _choose_slot(house, name, wanted)
    _check_relations(house, role, slot)
    answer = await _prepare(house, role, made.recipe, slot)

    def act(turn: Turn) -> dict[str, Any]:
        body = {"role": name, "role_version": role.version, "slot": slot, "tier": answer.tier,
                "switch_ms": answer.switch_ms, "prepare_ms": answer.prepare_ms}  # fmt: skip
        seq = turn.record("role:switched", f"role:{name}", body)
        turn.store.set_fact(f"stage:{slot}", {"role": name, "version": role.version, "tier": answer.tier}, turn.at)
        turn.apply(events.StageWasSet(at=turn.at, slot=slot, role=name))
        return {
            "role": name, "slot": slot, "tier": answer.tier, "switch_ms": answer.switch_ms,
            "prepare_ms": answer.prepare_ms, "prompt": made.recipe.prompt,
            "adapter": " + ".join(use.name for use in role.adapters) or None, "weights_reloaded": False, "audit_seq": seq,
        }  # fmt: skip

    return await house.ledger.do(act, actor)


def _choose_slot(house: House, role: str, wanted: int | None) -> int:
    """The slot asked for, else an idle one, else a busy one; one whose stage has the role, else one whose stage has none. 409
    when drained, 503 when no worker is ready."""
    slots = house.supervisor.slots
    if wanted is not None and not 0 <= wanted < len(slots):
        raise SchedulerError(404, "unknown_slot", f"There is no slot {wanted}.", field="slot",
                             hint=f"Slots are 0 to {len(slots) - 1}.")  # fmt: skip
    state = house.ledger.state
    candidates = slots if wanted is None else [slots[wanted]]
    open_slots = [slot for slot in candidates if not state.slots[slot.number].is_drained]
    if not open_slots:
        raise SchedulerError(409, "slot_drained", "The slot takes no new work.", field="slot",
                             hint="Choose another slot, or let it work again.")  # fmt: skip
    ready = [slot for slot in open_slots if slot.active is not None]
    if not ready:
        now = time.monotonic()
        wait_s = max(0.0, min(slot.not_before for slot in open_slots) - now)
        raise SchedulerError(503, "no_worker", "No worker is ready on this slot just now.",
                             hint="It is starting; try again in a few seconds.", next_free_in_s=round(wait_s, 1))  # fmt: skip
    busy = {job.slot for job in state.jobs.values() if job.state in OWNED_STATES}
    stages = {slot.number: (house.ledger.store.fact(f"stage:{slot.number}") or {}).get("role") for slot in ready}

    def rank(slot: int) -> tuple[object, ...]:
        return slot in busy, stages[slot] != role, stages[slot] is not None, slot

    return min((slot.number for slot in ready), key=rank)


def _check_relations(house: House, role: Role, slot: int) -> None:
    """409 when a role that runs on another slot may not be on stage together with this one."""
    for job in house.ledger.state.jobs.values():
        if job.state not in OWNED_STATES or job.slot == slot or job.role == role.name:
            continue
        other = house.roles.find(job.role)
        if job.role in role.never_with or (other is not None and role.name in other.never_with):
            raise SchedulerError(409, "excluded", f"{role.name} may not be on stage together with {job.role}.", field="role",
                                 hint=f"Wait for job {job.id}, or change the relations in roles.yaml.")  # fmt: skip


async def _prepare(house: House, role: Role, recipe: Recipe, slot: int) -> protocol.RolePrepared:
    link = house.supervisor.slots[slot].active
    assert link is not None
    request_id = secrets.token_hex(8)
    future = house.reports.expect_role(request_id, link.worker_id)
    link.send(
        protocol.PrepareRole(
            request_id=request_id, role=role.name, prompt=recipe.prompt,
            portrait_path=str(asset_path(house.data_dir, role.portrait_sha256)), recipe=recipe.to_json(),
            adapter_paths=adapter_paths(house.data_dir, recipe.to_json()),
        )
    )  # fmt: skip
    try:
        answer = await asyncio.wait_for(future, SWITCH_TIMEOUT_S)
    except TimeoutError:
        raise SchedulerError(503, "switch_timed_out", f"Slot {slot} did not answer in {SWITCH_TIMEOUT_S:.0f} s.",
                             hint="Its worker may be restarting; try again.") from None  # fmt: skip
    if isinstance(answer, protocol.RoleRefused):
        raise SchedulerError(422, answer.code, answer.message, field="role", hint=answer.hint)
    return answer


ROLE_COMMANDS: dict[str, Handler] = {"put_roles": put_roles, "switch_role": switch_role}
