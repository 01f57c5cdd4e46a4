"""The hour's limit of automatic actions: it holds over a restart, and costs nothing once the hour is over."""

from __future__ import annotations

from scheduler.core import events
from scheduler.core.healing_policy import HOUR, HealingPolicy
from scheduler.core.heals import Heals
from scheduler.core.machine import State
from scheduler.core.tags import Tag
from tests.unit.scheduler.core.studio import Studio
from tests.unit.scheduler.core.test_healing import begin, bodies, house, no_memory

FAULTS = {"out_of_memory": {"max_per_hour": 1}}


def restarted(studio: Studio) -> Studio:
    """The same house after its daemon ended."""
    old, healing = studio.state, HealingPolicy.from_mapping(FAULTS)
    heals = Heals.from_mapping(old.heals.to_mapping())
    state = State.restore(old.policy, 1, list(old.jobs.values()), healing=healing, heals=heals)
    later = Studio(state=state, are_ready=False)
    later.at = studio.at + 5.0
    later.feed(events.Booted(at=later.at))
    later.ready(0, "w9")
    return later


def test_restart_of_the_daemon_begins_no_new_hour() -> None:
    studio = house(faults=FAULTS)
    begin(studio, "j0", 1, degrade="allow")
    no_memory(studio, "j0")
    studio.start("j0", 1)
    assert ("heal:recovered", "out_of_memory") in studio.heals()
    later = restarted(studio)
    no_memory(later, "j0")
    assert bodies(later, Tag.HEAL_ABANDONED)[0]["cause"] == "limit"


def test_faults_of_an_hour_ago_are_kept_of_nobody() -> None:
    studio = house()
    for number in range(3):
        begin(studio, f"j{number}", 1, degrade="allow")
        no_memory(studio, f"j{number}")
        studio.finish(f"j{number}")
        studio.at += HOUR
    assert len(studio.state.heals.recent) == 1
