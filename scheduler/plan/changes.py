"""The smallest changes that make a misfit fit: more time, moved, shortened, lowered, fewer; each was played."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from math import ceil

from engine.catalog import BLOCK_SECONDS, FPS, PRESETS, Preset
from scheduler.plan.change import KINDS, Change, Judge
from scheduler.plan.demand import demand_of
from scheduler.plan.entry import Entry
from scheduler.plan.figures import length_text
from scheduler.plan.played import PlayedDay, Stage
from scheduler.plan.sentences import Words, sentence
from scheduler.plan.windows import nearest_end, nearest_move

HOPELESS = frozenset({"unknown_role", "role_away"})  # no change of the entry helps
SHORTEST_SHARE = 0.25  # of the length: less is another video


class Search:
    """Looks for changes on one stage. `budget`: how many days it may play; `is_cut_short` says that it ran out, `tried` has
    what was played, by kind."""

    def __init__(self, stage: Stage, budget: int) -> None:
        self._stage = stage
        self._until = stage.runs + budget
        self.is_cut_short = False
        self.tried: dict[str, list[Change]] = {}

    def changes(self, day: PlayedDay, number: int) -> list[Change]:
        """The smallest change of each kind for one misfit, those first that leave the video as it was asked for."""
        entry = next(entry for entry in day.entries if entry.number == number)
        is_good = self._judge(day, number)
        if any(refusal.entry.number == number and refusal.code in HOPELESS for refusal in day.refused):
            return []

        def first(candidates: Iterator[Change]) -> Change | None:
            return next((change for change in candidates if is_good(change)), None)

        found = {
            "fill": first(_fills(entry, day, self._stage)), "extend": nearest_end(entry, day, self._stage, is_good),
            "lower_preset": first(_lower_presets(entry, day, self._stage)),
            "shorten": self._shortest_cut(entry, day, is_good), "fewer": self._fewest_less(entry, is_good),
            "move": nearest_move(entry, day, self._stage, is_good),  # the longest search comes last
        }  # fmt: skip
        return [change for kind in KINDS if (change := found[kind]) is not None]

    def repair(self, day: PlayedDay) -> tuple[list[Change], PlayedDay]:
        """One change for each misfit, one on top of the other, and the day that comes of them.

        The most important first: the others make room for it. Of several changes the one that leaves the fewest misfits, of
        equal ones the one that costs the video least.
        """
        applied: list[Change] = []
        for number in sorted(day.misfits(), key=lambda number: (-self._importance(day, number), number)):
            if number in day.misfits() and (found := self.changes(day, number)):
                after = [self._stage.day(_with(day.entries, change.entry)) for change in found]  # played already
                best = min(range(len(found)), key=lambda index: len(after[index].misfits()))
                applied.append(found[best])
                day = after[best]
        return applied, day

    def _importance(self, day: PlayedDay, number: int) -> int:
        """An entry's priority, else its role's."""
        entry = next(entry for entry in day.entries if entry.number == number)
        role = self._stage.studio.roles.get(entry.role)
        return entry.priority if entry.priority is not None else role.priority if role is not None else 0

    def _judge(self, day: PlayedDay, number: int) -> Judge:
        """Does the changed entry fit, and does nothing else stop fitting?"""
        before = day.misfits()

        def is_good(change: Change) -> bool:
            wanted, refused = demand_of((change.entry,), self._stage.calendar, self._stage.studio)
            if refused or any(one.pace is None for one in wanted):
                return False  # no day is needed for that: nobody can submit it, or nobody knows how long it takes
            if self._stage.runs >= self._until:
                self.is_cut_short = True
                return False
            self.tried.setdefault(change.kind, []).append(change)
            after = self._stage.day(_with(day.entries, change.entry)).misfits()
            return number not in after and after <= before

        return is_good

    def _shortest_cut(self, entry: Entry, day: PlayedDay, is_good: Judge) -> Change | None:
        """The greatest length that fits, found by halving."""
        seconds = [one.video_s for one in day.wanted if one.entry.number == entry.number]
        if not seconds:
            return None
        whole = round(seconds[0] / BLOCK_SECONDS)

        def cut(blocks: int) -> Change:
            length_s = round(blocks * BLOCK_SECONDS, 2)
            words = sentence("shorten", length=length_text(length_s))
            shorter = dataclasses.replace(entry, length_s=length_s)
            return Change(kind="shorten", entry=shorter, words=words, data={"length_s": length_s})

        blocks = _greatest(max(1, ceil(whole * SHORTEST_SHARE)), whole - 1, lambda count: is_good(cut(count)))
        return None if blocks is None else cut(blocks)

    def _fewest_less(self, entry: Entry, is_good: Judge) -> Change | None:
        def only(count: int) -> Change:
            words = sentence("fewer", count=count, before=entry.count)
            return Change(kind="fewer", entry=dataclasses.replace(entry, count=count), words=words, data={"count": count})

        count = _greatest(1, entry.count - 1, lambda count: is_good(only(count)))
        return None if count is None else only(count)


def _greatest(low: int, high: int, is_good: Callable[[int], bool]) -> int | None:
    """The greatest number that is good, if smaller ones are good too; what is returned was tried."""
    if low > high or not is_good(low):
        return None
    best = low
    while best < high:
        middle = (best + high + 1) // 2
        if is_good(middle):
            best = middle
        else:
            high = middle - 1
    return best


def _lower_presets(entry: Entry, day: PlayedDay, stage: Stage) -> Iterator[Change]:
    """Presets with less work than the entry's that hold the whole video, the nearest first."""
    role = stage.studio.roles.get(entry.role)
    name = entry.preset or (role.preset if role is not None else "")
    if name not in PRESETS:
        return
    most_s = max((one.video_s for one in day.wanted if one.entry.number == entry.number), default=0.0)
    lower = [preset for preset in PRESETS.values() if _work(preset.name) < _work(name) and _holds(preset, most_s)]
    for preset in sorted(lower, key=lambda preset: -_work(preset.name)):
        changed = dataclasses.replace(entry, preset=preset.name)
        words = sentence("lower_preset", preset=preset.name)
        yield Change(kind="lower_preset", entry=changed, words=words, data={"preset": preset.name})


