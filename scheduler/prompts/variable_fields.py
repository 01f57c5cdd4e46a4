"""The `variables:` of a role or a style file: `topic: string`, or a map with type, limits, choices and default."""

from __future__ import annotations

from scheduler.prompts.template_grammar import JINJA_NAMES
from scheduler.prompts.variables import KINDS, NAME, Value, ValueRefused, Variable
from scheduler.yaml_files import Fields, Node

RESERVED = frozenset({"role_prompt", "style_text", "true", "false", "none", "True", "False", "None"}) | JINJA_NAMES
_KNOWN = ("type", "min", "max", "max_length", "choices", "default", "slot", "hint")
MAX_VARIABLES = 50


def read_variables(fields: Fields, name: str = "variables") -> tuple[dict[str, Variable], dict[str, Value]]:
    """The declared variables and the defaults given with them; problems are added to `fields`."""
    variables: dict[str, Variable] = {}
    defaults: dict[str, Value] = {}
    entries = fields.entries(name)
    if len(entries) > MAX_VARIABLES:
        fields.complain(
            fields.node, f"{len(entries)} variables are declared.", f"Use at most {MAX_VARIABLES}.", name,
            code="many_variables", count=len(entries), most=MAX_VARIABLES,
        )  # fmt: skip
        return variables, defaults
    for key, node in entries.items():
        if not NAME.fullmatch(key) or key in RESERVED:
            fields.complain(
                node, f"{key!r} cannot be a variable.", "Use letters, digits and _, at most 40.", name,
                code="variable_name", found=key[:40],
            )  # fmt: skip
            continue
        if isinstance(node.value, str):
            node = Node({"type": Node(node.value, node.line, node.column)}, node.line, node.column)
        inner = Fields(node, f"{fields.path}.{name}.{key}".strip("."), _KNOWN, fields.problems)
        variables[key] = _variable(key, inner)
        default = inner.get("default")
        if default is not None:
            value = checked_default(variables[key], default, inner)
            if value is not None:
                defaults[key] = value
    return variables, defaults


def checked_default(variable: Variable, node: Node, fields: Fields) -> Value | None:
    """A default in its variable's type, or None after a complaint."""
    try:
        return variable.checked(node.value)
    except ValueRefused as error:
        message = f"the default of {variable.name} {error.message}"
        fields.complain(node, message, error.hint, code="bad_default", named=variable.name, why=error.why)
        return None


def _variable(name: str, fields: Fields) -> Variable:
    kind = fields.text("type", "string")
    if kind not in KINDS:
        fields.complain(
            fields.get("type") or fields.node, f"the type {kind!r} is unknown.", f"Use {', '.join(KINDS)}.", "type",
            code="no_choice", named="type", found=kind[:40], known=", ".join(KINDS),
        )  # fmt: skip
        kind = "string"
    choices = tuple(str(node.value) for node in fields.words("choices"))
    if kind == "choice" and len(set(choices)) < 2:
        fields.complain(
            fields.node, "a choice needs at least two different choices.", "Write choices: [a, b].", "choices",
            code="few_choices",
        )  # fmt: skip
    minimum = fields.number("min", None, -1e15, 1e15)
    maximum = fields.number("max", None, -1e15, 1e15)
    if minimum is not None and maximum is not None and minimum > maximum:
        message = f"min {minimum:g} is above max {maximum:g}."
        fields.complain(fields.node, message, "Swap them.", code="min_above_max", low=f"{minimum:g}", high=f"{maximum:g}")
    for key, needed in (("choices", "choice"), ("min", "number"), ("max", "number"), ("max_length", "string")):
        node = fields.get(key)
        if node is not None and kind != needed:
            fields.complain(
                node, f"{key} belongs to a {needed}, not to a {kind}.", f"Remove it or use type: {needed}.", key,
                code="wrong_kind", named=key, kind=kind, needed=needed,
            )  # fmt: skip
    return Variable(
        name=name, kind=kind, choices=choices, minimum=minimum, maximum=maximum,
        max_length=fields.whole("max_length", 500, 1, 4000), is_slot=fields.flag("slot"), hint=fields.text("hint"),
    )  # fmt: skip
