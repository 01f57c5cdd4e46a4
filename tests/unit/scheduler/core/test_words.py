"""Tags, policy and sentences: the words and numbers of the core."""

from __future__ import annotations

import re

import pytest

from scheduler.core.actions import MoveJob
from scheduler.core.explain import why
from scheduler.core.policy import Policy, PolicyError
from scheduler.core.sentences import cost_of
from scheduler.core.tags import Tag
from tests.unit.scheduler.core.studio import Studio

PAST = re.compile(r"ed$|en$")
STATES = {"ready", "low", "lost", "preempting"}  # a condition that began, or (preempting) one that has an end


def test_tags_are_subject_and_past_verb() -> None:
    for tag in Tag:
        subject, _, verb = tag.value.partition(":")
        assert re.fullmatch(r"[a-z]+", subject), tag
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", verb), tag
        assert PAST.search(verb) or verb in STATES, tag
        assert tag.name == f"{subject}_{verb}".upper().replace("-", "_"), tag


def test_policy_takes_plain_data_and_gives_it_back() -> None:
    policy = Policy.from_mapping({"lease_s": 5, "max_crashes": 2})
    assert (policy.lease_s, policy.max_crashes, policy.min_run_blocks) == (5, 2, Policy().min_run_blocks)
    assert Policy.from_mapping(policy.to_mapping()) == policy


@pytest.mark.parametrize(
    ("data", "field", "words"),
    [
        ({"lease": 5}, "lease", "Did you mean lease_s"),
        ({"fair_share_scale": 5}, "fair_share_scale", "Did you mean fair_share_scale_s"),
        ({"colour": 5}, "colour", "Known fields: affinity_points, ageing_ceiling"),
        ({"colour": 5}, "colour", "Known fields"),
        ({"max_crashes": 0}, "max_crashes", "at least 1"),
        ({"max_crashes": 2.5}, "max_crashes", "whole number"),
        ({"max_crashes": True}, "max_crashes", "whole number"),
        ({"grace_s": "soon"}, "grace_s", "a number"),
        ({"grace_s": float("nan")}, "grace_s", "a number"),
        ({"ageing_per_s": -1}, "ageing_per_s", "at least 0"),
        ({"lease_s": None}, "lease_s", "a number"),
        ({"fair_share_half_life_s": 1.7e308}, "fair_share_half_life_s", "at most 1e[+]15"),
        ({"max_queued": 10**400}, "max_queued", "at most 1e[+]15"),
        ({"max_queued": -(10**400)}, "max_queued", "at least 1"),
        ({"grace_s": float("inf")}, "grace_s", "a number"),
        ({"team_weights": {"education": 1e308}}, "team_weights.education", "at most 1e[+]15"),
        ({"ageing_ceiling": 100}, "ageing_ceiling", "at most 99"),
    ],
)
def test_policy_error_names_the_field(data: dict[str, object], field: str, words: str) -> None:
    with pytest.raises(PolicyError, match=words) as caught:
        Policy.from_mapping(data)
    assert caught.value.field == field


def test_policy_cannot_be_changed_after() -> None:
    with pytest.raises(AttributeError):
        Policy().lease_s = 1.0  # type: ignore[misc]


def test_lower_setting_is_offered_with_what_it_costs_in_quality() -> None:
    assert cost_of("steps=3") == {"en": "3 denoising steps, coarser detail", "zh": "3 步去噪，细节较粗"}
    assert cost_of("steps=3 size=384*256")["en"] == "3 denoising steps, coarser detail, pictures of 384*256, fewer pixels"
    assert cost_of("caches")["zh"] == "画面不变"
    studio = Studio(slot_memory_bytes=4)
    studio.submit("j0", context_bytes=6, alternatives=(("steps=3", 3),))
    explanation = why(studio.state, "j0")
    assert explanation is not None
    for language, cost in cost_of("steps=3").items():
        assert cost in explanation.text[language] and cost in studio.only(MoveJob).body["decision"]["text"][language]
    studio.submit("j1", context_bytes=6, degrade="allow", alternatives=(("size=384*256", 3),))
    assert "fewer pixels" in studio.all(MoveJob)[0].body["decision"]["text"]["en"]
