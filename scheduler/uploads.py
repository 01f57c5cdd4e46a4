"""Files that people bring: checked by a throw-away process, bounded, kept by content, removed when nobody made use of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any, cast

from scheduler.assets import AssetKind, AssetLibrary, Checked, Refused
from scheduler.core.healing_policy import Fault, HealingPolicy
from scheduler.core.uploads import UploadsPolicy
from scheduler.door import Actor
from scheduler.errors import SchedulerError
from scheduler.intake_rules import INCOMING, MIB, check_disk, check_size
from scheduler.ledger import SYSTEM, Ledger, Turn
from scheduler.own_files import KINDS
from scheduler.room import refusal_of
from scheduler.store.reads import Row

MAX_NAME = 120
AT_ONCE = 2  # checks at the same time: each may take a core and a gigabyte
STRAY_S = 3600.0  # what lies in `incoming` for so long was left by somebody who is gone
TOUCHED_S = 600.0  # a content that was touched lately is about to be used
_FIGURES = {"portrait": ("width", "height", "format"), "voice": ("seconds", "rate", "format")}


class Uploads:
    """Takes files in and clears them away. One per daemon."""

    def __init__(
        self, ledger: Ledger, data_dir: Path, policy: Callable[[], UploadsPolicy], healing: Callable[[], HealingPolicy]
    ) -> None:
        self._ledger, self._data_dir = ledger, data_dir
        self._policy, self._healing = policy, healing
        self._library = AssetLibrary(data_dir)
        self._seats = asyncio.Semaphore(AT_ONCE)

    async def bring(self, kind: str, path: Path, name: str, actor: Actor) -> Row:
        """Check a file and keep it as the actor's; the row of `Store.upload` with `is_known` (they had it already).

        SchedulerError names the thing and the way out; nothing is kept then. Both ways leave an audit row.
        """
        try:
            return await self._bring(kind, path, name, actor)
        except SchedulerError as error:
            body = {"kind": kind[:20], "code": error.code}
            if error.status < 500 or error.code == "disk_low":
                self._ledger.post(lambda turn: turn.record("upload:refused", "upload", body, "refused"), actor)
            raise

    async def _bring(self, kind: str, path: Path, name: str, actor: Actor) -> Row:
        if kind not in KINDS:
            hint = f"Use {' or '.join(KINDS)}."
            raise SchedulerError(422, "bad_request", f"kind {kind!r:.40} is unknown.", field="kind", hint=hint)
        size = self._size(kind, path, name)
        self.check_room(size)
        async with self._seats:
            (answer,) = await self._library.check([(cast(AssetKind, kind), path)])
            checked = self._accepted(answer, name)
            self._check_quota(actor.name, checked.bytes, checked.sha256)
            try:
                await asyncio.to_thread(self._library.keep, path, checked.sha256)
            except OSError as error:
                raise refusal_of(self._data_dir, error) from error
        return await self._ledger.do(lambda turn: self._add(turn, checked, name), actor)

    def _add(self, turn: Turn, checked: Checked, name: str) -> Row:
        store, actor = turn.store, turn.actor
        is_known = store.upload(actor.name, checked.sha256) is not None
        self._check_quota(actor.name, checked.bytes, checked.sha256)  # another file may have come meanwhile
        turn.has_changed = True
        store.insert_asset(checked.sha256, checked.kind, checked.bytes, checked.verdict, turn.at)
        figures = {figure: checked.verdict[figure] for figure in _FIGURES[checked.kind]}
        body = {"kind": checked.kind, "bytes": checked.bytes, "is_known": is_known, **figures}
        store.keep_upload(checked.sha256, name, body, actor, turn.at)
        row = store.upload(actor.name, checked.sha256)
        assert row is not None, "it was written just now"
        return {**row, "is_known": is_known}

    def _size(self, kind: str, path: Path, name: str) -> int:
        """Bytes of the file. SchedulerError 413 or 422."""
        try:
            size = path.stat().st_size
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "its name is not possible"
            message = f"{name} cannot be read: {reason}."
            raise SchedulerError(422, "no_file", message, field=kind, hint="Check path and rights.") from error
        check_size(self._policy(), kind, name, size)
        return size

    def _accepted(self, answer: Checked | Refused, name: str) -> Checked:
        """The check's answer in the file's own name. SchedulerError 422."""
        if isinstance(answer, Refused):
            message = answer.message.replace(str(answer.path), name)
            raise SchedulerError(422, answer.code, message, field=answer.kind, hint=answer.hint, **answer.data)
        most_s = self._policy().voice_s
        if answer.kind == "voice" and answer.verdict["seconds"] > most_s:
            raise SchedulerError(
                422, "voice_too_long", f"{name} lasts {answer.verdict['seconds']:.0f} s; at most {most_s} s are taken.",
                field="voice", hint="Cut it into parts, or let the policy allow more (uploads.voice_s).",
                seconds=round(answer.verdict["seconds"]), most_s=most_s,
            )  # fmt: skip
        return answer

    def check_room(self, size: int) -> None:
        """Above the policy's mark of a low disk there must be room for two copies. SchedulerError 507."""
        mark = float(self._healing()[Fault.DISK_LOW]["below_bytes"])
        check_disk(self._data_dir, size, mark)

    def _check_quota(self, actor: str, size: int, sha256: str) -> None:
        """SchedulerError 409 where the actor's files would take more than they may; one that is here already takes nothing."""
        store, quota = self._ledger.store, self._policy().quota_bytes
        if store.upload(actor, sha256) is not None:
            return
        used = store.uploaded_bytes(actor)
        if used + size > quota:
            said = f"Your files take {used / MIB:.1f} MiB; with this one it would be more than {quota / MIB:.1f} MiB."
            raise SchedulerError(
                409, "quota_full", said,
                hint="Remove files that you no longer need, or ask for more (policy: uploads.quota_bytes).",
                used_mib=f"{used / MIB:.1f}", quota_mib=f"{quota / MIB:.1f}",
            )  # fmt: skip

    async def remove(self, sha256: str, actor: Actor) -> dict[str, Any]:
        """Take the actor's file away. SchedulerError 404, or 409 while an open job needs it."""
        row = self._ledger.store.upload(actor.name, sha256)
        if row is None:
            raise SchedulerError(404, "unknown_upload", f"You have no file {sha256!r:.20}.", field="sha256")

        def act(turn: Turn) -> bool:
            if (job := turn.store.open_use(sha256)) is not None:
                raise SchedulerError(409, "in_use", f"{row['name']} is needed by the video {job}.", field="sha256",
                                     hint="Wait until it is done, or cancel it.")  # fmt: skip
            turn.has_changed = True
            return turn.store.remove_upload(turn.actor.name, sha256, "asked", turn.actor, turn.at)

        if await self._ledger.do(act, actor):
            await asyncio.to_thread(self._library.remove, sha256, before=float("inf"))
        return {"sha256": sha256, "is_removed": True}

    async def sweep(self) -> None:
        """Remove what nobody made use of in time, uploads that never arrived, and contents that no row names."""
        now = self._ledger.clock.now()
        before = now - self._policy().keep_unused_s
        if self._ledger.store.unused_uploads(before, 1):
            await self._ledger.do(lambda turn: self._remove_unused(turn, before), SYSTEM)
        known = self._ledger.store.asset_hashes()
        await asyncio.to_thread(self._clear, known, now)

    def _remove_unused(self, turn: Turn, before: float) -> None:
        for row in turn.store.unused_uploads(before):
            turn.has_changed = True
            turn.store.remove_upload(row["actor"], row["sha256"], "unused", turn.actor, turn.at)

    def _clear(self, known: set[str], now: float) -> None:
        """Files without a row: of what was removed, or of a daemon that died between file and row."""
        for sha256 in self._library.hashes():
            if sha256 not in known:
                self._library.remove(sha256, before=now - TOUCHED_S)
        for path in (self._data_dir / INCOMING).glob("*.part"):
            if path.stat().st_mtime < now - STRAY_S:
                path.unlink(missing_ok=True)


def shown_name(name: str) -> str:
    """A file's own name, without folders and control characters, not too long."""
    plain = "".join(c for c in PurePosixPath(name.replace("\\", "/")).name if c.isprintable()).strip()
    return plain[:MAX_NAME] or "file"


__all__ = ["INCOMING", "Uploads", "shown_name"]
