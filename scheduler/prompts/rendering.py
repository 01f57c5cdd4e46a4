"""From a role and a context to the prompt that the model reads, with what was used and what looks wrong."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from jinja2 import UndefinedError

from scheduler.errors import SchedulerError
from scheduler.prompts.remark import Remark, listed
from scheduler.prompts.styles import StyleBook
from scheduler.prompts.template_grammar import CheckedTemplate, TemplateError, compile_template
from scheduler.prompts.variables import Value, ValueRefused, Variable

MAX_CONTEXT_BYTES = 65_536
MAX_PROMPT_CHARS = 16_384
LONG_PROMPT_CHARS = 1500  # the text encoder reads 512 tokens; about so many English characters fit
SHORT_PROMPT_WORDS = 4
_SPACE = re.compile(r"[ \t\r\n]+")
_BEFORE_STOP = re.compile(r" +([.,;:!?])")
_STOPS = re.compile(r"([.!?。！？])\s*\.")


class PromptError(SchedulerError, ValueError):
    """The prompt cannot be made. Status 422; `field` is "context", "context.<name>" or "style"."""

    def __init__(self, code: str, message: str, *, field: str = "context", hint: str = "", **data: Any) -> None:
        super().__init__(422, code, message, field=field, hint=hint, **data)


class PromptSource(Protocol):
    """What of a role makes its prompt; `scheduler.registry.Role` is one."""

    @property
    def prompt_template(self) -> str:
        """The role's own text."""

    @property
    def style(self) -> str | None:
        """Name of a style of the book, or None."""

    @property
    def book(self) -> StyleBook:
        """Base, styles, slots."""

    @property
    def variables(self) -> Mapping[str, Variable]:
        """Declared variables."""

    @property
    def defaults(self) -> Mapping[str, Value]:
        """Values for variables that a context leaves out."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A prompt.

    `used`: every variable's value, defaults included; `warnings`: sentences for the person who wrote it, with their codes.
    """

    prompt: str
    used: Mapping[str, Value]
    warnings: tuple[Remark, ...] = ()


@dataclass(frozen=True, slots=True)
class PromptPlan:
    """The compiled templates of one role in one style, and the variables they need."""

    role: CheckedTemplate
    style: CheckedTemplate | None
    base: CheckedTemplate
    variables: Mapping[str, Variable]
    required: tuple[str, ...]


def render(
    role: PromptSource, context: Mapping[str, Any], *, style: str | None = None, read_bytes: int | None = None
) -> Rendered:
    """The prompt of a role for a context. `style` replaces the role's own for a preview; `read_bytes` is what the model reads.

    Raises PromptError: `unknown_variable` (naming the known ones), `missing_variable` (naming all that are missing),
    `bad_variable`, `context_too_long`, `prompt_too_long`, `unknown_style`.
    """
    plan = prompt_plan(role, style if style is not None else role.style)
    values = _checked_context(plan, role, context)
    missing = [name for name in plan.required if name not in values]
    if missing:
        known = ", ".join(sorted(plan.variables))
        raise PromptError(
            "missing_variable", f"The prompt needs {listed(missing)}.", field=f"context.{missing[0]}",
            hint=f"Give a value for each, or a default in the role. Its variables: {known}.", missing=missing, known=known,
        )  # fmt: skip
    slots = [name for name, variable in plan.variables.items() if variable.is_slot and values.get(name, "") == ""]
    filled = {**values, **dict.fromkeys(slots, "")}
    prompt = _joined(plan, filled)
    cut = () if read_bytes is None else _cut(" ".join(plan.role.code.render(filled).split()), read_bytes)
    return Rendered(prompt, values, (*_warnings(prompt, slots, role.book), *cut))


def prompt_plan(role: PromptSource, style: str | None) -> PromptPlan:
    """The compiled plan, from the cache when the same texts were seen before. Raises PromptError `unknown_style`."""
    book = role.book
    if style is not None and style not in book.styles:
        known = ", ".join(sorted(book.styles))
        message = f"There is no style {style[:40]!r}."
        raise PromptError("unknown_style", message, field="style", hint=f"Use {known}.", style=style[:40], known=known)
    text = None if style is None else book.styles[style]
    declared = {**book.variables, **role.variables}
    return _plan(role.prompt_template, text, book.base, tuple(sorted(declared.items())))


@functools.lru_cache(maxsize=512)
def _plan(
    role_text: str, style_text: str | None, base_text: str, declared: tuple[tuple[str, Variable], ...]
) -> PromptPlan:
    try:
        role = compile_template(role_text)
        style = None if style_text is None else compile_template(style_text)
        base = compile_template(base_text)
    except TemplateError as error:  # registry and style files are checked when loaded; a stored role may be older
        message, why = f"The template is refused: {error}", {"code": f"line.{error.code}", "data": error.data}
        raise PromptError("bad_template", message, field="prompt_template", line=error.line, why=why) from error
    parts = [role, base, *([style] if style else [])]
    names = dict.fromkeys(name for part in parts for name in part.names if name not in ("role_prompt", "style_text"))
    optional = frozenset().union(*(part.optional for part in parts))
    variables = {**{name: Variable(name=name) for name in names}, **dict(declared)}
    required = tuple(name for name in names if name not in optional and not variables[name].is_slot)
    return PromptPlan(role, style, base, variables, required)


