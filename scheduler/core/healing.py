"""Sensors' events made into heals, and heals that end by what happened next. See docs/healing.md."""

from __future__ import annotations

from scheduler.core import events
from scheduler.core.degrade import degrade_running, down_for, take_device_rung
from scheduler.core.fleet import Slot, WorkerState
from scheduler.core.gangs import order_kill
from scheduler.core.healing_policy import Fault
from scheduler.core.heals import Heal
from scheduler.core.job import OWNED_STATES, JobState
from scheduler.core.ladder import DEVICE
from scheduler.core.state import State, Turn
from scheduler.core.tags import Tag

REPLACED = (Fault.WORKER_DIED, Fault.HEARTBEAT_LOST, Fault.HUNG_STEP, Fault.GPU_ERROR)
_SERVING = (WorkerState.READY, WorkerState.BUSY)


def device_read(state: State, event: events.DeviceWasRead, turn: Turn) -> bool:
    """One device's readings of this second."""
    sensors = state.sensors
    sensors.slots_of[event.device] = event.slots
    if event.load_ratio is not None:
        sensors.load_ratio[event.device] = event.load_ratio
    is_changed = _memory(state, event, turn)
    is_changed |= _heat(state, event, turn)
    return is_changed | _gpu(state, event, turn)


def _memory(state: State, event: events.DeviceWasRead, turn: Turn) -> bool:
    if event.memory_ratio is None:
        return False
    rule, device = state.healing[Fault.MEMORY_HIGH], event.device
    look = state.sensors.lasts
    high_s = look("memory_high", device, event.memory_ratio > rule["above_ratio"], turn.at)
    fine_s = look("memory_fine", device, event.memory_ratio <= rule["above_ratio"], turn.at)
    look("memory_low", device, event.memory_ratio < rule["return_below_ratio"], turn.at)
    heal = state.heals.find(Fault.MEMORY_HIGH, device)
    if heal is not None and fine_s is not None and fine_s >= rule["for_s"]:
        state.heals.recover(turn, heal, {"memory_ratio": round(event.memory_ratio, 4)})
        return False
    if high_s is None or high_s < rule["for_s"]:
        return False
    if heal is None:
        numbers = {"memory_ratio": round(event.memory_ratio, 4), "above_ratio": rule["above_ratio"], "for_s": rule["for_s"]}
        heal = state.heals.detect(turn, Fault.MEMORY_HIGH, device, rule, lag_s=high_s, numbers=numbers)
    if heal.acted_at is not None and turn.at - heal.acted_at < rule["settle_s"]:
        return False
    if state.heals.may_act(heal, rule) and _relieve(state, turn, heal, event.slots):
        return True
    if heal.action is None:
        state.heals.act(turn, heal, "alert")
    return False


def _relieve(state: State, turn: Turn, heal: Heal, slots: tuple[int, ...]) -> bool:
    """The next rung on this device: what nobody works on first, then the job that minds least."""
    running = [slot for slot in (state.slots[n] for n in slots if n < len(state.slots)) if slot.job_id is not None]
    choice = down_for(state, turn, heal, running[0] if running else None, None)
    if choice.rung is not None and choice.rung.kind == DEVICE:
        take_device_rung(state, turn, heal, choice.rung, running[0] if running else None)
        return False
    jobs = [(state.jobs[slot.job_id], slot) for slot in running if slot.job_id is not None]
    jobs.sort(key=lambda pair: (pair[0].degrade != "allow", pair[0].priority, -pair[0].ordinal))
    return any(degrade_running(state, turn, heal, slot, job) for job, slot in jobs)


def _heat(state: State, event: events.DeviceWasRead, turn: Turn) -> bool:
    if event.is_throttled is None:
        return False
    rule, device = state.healing[Fault.THERMAL], event.device
    state.sensors.throttled[device] = event.is_throttled
    hot_s = state.sensors.lasts("hot", device, event.is_throttled, turn.at)
    cool_s = state.sensors.lasts("cool", device, not event.is_throttled, turn.at)
    heal = state.heals.find(Fault.THERMAL, device)
    if heal is None and hot_s is not None and hot_s >= rule["for_s"]:
        numbers = {"for_s": rule["for_s"], "temperature_c": event.temperature_c}
        heal = state.heals.detect(turn, Fault.THERMAL, device, rule, lag_s=hot_s, numbers=numbers)
        state.heals.act(turn, heal, rule.action)
        return rule.action == "rest" and _rest(state, turn, event.slots, "thermal")
    if heal is not None and hot_s is not None and heal.action == "rest":
        return _rest(state, turn, event.slots, "thermal")  # after a restart of the house
    if heal is not None and cool_s is not None and cool_s >= rule["return_after_s"]:
        state.heals.recover(turn, heal)
        return _end_rest(state, turn, event.slots, "thermal")
    return False


