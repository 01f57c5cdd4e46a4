"""The matrix of rights: which group may do what. Read from YAML, checked at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scheduler.yaml_files import Fields, Problem, YamlError, read_yaml, text_of

PACKAGED = Path(__file__).with_name("rights.yaml")
RIGHTS = frozenset({
    "see", "see_words", "see_people", "see_audit", "see_metrics", "submit", "change_own", "lower_own",
    "bring_files", "submit_for_others", "change_any", "prioritise", "switch_role", "edit_roles", "run_queue",
    "sign_watermark", "mute_faults", "export", "verify", "manage_people", "comment", "judge", "judge_own",
})  # fmt: skip


class RightsError(ValueError):
    """The matrix of rights cannot be used."""


@dataclass(frozen=True)
class Rights:
    """Right → groups that hold it."""

    groups: tuple[str, ...]
    holders: Mapping[str, frozenset[str]]

    def has(self, group: str, right: str) -> bool:
        """May this group do that? A right that nobody wrote down does not exist (KeyError)."""
        return group in self.holders[right]

    def of(self, group: str) -> frozenset[str]:
        """All rights of a group."""
        return frozenset(right for right, groups in self.holders.items() if group in groups)


def load_rights(path: Path = PACKAGED) -> Rights:
    """Read a matrix. Raises RightsError naming every mistake with its line: a matrix with a hole is never used."""
    try:
        root = read_yaml(text_of(path))
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise RightsError(f"{path} cannot be read: {why}. Mend it, or take it away: then the shipped rights hold.") from error
    except YamlError as error:
        raise RightsError(f"{path}, {error.problem}") from error
    problems: list[Problem] = []
    fields = Fields(root, "", ("groups", "rights"), problems)
    for name in ("groups", "rights"):
        fields.need(name, f"Copy it from {PACKAGED}.")
    groups = tuple(str(node.value) for node in fields.words("groups"))
    table = fields.get("rights")
    holders = {} if table is None else _holders(Fields(table, "rights", sorted(RIGHTS), problems), groups)
    if problems:
        problems.sort(key=lambda problem: (problem.line, problem.column))
        raise RightsError("\n".join(f"{path}, {problem}" for problem in problems))
    return Rights(groups, holders)


def _holders(fields: Fields, groups: tuple[str, ...]) -> dict[str, frozenset[str]]:
    """Right → groups; what is wrong is complained of at its line."""
    holders = {}
    for right in sorted(RIGHTS):
        if fields.need(right, f"Write {right}: [] if nobody has it.") and groups:
            named = fields.words(right)
            for node in named:
                if node.value not in groups:
                    fields.complain(node, f"there is no group {node.value!r}.", f"Groups: {', '.join(groups)}.", right)
            holders[right] = frozenset(str(node.value) for node in named)
    return holders
