"""What counts as good in a video: words by marks, and a policy whose mistakes are named."""

from __future__ import annotations

from typing import Any

import pytest

from scheduler.core.policy import PolicyError
from scheduler.core.quality import MEASURES, QualityPolicy


@pytest.mark.parametrize(
    ("measure", "value", "word"),
    [
        ("lip_offset_s", 0.08, "good"), ("lip_offset_s", -0.2, "look"), ("lip_offset_s", -0.31, "bad"),
        ("lip_offset_s", 0.3, "look"), ("lip_correlation", 0.7, "good"), ("lip_correlation", 0.2, "bad"),
        ("blurred_ratio", 0.02, "look"), ("blurred_ratio", 0.021, "bad"), ("identity_drift", 0.0, "good"),
        ("loudness_db", -19.0, "good"), ("loudness_db", -50.0, "bad"), ("loudness_db", -5.0, "look"),
        ("loudness_db", -1.0, "bad"), ("lip_offset_s", None, "unknown"),
    ],
)  # fmt: skip
def test_word_follows_from_the_marks(measure: str, value: float | None, word: str) -> None:
    assert QualityPolicy().word(measure, value) == word


def test_verdict_is_the_worst_word_and_never_good_where_something_cannot_be_told() -> None:
    policy, good = QualityPolicy(), {**dict.fromkeys(MEASURES, 0.0), "lip_correlation": 0.7, "loudness_db": -19.0}
    assert policy.verdict(good) == "good"
    assert policy.verdict({**good, "lip_offset_s": None}) == "unknown"
    assert policy.verdict({**good, "flicker": 0.01, "lip_offset_s": None}) == "look"
    assert policy.verdict({**good, "flicker": 0.01, "frozen_ratio": 0.9}) == "bad"


def test_marks_of_a_file_override_theirs_and_keep_the_others() -> None:
    policy = QualityPolicy.from_mapping({"measure": False, "catch_up": 7, "blurred_ratio": {"bad_above": 0.5}})
    assert (policy.measure, policy.catch_up) == (False, 7)
    assert policy.word("blurred_ratio", 0.4) == "look" and policy.word("blurred_ratio", 0.6) == "bad"
    assert policy.marks["flicker"] == QualityPolicy().marks["flicker"]
    assert QualityPolicy.from_mapping(policy.to_mapping()) == policy


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({"blured_ratio": {}}, "blured_ratio"),
        ({"blurred_ratio": 0.02}, "blurred_ratio is 0.02"),
        ({"blurred_ratio": {"bad_below": 1}}, "has no 'bad_below'"),
        ({"blurred_ratio": {"bad_above": 0.005}}, "look_above 0.01 is beyond bad_above 0.005"),
        ({"flicker": {"look_above": "much"}}, "flicker.look_above is 'much'"),
        ({"measure": "yes"}, "measure is 'yes'"),
        ({"timeout_s": 0}, "timeout_s is 0"),
        ({"catch_up": 1.5}, "catch_up is 1.5"),
        ([1], "not a map"),
    ],
)
def test_mistake_in_the_marks_is_named(said: Any, named: str) -> None:
    with pytest.raises(PolicyError, match=named) as caught:
        QualityPolicy.from_mapping(said)
    assert caught.value.hint and caught.value.field.startswith("quality")
