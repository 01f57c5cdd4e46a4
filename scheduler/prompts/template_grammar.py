"""The grammar of prompt templates: a small part of Jinja2 in which every template ends, soon and small.

Allowed: text, `{name}` and `{{ name }}`, if/elif/else, comparisons, and/or/not, constants, `a if b else c`, `is
defined`, and the filters in `FILTERS`. There is no loop, call, attribute, index or arithmetic, so the work and the
output are bounded by the template's own length and its values: nothing needs to be interrupted. See
docs/decisions/0002-prompt-templates-are-bounded-by-grammar.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jinja2 import StrictUndefined, TemplateSyntaxError, Undefined, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.tests import test_defined

MAX_TEMPLATE_CHARS = 8192
MAX_DEPTH = 20
# Jinja gives these a meaning of its own.
JINJA_NAMES = frozenset({"self", "super", "loop", "caller", "varargs", "kwargs"})
_TOKENS = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}|\{[^{}]*\}|\{", re.DOTALL)
_NAME = re.compile(r"\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}")
_REFUSED: dict[type[nodes.Node], str] = {
    nodes.For: "a loop", nodes.Call: "a call", nodes.Getattr: "an attribute (a dot)", nodes.Getitem: "an index",
    nodes.Macro: "a macro", nodes.CallBlock: "a call block", nodes.Import: "an import", nodes.FromImport: "an import",
    nodes.Include: "an include", nodes.Extends: "an extends", nodes.Block: "a block", nodes.Assign: "an assignment",
    nodes.AssignBlock: "an assignment", nodes.FilterBlock: "a filter block", nodes.With: "a with block",
    nodes.Concat: "joining with ~", nodes.BinExpr: "arithmetic", nodes.UnaryExpr: "arithmetic",
    nodes.List: "a list", nodes.Tuple: "a tuple", nodes.Dict: "a dictionary",
}  # fmt: skip
_ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.If, nodes.CondExpr, nodes.Compare,
    nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Filter, nodes.Test, nodes.Neg,
)  # fmt: skip


class TemplateError(ValueError):
    """A template is outside the grammar. `line` counts from 1 inside the template; `code` and `data` are for other languages."""

    def __init__(self, line: int, message: str, hint: str, code: str, **data: Any) -> None:
        super().__init__(f"line {line}: {message} {hint}".rstrip())
        self.line = line
        self.message = message
        self.hint = hint
        self.code = code
        self.data = data


@dataclass(frozen=True, slots=True)
class CheckedTemplate:
    """A template within the grammar. `optional`: names with a `default` filter or an `is defined` test."""

    names: tuple[str, ...]  # in order of appearance
    optional: frozenset[str]
    code: Any  # jinja2.Template


def _round(value: Any, digits: int = 0) -> float | int:
    number = float(value)
    return round(number, digits) if digits else round(number)


def _default(value: Any, default: Any) -> Any:
    """Also for an empty text: an empty slot reads like one that was left out."""
    return default if isinstance(value, Undefined) or value == "" else value


FILTERS: dict[str, Callable[..., Any]] = {
    "upper": lambda value: str(value).upper(),
    "lower": lambda value: str(value).lower(),
    "title": lambda value: str(value).title(),
    "capitalize": lambda value: str(value).capitalize(),
    "trim": lambda value: str(value).strip(),
    "round": _round,
    "int": lambda value: int(float(value)),
}
_FILTERS_WITH_NUMBER = {"round": (0, 6)}
_FILTER_NAMES = (*FILTERS, "default")


def _environment() -> ImmutableSandboxedEnvironment:
    """A sandbox with nothing in it but the filters above; autoescape is off because a prompt is text, not HTML."""
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=False, extensions=(), optimized=False, cache_size=0
    )
    environment.globals.clear()
    environment.filters = {**FILTERS, "default": _default}
    environment.tests = {"defined": test_defined}
    return environment


_ENVIRONMENT = _environment()


def compile_template(text: str) -> CheckedTemplate:
    """Check a template and compile it. Raises TemplateError with the line and what to write instead."""
    if len(text) > MAX_TEMPLATE_CHARS:
        message = f"the template has {len(text)} characters; at most {MAX_TEMPLATE_CHARS} are allowed."
        raise TemplateError(1, message, "Shorten it.", "template_long", found=len(text), most=MAX_TEMPLATE_CHARS)
    source = with_double_braces(text)
    try:
        tree = _ENVIRONMENT.parse(source)
        checker = _Checker()
        checker.check(tree, 1)
        template = _ENVIRONMENT.template_class.from_code(
            _ENVIRONMENT, _ENVIRONMENT.compile(tree), _ENVIRONMENT.make_globals(None)
        )
    except TemplateSyntaxError as error:
        message = _sentence(error.message)
        raise TemplateError(error.lineno, message, "Check braces and quotes.", "template_syntax") from error
    except (RecursionError, SyntaxError, MemoryError) as error:
        raise TemplateError(1, "the template is nested too deeply.", "Write it flatter.", "template_deep") from error
    except (ValueError, OverflowError) as error:
        if isinstance(error, TemplateError):
            raise
        message = f"the template holds a constant that cannot be read ({error})."
        raise TemplateError(1, message, "Write a shorter one.", "template_constant") from error
    return CheckedTemplate(tuple(checker.names), frozenset(checker.optional), template)


def with_double_braces(text: str) -> str:
    """`{name}` as `{{ name }}`; Jinja's own braces stay. Raises TemplateError for a single brace that opens nothing."""

    def doubled(match: re.Match[str]) -> str:
        token = match.group()
        if token.startswith(("{{", "{%", "{#")):
            return token
        if name := _NAME.fullmatch(token):
            return "{{ " + name.group(1) + " }}"
        line = text.count("\n", 0, match.start()) + 1
        message, hint = f"{token:.40} is not a variable.", "Write {name} or {{ name }}, with a plain name."
        raise TemplateError(line, message, hint, "template_variable", found=token[:40])

    return _TOKENS.sub(doubled, text)


