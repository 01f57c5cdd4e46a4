"""Relations between roles must name known roles and agree with each other; both sides then carry them."""

from __future__ import annotations

import dataclasses

from scheduler.registry.roles_file import RoleDraft
from scheduler.yaml_files import Node, Problem


def with_mutual_relations(drafts: list[RoleDraft], root: Node, problems: list[Problem]) -> list[RoleDraft]:
    """The drafts, each with the relations that any of the two sides wrote. Contradictions are added to `problems`."""
    known = {draft.name for draft in drafts}
    share: dict[str, set[str]] = {name: set() for name in known}
    never: dict[str, set[str]] = {name: set() for name in known}
    for draft in drafts:
        for key, others, into in (("with", draft.share_with, share), ("never_with", draft.never_with, never)):
            for other in others:
                if other not in known:
                    hint = f"Known roles: {', '.join(sorted(known)[:20])}."
                    message, names = f"there is no role {other[:40]!r}.", ", ".join(sorted(known)[:20])
                    problems.append(
                        _problem(draft, key, other, root, message, hint, "relation_to_nobody", found=other[:40], known=names)
                    )
                elif other != draft.name:
                    into[draft.name].add(other)
                    into[other].add(draft.name)
    for draft in drafts:
        both = share[draft.name] & never[draft.name]
        for other in sorted(both & (set(draft.share_with) | set(draft.never_with))):
            key = "never_with" if other in draft.never_with else "with"
            message = f"{draft.name} and {other} may share a session, and may not."
            hint = "Remove it from with or from never_with, in both roles."
            problems.append(
                _problem(draft, key, other, root, message, hint, "relation_contradicts", one=draft.name, two=other)
            )
    return [
        dataclasses.replace(
            draft, share_with=tuple(sorted(share[draft.name])), never_with=tuple(sorted(never[draft.name]))
        )
        for draft in drafts
    ]


def _problem(
    draft: RoleDraft, key: str, other: str, root: Node, message: str, hint: str, code: str, **data: str
) -> Problem:  # fmt: skip
    """A complaint at the very word that names the other role."""
    words = root.value[draft.name].value["relations"].value[key].value
    node = next(item for item in words if item.value == other)
    return Problem(node.line, node.column, f"{draft.name}.relations.{key}", message, hint, code, data)
