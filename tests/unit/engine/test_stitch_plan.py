"""Where transitions lie: worked out from lengths and pauses alone, for every mixture of silences."""

from __future__ import annotations

import itertools

import pytest

from engine.errors import SettingsError
from engine.media.even_loudness import PEAK_DB, even_gains
from engine.media.listening import Heard
from engine.media.stitch import kinds_for
from engine.media.stitch_plan import (
    REACH_FRAMES,
    TRANSITION_FRAMES,
    plan_by_parts,
    plan_by_track,
    quiet_end,
    quiet_start,
)

T = TRANSITION_FRAMES


def heard(seconds: float, *pauses: tuple[float, float], loudness: float | None = -20.0, peak: float = -6.0) -> Heard:
    true_peak = None if loudness is None else peak
    return Heard(samples=round(seconds * 48_000), channels=1, pauses=pauses, loudness=loudness, true_peak_db=true_peak)


def spoken(frames: int, before: int, after: int) -> Heard:
    """A part that is silent for so many pictures at its beginning and at its end."""
    pauses = [(0.0, before / 25)] * (before > 0) + [((frames - after) / 25, frames / 25)] * (after > 0)
    return heard(frames / 25, *pauses)


@pytest.mark.parametrize(("before", "after"), list(itertools.product((0, 5, 7, 12, 13, 30), repeat=2)))
def test_transition_lies_in_silence_that_no_speech_reaches_into(before: int, after: int) -> None:
    lengths = [100, 80]
    plan = plan_by_parts(lengths, [spoken(100, 0, before), spoken(80, after, 0)], ["fade", "cut"])
    (placed,) = plan.placed
    at, end = placed.joint.at, placed.joint.at + placed.joint.frames
    speech_ends, speech_begins = lengths[0] - before, plan.starts[1] + after
    assert placed.joint.frames == T
    assert speech_ends <= at and end <= speech_begins
    assert speech_begins - speech_ends >= T
    assert plan.frames == plan.starts[1] + 80
    assert placed.is_in_silence == (before + after >= T)
    assert placed.held == max(0, T - before - after) == max(0, plan.starts[1] - 100)


def test_parts_that_are_silent_throughout_never_lie_three_at_once() -> None:
    for length in (1, 2, 11, 12, 23, 24, 25, 60):
        sound = heard(length / 25, (0.0, length / 25), loudness=None)
        plan = plan_by_parts([length] * 4, [sound] * 4, ["fade"] * 4)
        ends = [placed.joint.at + placed.joint.frames for placed in plan.placed]
        assert all(earlier <= later.joint.at for earlier, later in zip(ends, plan.placed[1:], strict=False)), length
        assert all(start + length <= third for start, third in zip(plan.starts, plan.starts[2:], strict=False)), length
        assert ends[-1] == plan.frames


def test_cuts_move_nothing() -> None:
    plan = plan_by_parts([10, 20, 30], [spoken(10, 3, 3), spoken(20, 5, 5), spoken(30, 5, 5)], ["cut", "cut", "cut"])
    assert (plan.starts, plan.frames) == ((0, 10, 30), 60)
    assert [placed.joint.frames for placed in plan.placed] == [0, 0]


def test_end_needs_silence_too_or_gets_it() -> None:
    for silent, held in ((30, 0), (12, 0), (4, 8), (0, 12)):
        plan = plan_by_parts([100], [spoken(100, 0, silent)], ["fade"])
        assert (plan.frames, plan.placed[0].joint.at, plan.placed[0].held) == (100 + held, 100 + held - T, held)


def test_silence_is_only_what_reaches_the_edge_and_at_most_half() -> None:
    sound = heard(4.0, (0.0, 0.3), (1.0, 2.0), (3.5, 4.0))
    assert (quiet_start(sound, 100), quiet_end(sound, 100)) == (7, 12)
    assert quiet_end(heard(4.0, (3.0, 3.9)), 100) == 0
    assert quiet_start(heard(4.0, (0.0, 4.0)), 100) == 50


def test_with_a_track_every_part_keeps_its_place() -> None:
    track = heard(12.0, (3.7, 4.6), (6.0, 6.6))
    plan = plan_by_track([100, 100, 100], track, ["fade", "fade", "cut"])
    assert (plan.starts, plan.frames) == ((0, 100, 200), 300)
    near, far = plan.placed
    assert near.is_in_silence and near.joint.at >= 93 and near.joint.at + T <= 115
    assert not far.is_in_silence and far.joint.at + T // 2 == 200  # the pause at 6 s is too far away


def test_pause_of_a_track_that_is_too_short_is_used_but_told() -> None:
    (placed,) = plan_by_track([100, 100], heard(8.0, (4.2, 4.44)), ["fade", "cut"]).placed
    assert not placed.is_in_silence and abs(placed.joint.at + T // 2 - 108) <= 1 and placed.silence_s == pytest.approx(0.24)
    assert REACH_FRAMES >= 8


def test_transition_over_short_parts_with_a_track_is_shorter() -> None:
    plan = plan_by_track([4, 4, 4], heard(0.5), ["fade", "fade", "cut"])
    assert [(placed.joint.at, placed.joint.frames) for placed in plan.placed] == [(2, 4), (6, 4)]


def test_where_the_track_has_ended_it_is_silent() -> None:
    (placed,) = plan_by_track([100, 100], heard(3.0), ["fade", "cut"]).placed
    assert placed.is_in_silence and placed.joint.at == 94


@pytest.mark.parametrize(
    ("names", "parts", "kinds"),
    [
        ([], 3, ["cut", "cut", "cut"]),
        (["fade"], 3, ["fade", "fade", "cut"]),
        (["fade", "slide_left"], 3, ["fade", "slide_left", "cut"]),
        (["fade", "slide_left", "fade"], 3, ["fade", "slide_left", "fade"]),
        (["fade"], 2, ["fade", "cut"]),
        (["fade"], 1, ["fade"]),
    ],
)
def test_names_are_for_the_joints_and_one_more_for_the_end(names: list[str], parts: int, kinds: list[str]) -> None:
    assert kinds_for(names, parts) == kinds


def test_names_that_fit_nothing_are_refused_with_what_would() -> None:
    with pytest.raises(SettingsError, match="2 transitions were named for 4") as refused:
        kinds_for(["fade", "cut"], 4)
    assert "3 (one for each joint), or 4" in refused.value.hint


def test_gains_bring_all_to_the_middle_and_leave_silence_alone() -> None:
    voices = [heard(1, loudness=-26, peak=-20), heard(1, loudness=-20, peak=-12), heard(1, loudness=-17)]
    assert even_gains([*voices, heard(1, loudness=None)]) == [6, 0, -3, 0]
    assert even_gains([heard(1, loudness=-20.2), heard(1, loudness=-20)]) == [0, 0]
    assert even_gains([heard(1, loudness=None)]) == [0]


def test_no_peak_is_lifted_above_the_mark() -> None:
    """The quiet one has little room above it: the other comes down to meet it, but not without end."""
    quiet, loud = heard(1, loudness=-30, peak=-5), heard(1, loudness=-20, peak=-3)
    assert even_gains([quiet, loud]) == [4, -6]
    squeak = heard(1, loudness=-45, peak=-1)
    assert even_gains([squeak, loud]) == [0, -18.5]  # 6 LU below the middle, -32.5
    for gain, sound in zip(even_gains([squeak, quiet, loud]), (squeak, quiet, loud), strict=True):
        assert gain <= 0 or (sound.true_peak_db or 0) + gain <= PEAK_DB