def _checked_context(plan: PromptPlan, role: PromptSource, context: Mapping[str, Any]) -> dict[str, Value]:
    if not isinstance(context, Mapping):
        message = "context must be a map of names to values."
        raise PromptError("bad_variable", message, hint='Write {"topic": "…"}.', problem="no_map")
    unknown = [str(name) for name in context if name not in plan.variables]
    if unknown:
        known = ", ".join(sorted(plan.variables)) or "none"
        raise PromptError(
            "unknown_variable", f"The role has no variable {unknown[0][:40]!r}.", field=f"context.{unknown[0][:40]}",
            hint=f"Its variables: {known}.", name=unknown[0][:40], known=known,
        )  # fmt: skip
    values: dict[str, Value] = {
        name: value for name, value in {**role.book.defaults, **role.defaults}.items() if name in plan.variables
    }
    size = 0
    for name, value in context.items():
        if value is None:
            continue
        try:
            values[name] = plan.variables[name].checked(value)
        except ValueRefused as error:
            message = f"{name} {error.message}"
            raise PromptError(
                "bad_variable", message, field=f"context.{name}", hint=error.hint, name=name, why=error.why
            ) from error
        size += len(str(value).encode(errors="replace"))
        if size > MAX_CONTEXT_BYTES:
            message, hint = f"The context has more than {MAX_CONTEXT_BYTES} bytes.", "Shorten its values."
            raise PromptError("context_too_long", message, hint=hint, most=MAX_CONTEXT_BYTES)
    return values


def _joined(plan: PromptPlan, values: Mapping[str, Value]) -> str:
    """The prompt. The role's text and the style's text are rendered first and are values of the base: never read as templates."""
    try:
        role_prompt = plan.role.code.render(values).strip().rstrip(".")
        style_text = plan.style.code.render(values).strip() if plan.style else ""
        prompt = plan.base.code.render({**values, "role_prompt": role_prompt, "style_text": style_text})
    except UndefinedError as error:
        message = f"A variable is used without a value: {error.message}."
        hint = "Use {{ name | default('…') }} everywhere."
        raise PromptError("missing_variable", message, hint=hint, problem="undefined") from error
    except (TypeError, ValueError, OverflowError, ArithmeticError) as error:
        message, hint = f"The template cannot use these values: {error}.", "Give others, or change the role's template."
        raise PromptError("bad_variable", message, hint=hint, problem="unusable") from error
    if len(prompt) > MAX_PROMPT_CHARS:
        raise PromptError(
            "prompt_too_long", f"The prompt has {len(prompt)} characters.", hint=f"Use at most {MAX_PROMPT_CHARS}.",
            characters=len(prompt), most=MAX_PROMPT_CHARS,
        )  # fmt: skip
    prompt = _BEFORE_STOP.sub(r"\1", _SPACE.sub(" ", prompt)).strip()
    return _STOPS.sub(r"\1", prompt)


def _warnings(prompt: str, slots: list[str], book: StyleBook) -> Iterable[Remark]:
    if slots:
        yield Remark("unset_slots", names=slots)
    lowered = prompt.lower()
    for left, right in book.contradictions:
        if (one := _first(left, lowered)) and (other := _first(right, lowered)):
            yield Remark("contradiction", one=one, other=other)
    for words, because, chinese in book.cautions:
        if word := _first(words, lowered):
            yield Remark("caution", word=word, because=because, because_zh=chinese or because)
    if len(prompt) > LONG_PROMPT_CHARS:
        yield Remark("long_prompt", characters=len(prompt), read=LONG_PROMPT_CHARS)
    if len(prompt.split()) < SHORT_PROMPT_WORDS and prompt.isascii():
        yield Remark("short_prompt")


def _cut(role_text: str, read_bytes: int) -> Iterable[Remark]:
    """What the role itself says should be read; base and style come after it."""
    encoded = role_text.encode()
    if len(encoded) > read_bytes:
        lost = encoded[read_bytes:].decode(errors="ignore").strip()
        yield Remark("prompt_cut", read_bytes=read_bytes, bytes=len(encoded), lost=lost)


def _first(words: Iterable[str], lowered: str) -> str | None:
    """The first of the words that stands in the text: as whole words for ASCII, anywhere for others."""
    for word, small in _lowered(tuple(words)):
        if small in lowered and (not small.isascii() or re.search(rf"\b{re.escape(small)}\b", lowered)):
            return word
    return None


@functools.lru_cache(maxsize=512)
def _lowered(words: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((word, word.lower()) for word in words)