class _Checker:
    """Walks the tree once: refuses what is outside the grammar, collects the names."""

    def __init__(self) -> None:
        self.names: dict[str, None] = {}
        self.optional: set[str] = set()

    def check(self, node: nodes.Node, depth: int) -> None:
        line = getattr(node, "lineno", 1) or 1
        if depth > MAX_DEPTH:
            raise TemplateError(line, "the template is nested too deeply.", "Write it flatter.", "template_deep")
        if isinstance(node, nodes.Neg) and isinstance(node.node, nodes.Const):
            return
        if not isinstance(node, _ALLOWED) or isinstance(node, nodes.Neg):
            message = f"{_kind(node)} is not allowed in a prompt template."
            raise TemplateError(line, message, _GRAMMAR_HINT, "template_refused", filters=list(_FILTER_NAMES))
        if isinstance(node, nodes.Name):
            self._name(node, line)
        elif isinstance(node, nodes.Filter):
            self._filter(node, line)
        elif isinstance(node, nodes.Test):
            self._test(node, line)
        elif isinstance(node, nodes.Const) and not isinstance(node.value, str | int | float | bool | type(None)):
            message = "this constant is not allowed in a prompt template."
            raise TemplateError(line, message, _GRAMMAR_HINT, "template_refused", filters=list(_FILTER_NAMES))
        for child in node.iter_child_nodes():
            self.check(child, depth + 1)

    def _name(self, node: nodes.Name, line: int) -> None:
        if node.name.startswith("_") or node.name in JINJA_NAMES or node.ctx != "load":
            message, hint = f"the name {node.name!r} is not allowed.", "Choose another, starting with a letter."
            raise TemplateError(line, message, hint, "template_name", found=node.name[:40])
        self.names[node.name] = None

    def _filter(self, node: nodes.Filter, line: int) -> None:
        if node.name not in _FILTER_NAMES:
            message, hint = f"the filter {node.name!r} is unknown.", f"Use {', '.join(_FILTER_NAMES)}."
            raise TemplateError(line, message, hint, "template_filter", found=node.name[:40], filters=list(_FILTER_NAMES))
        if node.kwargs or node.dyn_args is not None or node.dyn_kwargs is not None:
            message = f"the filter {node.name!r} takes no named values."
            raise TemplateError(line, message, "Remove them.", "filter_values", found=node.name)
        values = [argument.value if isinstance(argument, nodes.Const) else None for argument in node.args]
        if node.name == "default":
            if len(values) != 1 or values[0] is None:
                hint = "Write {{ name | default('text') }}."
                raise TemplateError(line, "default needs one constant.", hint, "filter_default")
            if isinstance(node.node, nodes.Name):
                self.optional.add(node.node.name)
        elif node.name in _FILTERS_WITH_NUMBER:
            low, high = _FILTERS_WITH_NUMBER[node.name]
            if len(values) > 1 or any(type(value) is not int or not low <= value <= high for value in values):
                message = f"{node.name} takes a whole number from {low} to {high}."
                raise TemplateError(line, message, "", "filter_number", found=node.name, low=low, high=high)
        elif values:
            message = f"the filter {node.name!r} takes no values."
            raise TemplateError(line, message, "Remove them.", "filter_values", found=node.name)

    def _test(self, node: nodes.Test, line: int) -> None:
        if node.name != "defined" or node.args or not isinstance(node.node, nodes.Name):
            message, hint = f"the test {node.name!r} is not allowed.", "Use {% if name is defined %}."
            raise TemplateError(line, message, hint, "template_test", found=node.name[:40])
        self.optional.add(node.node.name)


_GRAMMAR_HINT = f"Use text, {{name}}, if/else, comparisons and the filters {', '.join(_FILTER_NAMES)}."


def _kind(node: nodes.Node) -> str:
    for kind, words in _REFUSED.items():
        if isinstance(node, kind):
            return words
    return f"a {type(node).__name__.lower()}"


def _sentence(message: str | None) -> str:
    text = (message or "this is not a template").rstrip(".")
    return f"{text[0].lower()}{text[1:]}."
