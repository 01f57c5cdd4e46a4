"""Roles' problems are codes from here on: what earlier versions wrote as sentences is turned into them."""

ROLE_PROBLEMS = tuple(
    f"UPDATE current_roles SET problem = '{code}' WHERE problem = '{said}'"
    for code, said in (
        ("removed", "The role was removed."), ("portrait_missing", "Its portrait is missing."),
        ("voice_missing", "Its voice is missing."), ("adapter_missing", "Its adapter is missing."),
    )
)  # fmt: skip
