"""What a chart marks at its top: faults and whether they healed, throttling with its reason, error codes of the driver, ECC."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dashboard import i18n
from dashboard.healing import seconds
from dashboard.reads import Reads
from dashboard.span import Span

# NVML's reasons for a lowered clock that mean heat or power; the cap of the power, at which a busy GPU always is, is none.
REASONS = {0x08: "hardware", 0x20: "software_heat", 0x40: "hardware_heat", 0x80: "power_brake"}
HOT = sum(REASONS)
ECC_CODES = frozenset({48, 63, 64, 92, 94, 95})  # error codes that are about memory cells
MINUTE_S = 60.0
MOST = 100
Mark = dict[str, Any]


def marks_of_span(reads: Reads, span: Span) -> list[Mark]:
    """`at` in ms, `kind` (open, recovered, abandoned, hot, error, ecc), `text`; in no order, at most a hundred of a sort."""
    return [*_heals(reads, span), *_devices(reads, span)]


def _heals(reads: Reads, span: Span) -> Iterable[Mark]:
    for heal in reads.store.heals(MOST, span.since):
        at = seconds(heal["detected_at"])
        if at < span.until:
            how = i18n.words("faults.healed" if heal["state"] == "recovered" else f"faults.state_{heal['state']}")
            yield {"at": at * 1000, "kind": heal["state"], "text": f"{i18n.named('fault_name', heal['fault'])} · {how}"}


def _devices(reads: Reads, span: Span) -> list[Mark]:
    rows = reads.store.device_troubles(span.since, span.until, HOT)
    hot, faulty = ([row for row in rows if row["throttle"] & HOT], [row for row in rows if row["errors"]])
    return [*_throttled(hot)[:MOST], *_errors(reads, faulty[:MOST])]


def _throttled(rows: list[dict[str, Any]]) -> list[Mark]:
    """One mark per stretch of minutes: a hot hour is one thing, not sixty."""
    stretches: list[dict[str, Any]] = []
    for row in sorted(rows, key=lambda row: (row["device"], row["at"])):
        bits, last = row["throttle"] & HOT, stretches[-1] if stretches else None
        if last is not None and (last["device"], last["bits"]) == (row["device"], bits) and row["at"] <= last["until"]:
            last["until"] = row["at"] + MINUTE_S
        else:
            stretches.append({"device": row["device"], "bits": bits, "at": row["at"], "until": row["at"] + MINUTE_S})
    return [
        {"at": one["at"] * 1000, "kind": "hot", "text": i18n.words(
            "chart.hot", device=one["device"], minutes=round((one["until"] - one["at"]) / MINUTE_S),
            reason=", ".join(i18n.named("throttle", name) for bit, name in REASONS.items() if one["bits"] & bit),
        )}
        for one in stretches
    ]  # fmt: skip


def _errors(reads: Reads, rows: list[dict[str, Any]]) -> list[Mark]:
    """The codes themselves stand in the single readings of that minute, as long as those are kept."""
    found = []
    for row in rows:
        readings = reads.store.samples_between(row["at"], row["at"] + MINUTE_S, 1.0)
        codes = sorted({code for one in readings if one["device"] == row["device"] for code in one.get("xids", ())})
        if not codes:
            found.append({"at": row["at"] * 1000, "kind": "error", "text": i18n.words("chart.error", device=row["device"])})
        for code in codes:
            key = f"xid.{code}"
            means = i18n.words(key) if key in i18n.catalogue("en") else i18n.words("xid.other")
            kind = "ecc" if code in ECC_CODES else "error"
            text = i18n.words("chart.xid", device=row["device"], code=code, means=means)
            found.append({"at": row["at"] * 1000, "kind": kind, "text": text})
    return found


def ecc_marks(rows: Iterable[dict[str, Any]]) -> list[Mark]:
    """Counters of memory errors that grew from one reading of a device to its next. `rows`: readings in order of time."""
    before: dict[tuple[str, str], int] = {}
    found = []
    for row in rows:
        for name in ("ecc_corrected", "ecc_uncorrected"):
            count, place = row.get(name), (row["device"], name)
            if count is None:
                continue
            if place in before and count > before[place]:
                text = i18n.words(f"chart.{name}", device=row["device"], count=count - before[place])
                found.append({"at": row["at"] * 1000, "kind": "ecc", "text": text})
            before[place] = count
    return found[:MOST]
