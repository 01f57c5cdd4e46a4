"""The ladder: from everything on the GPU down, each rung with less on the GPU than the one above.

Pure and quick: admission may ask for it on every request.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from engine.catalog import SIZES
from engine.config import fit_size
from engine.memory.load import Load, Room
from engine.memory.offload import Offload
from engine.memory.placement import WEIGHT_POOL_LAYERS, Arrangement, layer_bytes
from engine.memory.plan import Plan, Rung, Verdict, explained, gib, plan_of, rung_words
from engine.memory.words import Words, sentence

SMALLEST_SIZE = "384*256"  # the ladder does not go below it
FEWEST_STEPS = 3


def make_plan(load: Load, room: Room, *, has_consent: bool = False) -> Plan:
    """The first rung that fits, with the verdict and a sentence; where none does, the lowest that needs no consent.

    Without a limit to compare with, the plan of everything on the GPU, verdict `cannot_tell`.
    """
    rungs = all_rungs(load, room)
    allowed = [one for one in rungs if has_consent or not one.rung.needs_consent]
    if rungs[0].fits is None:
        return rungs[0]
    fitting = next((one for one in allowed if one.fits), None)
    if fitting is not None and fitting.rung is Rung.RESIDENT:
        return fitting
    if fitting is not None:
        return explained(fitting, Verdict.FITS_DEGRADED, _degraded(fitting, rungs[0]))
    return explained(allowed[-1], Verdict.DOES_NOT_FIT, _why_not(allowed, rungs))


def all_rungs(load: Load, room: Room) -> tuple[Plan, ...]:
    """All rungs that save something, consented ones last."""
    plans: list[Plan] = []
    for rung, how in _arrangements(load, room, room.limit_bytes):
        _add(plans, plan_of(load, room, rung, how))
    for steps in range(load.steps - 1, FEWEST_STEPS - 1, -1):
        fewer = dataclasses.replace(plans[-1].load, steps=steps)
        _add(plans, plan_of(fewer, room, Rung.FEWER_STEPS, plans[-1].how))
    for width, height in _smaller_sizes(load):
        smaller = dataclasses.replace(plans[-1].load, width=width, height=height)
        _add(plans, _mildest(smaller, room, plans[-1]))
    return tuple(plans)


def _add(plans: list[Plan], candidate: Plan) -> None:
    if not plans or candidate.weighs_less_than(plans[-1]):
        plans.append(candidate)


def _arrangements(load: Load, room: Room, limit: int | None) -> Iterator[tuple[Rung, Arrangement]]:
    """The rungs that change nothing of what was asked for, each on top of the ones before."""
    how = Arrangement(kv=load.kv, offload=Offload(text_weights=not load.is_wide))  # no step uses them
    yield Rung.RESIDENT, how
    how = dataclasses.replace(how, is_parked=True)
    yield Rung.PARKED_CONTEXTS, how
    how = dataclasses.replace(how, is_lean=True)
    yield Rung.DROPPED_CACHES, how
    if load.is_wide:
        return  # the code that streams and stores eight bits is the GPU's
    if room.has_fp8:
        how = dataclasses.replace(how, kv="fp8")
        yield Rung.FP8_RINGS, how
    how = dataclasses.replace(how, offload=Offload(text_weights=True, rings=True))
    yield Rung.STREAMED_RINGS, how
    how = dataclasses.replace(how, offload=Offload(text_weights=True, rings=True, cold_weights=True))
    yield Rung.COLD_WEIGHTS, how
    if load.adapter_rank:
        return  # side columns of travelling layers would lose what is attached: the engine refuses them
    layers = _layers_to_stream(load, plan_of(load, room, Rung.COLD_WEIGHTS, how).peak_bytes, limit)
    offload = Offload(text_weights=True, rings=True, cold_weights=True, layers=layers)
    yield Rung.STREAMED_WEIGHTS, dataclasses.replace(how, offload=offload)


def _layers_to_stream(load: Load, peak_bytes: int, limit: int | None) -> int:
    """As few as the limit asks for; all of them where it asks for none."""
    if limit is None or peak_bytes <= limit:
        return load.shape.num_layers
    wanted = -(-(peak_bytes - limit) // layer_bytes(load)) + WEIGHT_POOL_LAYERS
    return min(wanted, load.shape.num_layers)


def _mildest(load: Load, room: Room, above: Plan) -> Plan:
    """The first arrangement of a smaller picture that fits and needs less than the rung above it."""
    limit = above.peak_bytes - 1
    if room.limit_bytes is not None:
        limit = min(limit, room.limit_bytes)
    found = None
    for _, how in _arrangements(load, room, limit):
        found = plan_of(load, room, Rung.SMALLER_SIZE, how)
        if found.peak_bytes <= limit:
            break
    assert found is not None
    return found


def _smaller_sizes(load: Load) -> list[tuple[int, int]]:
    """Real sizes of the same aspect below this one, the largest first."""
    portrait = load.portrait or (8 * load.width, 8 * load.height)
    floor = _area(SMALLEST_SIZE)
    sizes = {fit_size(size, *portrait) for size in SIZES if _area(size) >= floor}
    below = [size for size in sizes if size[0] * size[1] < load.width * load.height]
    return sorted(below, key=lambda size: size[0] * size[1], reverse=True)


def _area(size: str) -> int:
    width, height = size.split("*")
    return int(width) * int(height)


def _degraded(fitting: Plan, resident: Plan) -> Words:
    limit = fitting.room.limit_bytes
    assert limit is not None
    return _sentence("degraded", fitting, need=gib(fitting.peak_bytes), have=gib(limit), full=gib(resident.peak_bytes))


def _why_not(allowed: list[Plan], rungs: tuple[Plan, ...]) -> Words:
    """The way out: what could be agreed to, or the memory that would do."""
    lowest, limit = allowed[-1], allowed[-1].room.limit_bytes
    if limit is None or lowest.peak_bytes <= limit:
        return lowest.why  # something else is in the way: host memory, or a card without eight-bit products
    smaller = next((one for one in rungs if one.fits), None)
    if smaller is None:
        return _sentence("never_fits", rungs[-1], least=gib(rungs[-1].peak_bytes), have=gib(limit))
    least = gib(lowest.peak_bytes)
    return _sentence("needs_consent", smaller, least=least, have=gib(limit), need=gib(smaller.peak_bytes))


def _sentence(code: str, named: Plan, **data: object) -> Words:
    """A sentence that names a rung in each language."""
    rung = rung_words(named)
    return {language: sentence(code, rung=words, **data)[language] for language, words in rung.items()}