def _gpu(state: State, event: events.DeviceWasRead, turn: Turn) -> bool:
    device, errors, lost = event.device, state.healing[Fault.GPU_ERROR], state.healing[Fault.GPU_LOST]
    is_gone, cause = event.is_lost, "lost"
    for code in event.xids:
        if code in errors.codes["retire_codes"]:
            is_gone, cause = True, f"xid {code}"
        elif code in errors.codes["restart_codes"]:
            before = state.sensors.xid_at.get(device)
            state.sensors.xid_at[device] = turn.at
            if before is not None and turn.at - before <= errors["within_s"]:
                is_gone, cause = True, f"xid {code} again"
            else:
                _restart_workers(state, turn, event, code)
        else:
            heal = state.heals.detect(turn, Fault.GPU_ERROR, device, errors, numbers={"xid": code})
            state.heals.abandon(turn, heal, "unknown_code")
    there_s = state.sensors.lasts("there", device, not is_gone, turn.at)
    heal_lost = state.heals.find(Fault.GPU_LOST, device)
    if is_gone and heal_lost is None:
        heal_lost = state.heals.detect(turn, Fault.GPU_LOST, device, lost, numbers={"cause": cause})
        state.heals.act(turn, heal_lost, "retire")
        _rest(state, turn, event.slots, "gpu_lost")
        _kill(state, turn, event.slots, "gpu_lost")
        return True
    if is_gone:
        return _rest(state, turn, event.slots, "gpu_lost")
    if heal_lost is not None and there_s is not None and there_s >= lost["return_after_s"]:
        state.heals.recover(turn, heal_lost)
        return _end_rest(state, turn, event.slots, "gpu_lost")
    return False


def _restart_workers(state: State, turn: Turn, event: events.DeviceWasRead, code: int) -> None:
    rule = state.healing[Fault.GPU_ERROR]
    for number in event.slots:
        if number < len(state.slots):
            place = f"slot:{number}"
            numbers = {"xid": code, "slot": number, "worker_id": state.slots[number].worker_id}
            job_id = state.slots[number].job_id
            heal = state.heals.detect(turn, Fault.GPU_ERROR, place, rule, job_id=job_id, numbers=numbers)
            if state.heals.may_act(heal, rule):
                _kill(state, turn, (number,), "gpu_error")
            else:
                state.heals.abandon(turn, heal, "alert")


def _kill(state: State, turn: Turn, slots: tuple[int, ...], cause: str) -> None:
    """Order the kill of these slots' workers, once; their loss comes back as an event."""
    for slot in (state.slots[n] for n in slots if n < len(state.slots)):
        if slot.worker_id is None or slot.worker not in _SERVING:
            continue
        order_kill(state, turn, slot, cause)


def _rest(state: State, turn: Turn, slots: tuple[int, ...], cause: str) -> bool:
    """These slots take no new work."""
    for slot in (state.slots[n] for n in slots if n < len(state.slots)):
        if cause not in slot.drained_for:
            slot.drained_for.add(cause)
            turn.record(Tag.SLOT_DRAINED, f"slot:{slot.number}", {"cause": cause, "job_id": slot.job_id})
    return True


def _end_rest(state: State, turn: Turn, slots: tuple[int, ...], cause: str) -> bool:
    is_changed = False
    for slot in (state.slots[n] for n in slots if n < len(state.slots)):
        if cause in slot.drained_for:
            slot.drained_for.discard(cause)
            is_changed = True
            turn.record(Tag.SLOT_RETURNED, f"slot:{slot.number}", {"cause": cause})
    return is_changed


def disk_read(state: State, event: events.DiskWasRead, turn: Turn) -> bool:
    """Free space of the data directory."""
    rule, all_slots = state.healing[Fault.DISK_LOW], tuple(range(len(state.slots)))
    heal = state.heals.find(Fault.DISK_LOW, "disk")
    if heal is None and event.free_bytes < rule["below_bytes"]:
        numbers = {"free_bytes": event.free_bytes, "below_bytes": rule["below_bytes"]}
        heal = state.heals.detect(turn, Fault.DISK_LOW, "disk", rule, numbers=numbers)
        turn.record(Tag.DISK_LOW, "disk", {"free_bytes": event.free_bytes})
        state.heals.act(turn, heal, rule.action)
        return rule.action == "hold" and _rest(state, turn, all_slots, "disk_low")
    if heal is not None and event.free_bytes >= rule["return_above_bytes"]:
        turn.record(Tag.DISK_RECOVERED, "disk", {"free_bytes": event.free_bytes})
        state.heals.recover(turn, heal, {"free_bytes": event.free_bytes})
        return _end_rest(state, turn, all_slots, "disk_low")
    if heal is not None and heal.action == "hold":
        return _rest(state, turn, all_slots, "disk_low")
    return False


