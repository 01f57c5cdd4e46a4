"""The span of time that charts show: a name in the address (`range=24h`), or two times of the studio's clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, Protocol
from urllib.parse import urlencode

from dashboard import formats
from dashboard.context import house
from dashboard.errors import WebError
from scheduler.clock import house_now

HOUR = 3600.0
NAMED = {"1h": HOUR, "6h": 6 * HOUR, "24h": 24 * HOUR, "7d": 168 * HOUR}
MARGIN_S, YOUNG_S = 60.0, 600.0  # room before the first dot; the shortest span that an axis of dots shows
LONGEST_S = 35 * 24 * HOUR  # older minutes are forgotten


class Asked(Protocol):
    """What an address may say of a span (`dashboard.api.models.SpanQuery`)."""

    range: str | None
    start: str | None
    end: str | None


@dataclass(frozen=True)
class Span:
    """Seconds since 1970, the end not included. `name`: one of NAMED, or `custom`."""

    since: float
    until: float
    name: str
    query: str  # as it stands in the address

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.until - self.since

    def shown_since(self, first: float | None) -> float:
        """Where an axis begins: a young house, whose history begins late in the span, fills it nevertheless."""
        if first is None or not self.is_live:
            return self.since
        return max(self.since, min(first - MARGIN_S, self.until - YOUNG_S))

    @property
    def is_live(self) -> bool:
        """Does it go on to now?"""
        return self.name != "custom"


def span_of(query: Asked, default: str = "24h", now: float | None = None) -> Span:
    """The span that the address names. Raises WebError 422 naming the part at fault."""
    at = house_now() if now is None else now
    if query.start is None and query.end is None:
        name = query.range or default
        if name not in NAMED:
            raise WebError(422, "bad_query", f"There is no range {name!r:.40}.", field="range", hint=f"Use {', '.join(NAMED)}.")
        return Span(at - NAMED[name], at, name, f"range={name}")
    if query.start is None:
        raise WebError(422, "bad_query", "A range of one's own needs a beginning.", field="from", hint="from=2026-11-21T09:00")
    zone = formats.zone_of(house().settings.zone)
    since = moment(query.start, "from", zone)
    until = min(at, moment(query.end, "to", zone)) if query.end else at
    if not 60 <= until - since <= LONGEST_S:
        raise WebError(
            422, "bad_query", "The range ends before it begins, is shorter than a minute or longer than 35 days.", field="from",
            hint="from=2026-11-21T09:00&to=2026-11-21T10:00",
        )  # fmt: skip
    asked = {"from": query.start, **({"to": query.end} if query.end else {})}
    return Span(since, until, "custom", urlencode(asked))


def picker(span: Span) -> dict[str, Any]:
    """What the range picker of a page needs: the names, the chosen one, and its ends for the form."""
    zone = formats.zone_of(house().settings.zone)
    ends = (datetime.fromtimestamp(at, zone).strftime("%Y-%m-%dT%H:%M") for at in (span.since, span.until))
    return {"names": list(NAMED), "name": span.name, "from": next(ends), "to": next(ends), "query": span.query}


def moment(text: str, field: str, zone: tzinfo | None) -> float:
    """Seconds since 1970 of a time as people write it; without a zone of its own it is in `zone`. Raises WebError 422."""
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=zone) if zone else at).timestamp()
    except (ValueError, OverflowError, OSError) as error:
        hint = f"{field}=2026-11-21T09:00"
        raise WebError(422, "bad_query", f"{text!r:.40} is no time.", field=field, hint=hint, problem="no_time") from error
