"""From a request to a recipe: who decides the length, what is rounded and said, what is refused by field."""

from __future__ import annotations

from typing import Any

import pytest

from engine.catalog import SHAPES
from engine.memory import context_bytes
from scheduler.errors import SchedulerError
from scheduler.job_ladder import Picture, job_ladder, settings_below
from scheduler.submission import Submission, check_fields, work_out
from tests.unit.scheduler.store_rig import role

# A voice of 3.2 s with a pause from 1.0 to 1.25 s and another from 2.4 to 2.6 s.
TEACHER = role(preset="pocket", pauses=((1.0, 1.25), (2.4, 2.6)))


def made(**request: Any) -> Submission:
    """The submission for a request of the teacher."""
    full = {"user": "education-team", "role": "teacher", "context": {"topic": "rain"}, **request}
    check_fields(full)
    return work_out(full, TEACHER, "pocket", "w" * 64, kv=None)


def test_voice_decides_the_length_when_nothing_else_is_said() -> None:
    submission = made()
    assert submission.recipe.voice_seconds == 3.2
    assert submission.total_blocks == 7  # 7 x 0.48 s cover 3.2 s


@pytest.mark.parametrize(("asked", "used", "blocks"), [(3.1, 2.4, 5), (2.5, 2.4, 5), (1.2, 1.0, 3), (0.6, 0.6, 2)])
def test_shorter_duration_ends_at_the_last_pause_before_it(asked: float, used: float, blocks: int) -> None:
    submission = made(duration_sec=asked)
    assert (submission.recipe.voice_seconds, submission.total_blocks) == (used, blocks)


def test_exactly_the_voices_length_is_not_cut() -> None:
    assert made(duration_sec=3.2).recipe.voice_seconds == 3.2
    assert made(duration_sec=3.19).recipe.voice_seconds == 3.2


def test_longer_duration_needs_a_word_what_to_do() -> None:
    with pytest.raises(SchedulerError) as caught:
        made(duration_sec=10)
    assert (caught.value.code, caught.value.field) == ("voice_too_short", "duration_sec")
    assert "loop" in caught.value.hint and "pad" in caught.value.hint


@pytest.mark.parametrize("fill", ["loop", "pad"])
def test_longer_duration_with_fill_is_kept_in_the_recipe(fill: str) -> None:
    submission = made(duration_sec=10, fill=fill)
    assert (submission.recipe.voice_seconds, submission.recipe.fill) == (10, fill)
    assert submission.total_blocks == 21


def test_number_of_clips_caps_the_video() -> None:
    submission = made(num_clip=1)
    assert submission.total_blocks == 4
    assert submission.recipe.voice_seconds == pytest.approx(1.92)


def test_infer_frames_are_rounded_up_and_the_answer_says_so() -> None:
    submission = made(infer_frames=32)
    assert submission.recipe.settings["infer_frames"] == 36
    assert any("rounded up to 36" in warning for warning in submission.warnings)


def test_answer_names_the_words_of_a_role_that_a_small_model_does_not_read() -> None:
    words = "children who hear of the sky for the first time and ask why clouds neither fall down nor fly away"
    (told,) = (warning for warning in made(context={"topic": words}).warnings if "bytes" in warning)
    assert "first 103 bytes" in told and "“ay to everyone” is left out" in told
    assert not any("bytes" in warning for warning in made(context={"topic": "rain"}).warnings)


def test_memory_is_that_of_the_real_picture_size() -> None:
    submission = made(size="384*256")
    assert (submission.width, submission.height) == (256, 256)  # a square portrait under that area
    assert submission.context_bytes == context_bytes(SHAPES["pocket"], 256, 256, 4)


