"""Checks that need no simulation: the day, the requests, assets, adapters, versions, memory, block times, relations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations

from engine import memory
from engine.catalog import SHAPES
from engine.errors import SettingsError
from scheduler.plan.check import ATTENTION, BAD, OK, UNKNOWN, Check, checked
from scheduler.plan.demand import Demand, Refusal
from scheduler.plan.entry import Calendar, DayPlan, clock_text
from scheduler.plan.figures import size_text
from scheduler.plan.pace import Basis
from scheduler.plan.sentences import sentence
from scheduler.plan.studio import Studio
from scheduler.registry import Role

_STATES = {
    memory.Verdict.FITS: OK, memory.Verdict.FITS_DEGRADED: ATTENTION, memory.Verdict.DOES_NOT_FIT: BAD,
    memory.Verdict.CANNOT_TELL: UNKNOWN,
}  # fmt: skip


def day_check(plan: DayPlan, calendar: Calendar, today: Calendar) -> Check:
    """A plan for a day that is over helps nobody."""
    figures = {"day": calendar.day.isoformat(), "zone": str(calendar.zone), "videos": plan.videos}
    if calendar.day < today.day:
        return checked("plan day", BAD, "day_over", figures, day=calendar.day, today=today.day)
    return checked("plan day", OK, "day_ok", figures, videos=plan.videos, day=calendar.day, zone=calendar.zone)


def request_checks(refused: Iterable[Refusal]) -> Iterator[Check]:
    """One line per entry that would be refused at submission."""
    is_good = True
    for refusal in refused:
        is_good = False
        figures = {"entry": refusal.entry.number, "line": refusal.entry.line, "code": refusal.code, **refusal.why}
        yield checked(f"plan {refusal.entry.label}", BAD, refusal.code, figures, **refusal.words)
    if is_good:
        yield checked("plan requests", OK, "requests_ok")


def asset_checks(roles: Iterable[Role], studio: Studio) -> Iterator[Check]:
    """Portraits and voices of the plan's roles, hashed again."""
    whole = 0
    for role in roles:
        assert studio.library is not None
        states = {"portrait": role.portrait_sha256, "voice": role.voice_sha256}
        health = {kind: studio.library.verify(sha256) for kind, sha256 in states.items()}
        told = [sentence(f"{kind}_{state}") for kind, state in health.items() if state != "healthy"]
        if told:
            broken = {language: joint.join(one[language] for one in told) for language, joint in (("en", ", "), ("zh", "、"))}
            yield checked("plan assets", BAD, "asset_broken", {"role": role.name, **health}, role=role.name, broken=broken)
        else:
            whole += 1
    if whole:
        yield checked("plan assets", OK, "assets_ok", {"roles": whole}, roles=whole)


def version_check(roles: Iterable[Role], studio: Studio) -> Check:
    """Which versions of the roles, which model and device the answer holds for."""
    versions = ", ".join(f"{role.name} v{role.version}" for role in roles)
    state = OK if studio.model and studio.device else UNKNOWN
    figures = {"roles": {role.name: role.version for role in roles}, "model": studio.model, "device": studio.device}
    words = {"versions": versions, "model": studio.model or "?", "device": studio.device or "?"}
    return checked("plan versions", state, "role_versions", figures, **words)


def memory_check(wanted: list[Demand], studio: Studio) -> Check:
    """The planner's answer for the largest video of the plan, on the device that is here."""
    largest = max(wanted, key=lambda one: (one.context_bytes, one.blocks))
    if studio.device_bytes is None or studio.model not in SHAPES:
        return checked("plan memory", UNKNOWN, "memory_unknown")
    is_processor = studio.device in ("", "cpu")  # its slots share one memory; a GPU has one slot
    try:
        load = memory.Load(
            shape=SHAPES[studio.model], width=largest.setting.width, height=largest.setting.height,
            steps=largest.setting.steps, voice_s=max(one.video_s for one in wanted), text_encoder="host",
            contexts=max(1, studio.usable_slots) if is_processor else 1,
            has_vault=not is_processor, standbys=0 if is_processor else 1,
            portrait=(largest.role.image_width, largest.role.image_height),
        )  # fmt: skip
        cap = int(studio.device_bytes * memory.USABLE_RATIO)
        found = memory.make_plan(load, memory.Room(device=memory.find_device(studio.device_name), cap_bytes=cap))
    except SettingsError as error:
        return checked("plan memory", UNKNOWN, "no_studio", reason=str(error))
    figures = {
        "peak_bytes": found.peak_bytes, "limit_bytes": cap, "rung": found.rung.value, "size": largest.setting.size,
        "steps": largest.setting.steps,
    }  # fmt: skip
    words = {"size": largest.setting.size, "steps": largest.setting.steps}
    state = _STATES[found.verdict]
    english = checked("plan memory", state, "memory_fits", figures, why=found.why["en"], **words)
    chinese = checked("plan memory", state, "memory_fits", figures, why=found.why["zh"], **words)
    return Check(name="plan memory", state=state, text=english.text, zh=chinese.zh, data=figures)