def start_failed(state: State, event: events.WorkerStartFailed, turn: Turn) -> bool:
    """A worker ended before it was ready."""
    rule, place = state.healing[Fault.CRASH_LOOP], f"slot:{event.slot}"
    heal = state.heals.find(Fault.CRASH_LOOP, place)
    if heal is None and event.failures >= rule["failures"]:
        numbers = {"failures": event.failures, "cause": event.cause, "reason": event.reason, "slot": event.slot}
        heal = state.heals.detect(turn, Fault.CRASH_LOOP, place, rule, numbers=numbers)
    if heal is not None:
        body = {"failures": event.failures, "wait_s": event.wait_s, "reason": event.reason}
        state.heals.act(turn, heal, "back_off", body)
    return False


def vault_changed(state: State, event: events.VaultChanged, turn: Turn) -> bool:
    """The vault went away, or one is there (again)."""
    heal = state.heals.find(Fault.VAULT_LOST, "vault:0")
    if not event.is_there and heal is None:
        numbers = {"cause": event.cause}
        rule = state.healing[Fault.VAULT_LOST]
        heal = state.heals.detect(turn, Fault.VAULT_LOST, "vault:0", rule, lag_s=event.silent_s, numbers=numbers)
        state.heals.act(turn, heal, "replace")
    elif event.is_there and heal is not None:
        state.heals.recover(turn, heal)
    return False


def healed_outside(state: State, event: events.HealedOutside, turn: Turn) -> bool:
    """A fault that was seen and mended where the core cannot look: the launcher's children, a disk without room."""
    fault = Fault(event.fault)
    heal = state.heals.detect(
        turn, fault, event.place, state.healing[fault], lag_s=event.silent_s, ago_s=event.seconds, numbers={"cause": event.cause}
    )
    state.heals.act(turn, heal, state.healing[fault].action, {"act_ms": round(event.acted_s * 1000)})
    state.heals.recover(turn, heal)
    return False


def settle(state: State, turn: Turn) -> None:
    """End the heals whose end shows in the state: the worker is back and its job goes on, the job made a block or ended."""
    for heal in list(state.heals.open.values()):
        if heal.fault in REPLACED and heal.place.startswith("slot:"):
            _settle_worker(state, turn, heal)
        elif heal.fault is Fault.CRASH_LOOP:
            slot = _slot(state, heal)
            if slot is None or slot.worker in _SERVING:
                state.heals.recover(turn, heal)
        elif heal.fault in (Fault.OUT_OF_MEMORY, Fault.STUTTER):
            _settle_job(state, turn, heal)


def forget_gone(state: State, turn: Turn) -> None:
    """After a restart with fewer slots nobody reads the GPUs of those that are gone."""
    for heal in list(state.heals.open.values()):
        number = heal.place.removeprefix("gpu")
        if heal.place.startswith("gpu") and number.isdecimal() and int(number) >= len(state.slots):
            state.heals.abandon(turn, heal, "slot_is_gone")


def _settle_worker(state: State, turn: Turn, heal: Heal) -> None:
    slot = _slot(state, heal)
    if slot is None:
        state.heals.abandon(turn, heal, "slot_is_gone")
        return
    if heal.action is None:
        if slot.worker is WorkerState.QUARANTINED:
            state.heals.act(turn, heal, "quarantine", {"until": slot.quarantined_until})
        elif slot.worker in _SERVING and slot.worker_id != heal.numbers.get("worker_id"):
            state.heals.act(turn, heal, "replace", {"worker_id": slot.worker_id})
    if heal.action is None or slot.worker not in _SERVING:
        return
    job = state.jobs.get(heal.job_id or "")
    if job is None or job.state is not JobState.LEASED:
        body = {} if heal.job_id is None else {"job_id": heal.job_id, "goes_on": job is not None and job.state in OWNED_STATES}
        state.heals.recover(turn, heal, body)


def _settle_job(state: State, turn: Turn, heal: Heal) -> None:
    job = state.jobs.get(heal.job_id or "")
    if job is None:
        is_done = (state.story(heal.job_id or "") or ("",))[-1].endswith(JobState.SUCCEEDED)
        if is_done:
            state.heals.recover(turn, heal, {"job_id": heal.job_id})
        else:
            state.heals.abandon(turn, heal, "job_ended", {"job_id": heal.job_id})
    elif heal.fault is Fault.OUT_OF_MEMORY and heal.action is not None and job.blocks_done > heal.numbers["blocks_done"]:
        state.heals.recover(turn, heal, {"job_id": job.id, "rung": job.rungs or "as_asked"})


def _slot(state: State, heal: Heal) -> Slot | None:
    number = int(heal.place.partition(":")[2])
    return state.slots[number] if number < len(state.slots) else None
