"""Bugs planted one at a time into what jobs on several slots need: the simulated studio must catch each of them."""

from __future__ import annotations

from typing import Any

import pytest

from scheduler.core import assignment, gangs, upkeep, workers
from scheduler.core.fleet import Slot
from scheduler.core.job import Job
from scheduler.core.state import State
from tests.property.core.bugs import bug

Patch = pytest.MonkeyPatch


@bug
def gang_has_no_slot_kept_for_it(patch: Patch) -> None:
    patch.setattr(gangs.Kept, "lets_play", lambda *_: True)


@bug
def gang_keeps_slots_from_those_who_would_be_done_in_time(patch: Patch) -> None:
    patch.setattr(gangs.Kept, "lets_play", lambda *_: False)


@bug
def gang_that_lacks_workers_keeps_slots_all_the_same(patch: Patch) -> None:
    patch.setattr(assignment, "can_assemble", lambda *_: True)


@bug
def gang_begins_with_the_slots_it_gets(patch: Patch) -> None:
    seat = assignment._Desk._seat_gang

    def broken(self: Any, job: Job, width: int) -> bool:
        return seat(self, job, max(1, min(width, len(self.idle))))

    patch.setattr(assignment._Desk, "_seat_gang", broken)


@bug
def gang_stops_others_though_it_still_cannot_begin(patch: Patch) -> None:
    def broken(state: State, gang: Job, lacking: int, slots: list[Slot], at: float) -> list[Any]:
        chosen = gangs.choose_victim(state, gang, slots, at)
        return [] if chosen is None else [chosen]

    patch.setattr(assignment, "victims_for", broken)


@bug
def gang_that_ends_frees_one_slot_only(patch: Patch) -> None:
    slots_of = State.slots_of
    patch.setattr(State, "slots_of", lambda self, job: slots_of(self, job)[:1])


@bug
def gang_counts_as_one_slot_in_quotas(patch: Patch) -> None:
    def broken(self: State, job: Job, seconds: float, at: float) -> None:
        self.spent.add(job, seconds, at, self.policy)

    patch.setattr(State, "settle", broken)


@bug
def gang_is_one_slot_to_fair_share(patch: Patch) -> None:
    count = assignment.count_service

    def broken(state: State, at: float) -> None:
        slots = state.slots
        state.slots = [slot for slot in slots if slot.lead is None]
        count(state, at)
        state.slots = slots

    patch.setattr(assignment, "count_service", broken)


@bug
def workers_of_a_broken_gang_wait_for_ever(patch: Patch) -> None:
    patch.setattr(workers, "break_up", lambda *_: None)


@bug
def gang_that_is_stopped_keeps_half_of_its_workers(patch: Patch) -> None:
    patch.setattr(gangs, "break_up", lambda *_: None)
    assert upkeep.order_kill is gangs.order_kill
