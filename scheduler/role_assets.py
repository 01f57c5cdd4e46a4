"""The files that roles name: checked in throw-away processes, with complaints at the line of the registry."""

from __future__ import annotations

from typing import cast

from engine.config import AdapterUse
from scheduler.assets import AssetKind, AssetLibrary, Checked, Known, Refused
from scheduler.registry import Problem, Role, RoleDraft

MOST_RANKS = 128  # of adapters that are attached together


async def check_drafts(
    library: AssetLibrary, drafts: list[RoleDraft], known: Known | None = None
) -> tuple[list[list[Checked]], list[Problem], list[str]]:
    """(per draft its files in the order of `RoleDraft.files`, problems, warnings); with problems the files are of no use.
    `known`: verdicts of earlier checks, for contents that need no other."""
    files = [(cast(AssetKind, kind), path) for draft in drafts for _, kind, path in draft.files]
    answers = iter(await library.check(files, known))
    checked: list[list[Checked]] = []
    problems: list[Problem] = []
    warnings: list[str] = []
    for draft in drafts:
        good = []
        for key, _, _ in draft.files:
            answer = next(answers)
            if isinstance(answer, Refused):
                why = {"code": f"bad_{answer.kind}" if answer.code == "bad_weights" else answer.code, "data": answer.data}
                problems.append(draft.problem(key, answer.message, answer.hint, "file_refused", named=key, why=why))
                continue
            good.append(answer)
            warnings += [f"{draft.name}.{key}: {warning}" for warning in answer.verdict.get("warnings", ())]
        checked.append(good)
        if len(good) == len(draft.files):
            problems += _adapter_problems(draft, good[2:])
    return checked, problems, warnings


def role_of(draft: RoleDraft, files: list[Checked]) -> Role:
    """The role of a draft whose files were checked without a problem."""
    portrait, voice, *adapters = files
    looks, sound = portrait.verdict, voice.verdict
    return Role.from_draft(
        draft,
        portrait_sha256=portrait.sha256,
        voice_sha256=voice.sha256,
        voice_seconds=sound["seconds"],
        image_width=looks["width"],
        image_height=looks["height"],
        adapters=tuple(
            AdapterUse(
                name=wanted.path.stem, sha256=file.sha256, alpha=wanted.alpha or file.verdict["alpha"], weight=wanted.weight
            )
            for wanted, file in zip(draft.adapters, adapters, strict=True)
        ),
        pauses=tuple((start, end) for start, end in sound["pauses"]),
        warnings=(*(f"portrait {w}" for w in looks["warnings"]), *(f"voice {w}" for w in sound["warnings"])),
    )


def _adapter_problems(draft: RoleDraft, adapters: list[Checked]) -> list[Problem]:
    problems = []
    for wanted, file in zip(draft.adapters, adapters, strict=True):
        if wanted.alpha is None and file.verdict["alpha"] is None:
            hint = f'Write adapter: {{file: "{wanted.path.name}", alpha: …}}; {file.verdict["rank"]} is its rank.'
            message, name = f"nothing says the alpha of {wanted.path.name}.", wanted.path.name
            problems.append(draft.problem("adapter", message, hint, "no_alpha", found=name, rank=file.verdict["rank"]))
    ranks = sum(file.verdict["rank"] for file in adapters)
    if ranks > MOST_RANKS:
        hint = "Use fewer or smaller ones."
        message = f"adapters of rank {ranks} in all; at most {MOST_RANKS}."
        problems.append(draft.problem("adapter", message, hint, "many_ranks", found=ranks, most=MOST_RANKS))
    return problems
