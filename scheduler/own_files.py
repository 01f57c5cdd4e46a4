"""A role that plays with a portrait or a voice of somebody's own: the request names them by their content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from scheduler.errors import SchedulerError
from scheduler.registry import Role

KINDS = ("portrait", "voice")


class Assets(Protocol):
    """Where checked files are looked up (`Reader` and `Store`)."""

    def asset(self, sha256: str) -> dict[str, Any] | None:
        """kind, bytes and verdict of a content, or None."""
        ...

    def upload(self, actor: str, sha256: str) -> dict[str, Any] | None:
        """The actor's own file, or None."""
        ...


def named_in(request: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(kind, sha256) of the request's own files."""
    return [(kind, str(request[kind])) for kind in KINDS if request.get(kind) is not None]


def check_owned(assets: Assets, actor: str, request: Mapping[str, Any]) -> None:
    """Every own file of the request was brought by this actor, as the right kind. SchedulerError 422 names the other."""
    for kind, sha256 in named_in(request):
        row = assets.upload(actor, sha256)
        if row is None or row["kind"] != kind:
            raise unknown_upload(kind, sha256)


def with_own_files(assets: Assets, request: Mapping[str, Any], role: Role) -> Role:
    """The role with the request's own portrait and voice in place of its own. SchedulerError 422 for what is not here."""
    for kind, sha256 in named_in(request):
        row = assets.asset(sha256)
        if row is None or row["kind"] != kind:
            raise unknown_upload(kind, sha256)
        found = row["verdict"]
        if kind == "portrait":
            role = replace(role, portrait_sha256=sha256, image_width=found["width"], image_height=found["height"])
        else:
            pauses = tuple((float(start), float(end)) for start, end in found["pauses"])
            role = replace(role, voice_sha256=sha256, voice_seconds=found["seconds"], pauses=pauses)
    return role


def unknown_upload(kind: str, sha256: str) -> SchedulerError:
    """The refusal of a file that is not here, or not the actor's."""
    return SchedulerError(
        422, "unknown_upload", f"This {kind} of your own ({sha256[:12]}…) is not here (any more).", field=kind,
        hint=f"Bring it again: what no video is made with is removed after a while. Or leave {kind} out for the role's own.",
    )  # fmt: skip