def test_recipe_holds_everything_that_the_request_and_the_role_decided() -> None:
    recipe = made(seed=7, steps=3, priority=20).recipe
    assert recipe.settings["seed"] == 7 and recipe.settings["steps"] == 3
    assert recipe.portrait_sha256 == TEACHER.portrait_sha256 and recipe.voice_sha256 == TEACHER.voice_sha256
    assert recipe.context["topic"] == "rain" and recipe.context["audience"] == "everyone"
    assert "rain" in recipe.prompt


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"priority": 101}, "priority"),
        ({"priority": True}, "priority"),
        ({"degrade": "maybe"}, "degrade"),
        ({"deadline_sec": 0}, "deadline_sec"),
        ({"start_in_sec": -5}, "start_in_sec"),
        ({"start_in_sec": "soon"}, "start_in_sec"),
        ({"fill": "stretch"}, "fill"),
        ({"duration_sec": 0}, "duration_sec"),
        ({"duration_sec": "long"}, "duration_sec"),
        ({"steps": 2}, "steps"),
        ({"num_clip": 0}, "num_clip"),
        ({"infer_frames": -12}, "infer_frames"),
        ({"size": "1*1"}, "size"),
        ({"preset": "gold"}, "preset"),
        ({"user": "a b"}, "user"),
        ({"user": ""}, "user"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_mistake_is_refused_by_field(request_: dict[str, Any], field: str) -> None:
    with pytest.raises(SchedulerError) as caught:
        made(**request_)
    assert (caught.value.status, caught.value.field) == (422, field)


@pytest.mark.parametrize("degrade", ["allow", "ask", "never"])
def test_lower_settings_are_known_even_where_none_may_be_taken(degrade: str) -> None:
    submission = made(degrade=degrade)
    picture = Picture(width=submission.role.image_width, height=submission.role.image_height)
    ladder = job_ladder(submission.recipe.model, submission.recipe.settings, picture, kv=None)
    rungs = settings_below(ladder)["alternatives"]
    assert rungs, "a refusal names what would fit"
    assert all(predicted < submission.context_bytes for _, predicted in rungs)


def test_wanted_times_are_seconds_from_now_and_none_where_nothing_is_asked() -> None:
    assert (made().deadline_s, made().start_in_s) == (None, None)
    submission = made(deadline_sec=900, start_in_sec=600.5)
    assert (submission.deadline_s, submission.start_in_s) == (900.0, 600.5)


def test_preview_has_the_same_words_and_seed_at_no_more_than_the_presets_cost() -> None:
    whole = made(preset="hd", duration_sec=60, fill="loop", seed=7, preview_first=True, deadline_sec=900)
    cheap = whole.preview
    assert cheap is not None and cheap.preview is None
    settings = cheap.recipe.checked_settings()
    assert (settings.size, settings.steps, settings.seed) == ("384*256", 3, 7)
    assert cheap.total_blocks == 30 < whole.total_blocks and cheap.deadline_s is None
    same = ("role", "prompt", "context", "portrait_sha256", "voice_sha256", "fill")
    assert all(getattr(cheap.recipe, name) == getattr(whole.recipe, name) for name in same)
    assert made(preset="hd").preview is made(preview_first=False).preview is None
    small = made(preset="pocket", preview_first=True).preview
    assert small is not None and small.recipe.checked_settings().size == "192*128", "never larger than the video"


@pytest.mark.parametrize(
    ("request_", "code", "field"),
    [
        ({"preset": "preview"}, "preview_not_cheaper", "preview_first"),
        ({"start_in_sec": 60}, "preview_unplanned", "start_in_sec"), ({"follows": "j1"}, "preview_unplanned", "follows"),
    ],
)  # fmt: skip
def test_preview_that_saves_nothing_or_breaks_a_plan_is_refused(request_: dict[str, Any], code: str, field: str) -> None:
    with pytest.raises(SchedulerError) as caught:
        made(preview_first=True, **request_)
    assert (caught.value.code, caught.value.field) == (code, field) and caught.value.hint


def test_part_of_a_session_cannot_have_a_time_reserved() -> None:
    with pytest.raises(SchedulerError, match="begins where the part before it ends") as caught:
        made(follows="j1", start_in_sec=60)
    assert (caught.value.field, caught.value.hint) == ("start_in_sec", "Reserve a time for the session's first part.")


def test_time_reserved_after_the_deadline_is_refused() -> None:
    with pytest.raises(SchedulerError, match=r"within 90 s and would begin in 600\.5 s") as caught:
        made(deadline_sec=90, start_in_sec=600.5)
    assert (caught.value.field, caught.value.data["problem"]) == ("deadline_sec", "late_start")


def test_preview_first_is_yes_or_no() -> None:
    with pytest.raises(SchedulerError, match="true or false"):
        made(preview_first="yes")
