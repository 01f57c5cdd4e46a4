"""The published flags: legal ones pass, illegal combinations name the legal one, unbuilt modes are refused aloud."""

from __future__ import annotations

import pytest

from scheduler.cli.flags import ModelFlags, check_flags
from scheduler.errors import SchedulerError


def test_given_flags_become_the_request_and_others_stay_out() -> None:
    checked = check_flags(ModelFlags(size="384*256", sample_steps=3, num_clip=2, base_seed=7, sample_solver="euler"))
    assert checked.as_request() == {"size": "384*256", "steps": 3, "num_clip": 2, "seed": 7}
    assert checked.notes == ()


def test_no_flags_leave_everything_to_the_role() -> None:
    assert check_flags(ModelFlags()).as_request() == {}


def test_infer_frames_are_rounded_up_to_a_multiple_of_twelve_and_said_so() -> None:
    checked = check_flags(ModelFlags(infer_frames=32))
    assert checked.infer_frames == 36
    assert "36" in checked.notes[0]


def test_seed_minus_one_draws_a_seed_and_says_which() -> None:
    checked = check_flags(ModelFlags(base_seed=-1))
    assert checked.seed is not None
    assert checked.seed >= 0
    assert str(checked.seed) in checked.notes[0]


@pytest.mark.parametrize(
    ("flags", "field", "words"),
    [
        (ModelFlags(size="1*1"), "size", "384*256"),
        (ModelFlags(sample_steps=9), "sample_steps", "3, 4 or 5"),
        (ModelFlags(num_clip=0), "num_clip", "1 to 100000"),
        (ModelFlags(infer_frames=-12), "infer_frames", "12"),
        (ModelFlags(base_seed=-2), "base_seed", "at least 0"),
        (ModelFlags(sample_solver="unipc"), "sample_solver", "euler"),
        (ModelFlags(sample_guide_scale=4.5), "sample_guide_scale", "0"),
        (ModelFlags(offload_model="perhaps"), "offload_model", "True or False"),
        (ModelFlags(num_gpus_dit=2), "num_gpus_dit", "3 with --enable_vae_parallel"),
        (ModelFlags(num_gpus_dit=3), "num_gpus_dit", "4 without"),
        (ModelFlags(enable_vae_parallel=True), "num_gpus_dit", "4 with --enable_vae_parallel"),
        (ModelFlags(num_gpus_dit=4, ulysses_size=2), "ulysses_size", "4 and 4"),
        (ModelFlags(num_gpus_dit=3, enable_vae_parallel=True, ulysses_size=3), "ulysses_size", "divisor"),
    ],
)
def test_illegal_value_is_refused_with_the_legal_one_named(flags: ModelFlags, field: str, words: str) -> None:
    with pytest.raises(SchedulerError) as caught:
        check_flags(flags)
    assert caught.value.field == field
    assert words in f"{caught.value.message} {caught.value.hint}"
    assert caught.value.code == "wrong_usage"


@pytest.mark.parametrize(
    ("flags", "field"),
    [
        (ModelFlags(num_gpus_dit=4), "num_gpus_dit"),
        (ModelFlags(num_gpus_dit=4, ulysses_size=4), "num_gpus_dit"),
        (ModelFlags(num_gpus_dit=3, enable_vae_parallel=True), "num_gpus_dit"),
        (ModelFlags(offload_model="True"), "offload_model"),
    ],
)
def test_mode_that_is_not_built_is_refused_with_a_sentence(flags: ModelFlags, field: str) -> None:
    with pytest.raises(SchedulerError) as caught:
        check_flags(flags)
    assert (caught.value.code, caught.value.field) == ("not_built", field)
    assert "not built yet" in caught.value.message


@pytest.mark.parametrize(
    "flags", [ModelFlags(num_gpus_dit=1, ulysses_size=1), ModelFlags(offload_model="False", enable_online_decode=True)]
)
def test_published_single_gpu_settings_are_accepted(flags: ModelFlags) -> None:
    assert check_flags(flags).as_request() == {}


def test_unknown_preset_is_refused_with_those_that_exist() -> None:
    with pytest.raises(SchedulerError, match="cinema") as caught:
        check_flags(ModelFlags(), preset="cinema")
    assert "preview" in caught.value.hint


@pytest.mark.parametrize(
    ("flags", "field"),
    [(ModelFlags(load_lora=True), "load_lora"), (ModelFlags(lora_path_dmd="somewhere"), "lora_path_dmd")],
)
def test_adapter_is_merged_for_one_video_but_never_for_a_job(flags: ModelFlags, field: str) -> None:
    both = ModelFlags(load_lora=True, lora_path_dmd="somewhere")
    assert check_flags(both, can_merge=True).as_request() == {}
    for given, can_merge, words in ((both, False, "weights convert"), (flags, True, "belong together")):
        with pytest.raises(SchedulerError) as caught:
            check_flags(given, can_merge=can_merge)
        assert words in f"{caught.value.message} {caught.value.hint}"
    assert caught.value.field == field