def context_check(wanted: list[Demand], studio: Studio) -> Check:
    """Against the memory that the policy gives a slot: the same rule that admission follows."""
    limit = studio.policy.slot_memory_bytes
    largest = max(one.context_bytes for one in wanted)
    figures = {"largest_bytes": largest, "slot_memory_bytes": limit}
    words = {"need": size_text(largest), "have": "∞" if limit is None else size_text(limit)}
    if limit is None or largest <= limit:
        return checked("plan contexts", OK, "context_ok", figures, **words)
    over = [one for one in wanted if one.context_bytes > limit]
    lines = ", ".join(dict.fromkeys(one.entry.label for one in over))
    is_lowered = all(one.degrade != "never" and any(size <= limit for _, size in one.alternatives) for one in over)
    code, state = ("context_lower", ATTENTION) if is_lowered else ("context_too_large", BAD)
    return checked("plan contexts", state, code, figures, entries=lines, **words)


def pace_checks(wanted: list[Demand], studio: Studio) -> Iterator[Check]:
    """How long a block of each setting takes, and where that is known from."""
    settings = {one.setting: one.pace for one in wanted}
    for setting, pace in sorted(settings.items(), key=lambda item: (item[0].size, item[0].steps)):
        words = {"size": setting.size, "steps": setting.steps}
        if pace is None:
            yield checked("plan pace", UNKNOWN, "pace_unknown", {**words, "basis": None}, **words)
            continue
        figures = {**words, "block_s": pace.block_s, "spread_s": pace.spread_s, "basis": pace.basis.value, "blocks": pace.count}
        state = ATTENTION if pace.basis is Basis.SCALED else OK
        yield checked(
            "plan pace", state, f"pace_{pace.basis}", figures, block_s=f"{pace.block_s:.3g}",
            count=pace.count, other=pace.other, device=studio.device_name, **words,
        )  # fmt: skip


def relation_checks(wanted: list[Demand]) -> Iterator[Check]:
    """Roles that exclude each other and are wanted at the same time: allowed, they take turns, and people should know."""
    entries = {one.entry.number: one for one in wanted}.values()
    pairs = set()
    for one, other in combinations(entries, 2):
        opens = max(one.entry.opens_min, other.entry.opens_min)
        closes = min(one.entry.closes_min, other.entry.closes_min)
        excluded = other.role.name in one.role.never_with or one.role.name in other.role.never_with
        if excluded and opens < closes:
            names = sorted((one.role.name, other.role.name))
            pairs.add((names[0], names[1], f"{clock_text(opens)}-{clock_text(closes)}"))
    for first, second, window in sorted(pairs):
        figures = {"roles": [first, second], "window": window}
        yield checked("plan relations", OK, "relations_overlap", figures, one=first, other=second, window=window)
    if not pairs:
        yield checked("plan relations", OK, "relations_ok")


def adapter_check(roles: Iterable[Role], studio: Studio) -> Check:
    """The adapters that the plan's roles name: kept, and still the files that were checked when the roles were loaded."""
    assert studio.library is not None
    named = [(role.name, use) for role in roles for use in role.adapters]
    for name, use in named:
        if (health := studio.library.verify(use.sha256)) != "healthy":
            figures = {"role": name, "adapter": use.name, "health": health}
            words = {"role": name, "adapter": use.name, "health": sentence(f"health_{health}")}
            return checked("plan adapters", BAD, "adapter_broken", figures, **words)
    code = "adapters_ok" if named else "adapters_none"
    count = len({name for name, _ in named})
    return checked("plan adapters", OK, code, {"adapters": len(named)}, roles=count)
