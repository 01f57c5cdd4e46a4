"""Many submissions at once: look first what each would become, then make those that are good, or all or nothing."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import Any

from engine.catalog import BLOCK_SECONDS
from scheduler import submission
from scheduler.batch_file import MAX_ITEMS, is_name
from scheduler.canonical import canonical_json
from scheduler.commands.arguments import Arguments
from scheduler.commands.house import Handler, House
from scheduler.commands.jobs import accept, fingerprint_of, warned
from scheduler.core.job import JobState
from scheduler.door import Actor
from scheduler.errors import SchedulerError
from scheduler.ledger import Turn
from scheduler.own_files import check_owned, named_in, with_own_files
from scheduler.submission import Submission

MAX_KEY = 80
AT_A_TIME = 20  # between so many others get their turn
_SHOWN = ("code", "message", "field", "hint", "data")


@dataclass(frozen=True)
class Item:
    """A request of a batch, worked out: a submission or the reason why not."""

    name: str
    request: dict[str, Any]
    made: Submission | None
    error: dict[str, Any] | None


async def check_batch(house: House, actor: Actor, args: Arguments) -> dict[str, Any]:
    """What each would become; nothing is made."""
    wanted = args.take("items", list)
    args.done()
    items = _worked_out(house, actor, wanted)
    shown = [_preview(house, item) for item in items]
    good = [one for one in shown if one["error"] is None]
    compute = [one["compute_s"] for one in good]
    return {
        "items": shown, "good": len(good), "bad": len(shown) - len(good),
        "seconds": round(sum(one["seconds"] for one in good), 2),
        "compute_s": None if None in compute else round(sum(compute), 1), "most": MAX_ITEMS,
    }  # fmt: skip


async def submit_batch(house: House, actor: Actor, args: Arguments) -> dict[str, Any]:
    """Submit them; the same key with the same item gives the same job back, so nothing is doubled by trying again."""
    wanted, key = args.take("items", list), args.take("idempotency_key", str)
    is_all = args.maybe("is_all_or_nothing", bool) or False
    args.done()
    if not 0 < len(key) <= MAX_KEY or not all(c.isalnum() or c in "._-" for c in key):
        message = f"The key of a batch has 1 to {MAX_KEY} letters, digits and . _ -."
        raise SchedulerError(422, "bad_request", message, field="Idempotency-Key")
    items = _worked_out(house, actor, wanted)
    keys = item_keys(key, [(item.name, item.request) for item in items])
    if is_all:
        results = await _all_or_nothing(house, actor, items, keys)
    else:
        results = await _good_ones(house, actor, items, keys)
    taken = sum(1 for one in results if one["error"] is None)
    return {"key": key, "items": results, "taken": taken, "refused": len(results) - taken}


async def _good_ones(house: House, actor: Actor, items: list[Item], keys: list[str]) -> list[dict[str, Any]]:
    """Each in a deed of its own: a refusal takes no other along."""

    async def one(item: Item, key: str) -> dict[str, Any]:
        if item.made is None:
            return {"name": item.name, "job": None, "is_repeat": False, "error": item.error}
        try:
            return await house.ledger.do(lambda turn: _take(house, turn, item, key), actor)
        except SchedulerError as error:
            if error.status >= 500:
                raise  # the same key continues where this ended
            return {"name": item.name, "job": None, "is_repeat": False, "error": _shown(error)}

    results: list[dict[str, Any]] = []
    pairs = list(zip(items, keys, strict=True))
    for start in range(0, len(pairs), AT_A_TIME):
        results += await asyncio.gather(*(one(item, key) for item, key in pairs[start : start + AT_A_TIME]))
    return results


async def _all_or_nothing(house: House, actor: Actor, items: list[Item], keys: list[str]) -> list[dict[str, Any]]:
    """One transaction. SchedulerError 409 `batch_refused` with each item's reason; nothing was submitted then."""
    refused = [{"name": item.name, "error": item.error} for item in items]
    if any(item.error for item in items):
        raise _refusal(refused)

    def act(turn: Turn) -> list[dict[str, Any]]:
        results = [_take(house, turn, item, key) for item, key in zip(items, keys, strict=True)]
        if any(one["error"] for one in results):
            raise _refusal([{"name": one["name"], "error": one["error"]} for one in results])
        return results

    return await house.ledger.do(act, actor)