def remedy_of(day: PlayedDay, number: int, stage: Stage) -> Words | None:
    """What a refused entry needs in any case, whether or not it then fits: the voice repeated. None where it is not that, and
    the refusal's own line has the way out."""
    codes = {refusal.why.get("why", {}).get("code") for refusal in day.refused if refusal.entry.number == number}
    entry = next(entry for entry in day.entries if entry.number == number)
    return next((change.words for change in _fills(entry, day, stage)), None) if "voice_too_short" in codes else None


def _fills(entry: Entry, day: PlayedDay, stage: Stage) -> Iterator[Change]:
    """Where a video is refused because the voice is shorter: repeat it."""
    is_refused = any(refusal.entry.number == entry.number for refusal in day.refused)
    role = stage.studio.roles.get(entry.role)
    if is_refused and entry.fill is None and role is not None and entry.length_s is not None:
        looped = dataclasses.replace(entry, fill="loop")
        words = sentence("fill", length=length_text(round(role.voice_seconds, 2)))
        yield Change(kind="fill", entry=looped, words=words, data={"fill": "loop"})


def _holds(preset: Preset, seconds: float) -> bool:
    return preset.clips is None or preset.clips * preset.infer_frames / FPS >= seconds


def _work(name: str) -> int:
    preset = PRESETS[name]
    width, height = preset.size.split("*")
    return int(width) * int(height) * preset.steps


def _with(entries: tuple[Entry, ...], changed: Entry) -> tuple[Entry, ...]:
    return tuple(changed if entry.number == changed.number else entry for entry in entries)
