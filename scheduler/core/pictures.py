"""The tables of legal moves as Markdown and as pictures (Mermaid), so that documents cannot disagree with the code.

`python -m scheduler.core.pictures` prints the generated parts of `docs/scheduling.md` and `docs/healing.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from enum import StrEnum
from typing import TypeVar

from scheduler.core.counted import unfilled
from scheduler.core.fleet import LEGAL_WORKER_MOVES, WorkerState
from scheduler.core.healing_policy import KINDS
from scheduler.core.job import FINAL_STATES, LEGAL_MOVES, OWN_HOLDS, HoldReason, JobState
from scheduler.core.policy import Policy
from scheduler.core.sentences import SENTENCES
from scheduler.core.tags import Tag

E = TypeVar("E", bound=StrEnum)

BEGIN, END = "<!-- generated: python -m scheduler.core.pictures -->", "<!-- end of generated -->"


def move_table(moves: Mapping[E, frozenset[E]]) -> str:
    """One row per state, one column per target, a dot where the move is legal."""
    states = list(moves)
    head = f"| from ╲ to | {' | '.join(state.value for state in states)} |\n|---|{':-:|' * len(states)}\n"
    rows = [
        f"| **{source.value}** | {' | '.join('●' if target in moves[source] else ' ' for target in states)} |"
        for source in states
    ]
    return head + "\n".join(rows)


def move_picture(moves: Mapping[E, frozenset[E]], first: E) -> str:
    """The same as a Mermaid state diagram."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {first.value}"]
    for source, targets in moves.items():
        lines += [f"    {source.value} --> {target.value}" for target in moves if target in targets]
        if not targets:
            lines.append(f"    {source.value} --> [*]")
    return "\n".join([*lines, "```"])


def hold_table() -> str:
    """Why a queued job is not running: reasons and their sentences."""
    situational = {
        HoldReason.NO_WORKER, HoldReason.QUEUE_PAUSED, HoldReason.SLOT_DRAINED, HoldReason.EXCLUDED,
        HoldReason.QUOTA_RUNNING,
    }  # fmt: skip
    rows = []
    for reason in HoldReason:
        kind = "its own" if reason in OWN_HOLDS else "situation" if reason in situational else "in line"
        text = SENTENCES[reason.value]
        rows.append(f"| `{reason.value}` | {kind} | {unfilled(text['en'])} | {text['zh']} |")
    return "| reason | kind | English | 中文 |\n|---|---|---|---|\n" + "\n".join(rows)


def policy_table() -> str:
    """Fields of the policy with defaults and meaning."""
    defaults = Policy().to_mapping()
    rows = [f"| `{item.name}` | {_plain(defaults[item.name])} | {item.metadata['says']} |" for item in fields(Policy)]
    return "| field | default | meaning |\n|---|--:|---|\n" + "\n".join(rows)


def healing_table() -> str:
    """The rules of healing as they are without a file: fault, what it is seen by, what may be done about it."""
    rows = []
    for fault, kind in KINDS.items():
        terms = [f"`{name}` {_plain(number.default)}: {number.says}" for name, number in kind.numbers.items()]
        terms += [f"`{name}` {', '.join(map(str, codes))}" for name, codes in kind.codes.items()]
        actions = " or ".join(f"**{action}**" if n == 0 else action for n, action in enumerate(kind.actions))
        rows.append(f"| `{fault.value}` | {'<br>'.join(terms)} | {actions} |")
    head = "| fault | thresholds and limits (defaults) | action (default bold) |\n|---|---|---|\n"
    return "\n\n".join([BEGIN, head + "\n".join(rows), END])


def tag_list() -> str:
    """All audit tags."""
    return ", ".join(f"`{tag.value}`" for tag in Tag)


def generated() -> str:
    """Everything that `docs/scheduling.md` takes from the code, markers included."""
    assert {state for state in LEGAL_MOVES if not LEGAL_MOVES[state]} == FINAL_STATES
    parts = [
        BEGIN,
        "## Moves of a job", move_picture(LEGAL_MOVES, JobState.SUBMITTED), move_table(LEGAL_MOVES),
        "## Moves of a worker", move_picture(LEGAL_WORKER_MOVES, WorkerState.STOPPED), move_table(LEGAL_WORKER_MOVES),
        "## Why a queued job is not running", hold_table(),
        "## Policy", policy_table(),
        "## Audit tags", tag_list(),
        END,
    ]  # fmt: skip
    return "\n\n".join(parts)


def _plain(value: object) -> str:
    if value is None:
        return "null"
    if value == {}:
        return "nothing"
    return f"{value:.10g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    print(generated(), healing_table(), sep="\n\n")