def _refusal(items: list[dict[str, Any]]) -> SchedulerError:
    count = sum(1 for item in items if item["error"])
    first = next(item for item in items if item["error"])
    message = f"{count} of {len(items)} would be refused, so nothing was submitted. {first['name']}: {first['error']['message']}"
    return SchedulerError(409, "batch_refused", message, hint="Mend them, or submit only the good ones.", items=items)


def _take(house: House, turn: Turn, item: Item, key: str) -> dict[str, Any]:
    """In the transaction: the job of this key, made now or before. A job that admission rejects has an `error`, too."""
    assert item.made is not None
    earlier = turn.store.job_of_key(turn.actor.name, key)
    own = [sha256 for _, sha256 in named_in(item.request)]
    job = accept(house, turn, item.made, key, fingerprint_of(item.request), own=own)
    decision = job["decision"] or {}
    error = None
    if job["state"] == JobState.REJECTED:
        said = {"en": "", **(decision.get("text") or {})}
        error = {"code": decision.get("reason"), "message": said["en"], "text": said, "field": None, "hint": ""}
    return {"name": item.name, "job": job, "is_repeat": earlier is not None, "error": error}


def item_keys(key: str, items: list[tuple[str, dict[str, Any]]]) -> list[str]:
    """One key per item: of the batch, of what the item says, and of how often it has been said before."""
    seen: Counter[str] = Counter()
    keys = []
    for name, request in items:
        text = canonical_json({"name": name, "request": request})
        digest = hashlib.sha256(f"{text}{seen[text]}".encode()).hexdigest()[:16]
        seen[text] += 1
        keys.append(f"batch:{key}:{digest}:{name}")
    return keys


def _worked_out(house: House, actor: Actor, wanted: list[Any]) -> list[Item]:
    if not 0 < len(wanted) <= MAX_ITEMS:
        hint = "Divide it into several batches." if wanted else "Write at least one profile."
        message = f"A batch has 1 to {MAX_ITEMS} items, not {len(wanted)}."
        raise SchedulerError(422, "bad_batch_size", message, field="items", hint=hint)
    return [_item(house, actor, one) for one in wanted]


def _item(house: House, actor: Actor, wanted: Any) -> Item:
    name, request = (wanted.get("name"), wanted.get("request")) if isinstance(wanted, dict) else (None, None)
    if not isinstance(name, str) or not is_name(name) or not isinstance(request, dict):
        raise SchedulerError(422, "bad_request", "An item has a name and a request.", field="items")
    request = {field: value for field, value in request.items() if value is not None}
    try:
        submission.check_fields(request)
        store = house.ledger.store
        check_owned(store, actor.name, request)
        role = with_own_files(store, request, house.roles.get(request["role"]))
        made = submission.work_out(request, role, house.model, house.weights_sha256(), kv=house.kv())
        return Item(name, request, made, None)
    except SchedulerError as error:
        return Item(name, request, None, _shown(error))


def _preview(house: House, item: Item) -> dict[str, Any]:
    shown: dict[str, Any] = {"name": item.name, "role": item.request.get("role"), "error": item.error}
    if item.made is None:
        return shown
    made = item.made
    cheap = {} if made.preview is None else {"preview_compute_s": _gpu_s(house, made.preview)}
    return {
        **shown, "user": made.user, "prompt": made.recipe.prompt, "seconds": round(made.total_blocks * BLOCK_SECONDS, 2),
        "blocks": made.total_blocks, "width": made.width, "height": made.height, "priority": made.priority,
        **warned(made), "compute_s": _gpu_s(house, made), **cheap,
    }  # fmt: skip


def _gpu_s(house: House, made: Submission) -> float | None:
    return house.pace().gpu_seconds(made.recipe.to_json(), made.width, made.height, made.total_blocks)


def _shown(error: SchedulerError) -> dict[str, Any]:
    return {name: value for name, value in error.to_json().items() if name in _SHOWN}


BATCH_COMMANDS: dict[str, Handler] = {"check_batch": check_batch, "submit_batch": submit_batch}
