"""An audit row as an Elastic Common Schema document, and back.

The fields that log stacks search are derived from the row; the row itself travels complete under `greenroom.audit`,
its body as the exact canonical text, so that the document can be checked against the chain.
`document(entry_of(doc)) == doc` for every true export.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from scheduler.audit.entry import ACTOR_GROUP

ECS_VERSION = "8.11.0"
COLUMNS = (
    "seq", "at_utc", "mono_ns", "boot_id", "actor", "action", "object", "outcome", "address", "request_id", "body",
    "prev", "hash",
)  # fmt: skip
_CATEGORIES = {  # subject of the tag → event.category
    "user": "iam", "token": "iam", "group": "iam", "login": "authentication", "session": "session",
    "role": "configuration", "queue": "configuration", "policy": "configuration", "store": "database",
    "audit": "database", "worker": "process", "daemon": "process", "vault": "process",
}  # fmt: skip
_TYPES = {  # verb of the tag → event.type
    "added": "creation", "submitted": "creation", "created": "creation", "removed": "deletion", "revoked": "deletion",
    "started": "start", "ended": "end", "stopped": "end", "succeeded": "end", "failed": "end", "refused": "denied",
    "opened": "access",
}  # fmt: skip
_LABELS = ("slot", "block", "lease_id", "from", "to", "reason", "tier")


def document(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The document of a row. `entry`: the columns of `audit`; body as canonical text, prev and hash as hex."""
    body = json.loads(entry["body"])
    subject, _, verb = entry["action"].partition(":")
    doc: dict[str, Any] = {
        "@timestamp": entry["at_utc"],
        "ecs": {"version": ECS_VERSION},
        "event": {
            "kind": "event", "category": [_CATEGORIES.get(subject, "process")],
            "type": [_TYPES.get(verb.rpartition("_")[2], "change")], "action": entry["action"],
            "outcome": "success" if entry["outcome"] == "success" else "failure", "id": str(entry["seq"]),
            "sequence": entry["seq"], "hash": entry["hash"], "provider": "greenroom",
        },
        "service": {"name": "greenroom"},
        "user": {"name": entry["actor"].removeprefix("user:")},
        "labels": _labels(entry["object"], body),
        "greenroom": {"audit": {name: entry[name] for name in COLUMNS}},
    }  # fmt: skip
    if isinstance(body, dict) and isinstance(group := body.get(ACTOR_GROUP), str):
        doc["user"]["group"] = {"name": group}
    if entry["address"]:
        doc["source"] = {"ip": entry["address"]}
    if entry["request_id"]:
        doc["trace"] = {"id": entry["request_id"]}
    if entry["outcome"] != "success" and isinstance(body, dict) and "code" in body:
        doc["error"] = {"code": str(body["code"]), "message": str(body.get("message", ""))}
    return doc


def entry_of(doc: Mapping[str, Any]) -> dict[str, Any]:
    """The row inside a document. KeyError or TypeError when it is not one of ours."""
    entry = doc["greenroom"]["audit"]
    return {name: entry[name] for name in COLUMNS}


def _labels(subject: str, body: Any) -> dict[str, str]:
    """ECS labels are flat text: the object's id under its kind, plus a few well-known keys of the body."""
    kind, _, name = subject.partition(":")
    labels = {f"{kind}_id" if kind == "job" else kind: name or kind}
    if isinstance(body, dict):
        labels.update({key: str(body[key]) for key in _LABELS if isinstance(body.get(key), str | int | float)})
    return labels
