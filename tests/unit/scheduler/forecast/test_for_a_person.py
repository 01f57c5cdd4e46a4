"""Who waits for somebody's word is told so, and not that too many are ahead."""

from __future__ import annotations

from scheduler.forecast.process import _for_a_person
from tests.unit.scheduler.core.studio import Studio


def test_job_that_waits_for_somebodys_word_is_not_called_far_back() -> None:
    studio = Studio()
    studio.submit("main", preview="cheap", total_blocks=200)
    studio.submit("cheap", total_blocks=4)
    studio.submit("next", total_blocks=4)
    studio.submit("stopped", total_blocks=4)
    studio.pause("stopped")
    assert _for_a_person(studio.state) == {"main", "stopped"}, "not the one that stands in line"
