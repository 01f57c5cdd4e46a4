"""Which roles may not play at the same time, and which may be parts of one session."""

from __future__ import annotations

from collections.abc import Iterable


class Relations:
    """Symmetric relations between roles: one side naming the other is enough.

    Roles that exclude each other share no session. One that says with whom it shares shares with nobody else.
    """

    def __init__(self) -> None:
        self._named: dict[str, tuple[str, ...]] = {}
        self._shares: dict[str, frozenset[str]] = {}
        self._excluded: dict[str, frozenset[str]] = {}
        self._pairs: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def put(self, role: str, never_with: Iterable[str]) -> bool:
        """Replace what `role` says; a role does not exclude itself. Answers whether that is news."""
        others = tuple(sorted({other for other in never_with if other != role}))
        if self._named.get(role, ()) == others:
            return False
        self._named[role] = others
        both: dict[str, set[str]] = {}
        for name, others in self._named.items():
            for other in others:
                both.setdefault(name, set()).add(other)
                both.setdefault(other, set()).add(name)
        self._excluded = {name: frozenset(others) for name, others in both.items()}
        self._pairs = tuple((name, tuple(sorted(others))) for name, others in sorted(both.items()))
        return True

    def share(self, role: str, share_with: Iterable[str]) -> None:
        """Replace those that `role` says it shares sessions with; none: it says nothing."""
        self._shares[role] = frozenset(share_with)

    def may_share(self, role: str, other: str) -> bool:
        """May both be parts of one session?"""
        mine, theirs = self._shares.get(role, _NONE), self._shares.get(other, _NONE)
        if role == other or other in mine or role in theirs:
            return True
        return not mine and not theirs and other not in self.excluded_by(role)

    def copy(self) -> Relations:
        """The same relations, apart from what is put into these later."""
        made = Relations()
        made._named, made._excluded, made._pairs = dict(self._named), self._excluded, self._pairs
        made._shares = dict(self._shares)
        return made

    def excluded_by(self, role: str) -> frozenset[str]:
        """Roles that may not play while `role` plays."""
        return self._excluded.get(role, _NONE)

    def pairs(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Each role with those it may not play with, both ways, sorted."""
        return self._pairs


_NONE: frozenset[str] = frozenset()
