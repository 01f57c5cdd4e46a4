"""The prompt engine: templates bounded by their grammar, styles, typed variables, and the prompt made of them."""

from __future__ import annotations

from scheduler.prompts.remark import Remark, remark_in_chinese, remarks_public
from scheduler.prompts.rendering import MAX_PROMPT_CHARS, PromptError, PromptSource, Rendered, prompt_plan, render
from scheduler.prompts.styles import STYLE_DIR, StyleBook, StyleFileError, load_style_book
from scheduler.prompts.variables import Value, Variable

__all__ = [
    "MAX_PROMPT_CHARS",
    "STYLE_DIR",
    "PromptError",
    "PromptSource",
    "Remark",
    "Rendered",
    "StyleBook",
    "StyleFileError",
    "Value",
    "Variable",
    "load_style_book",
    "prompt_plan",
    "remark_in_chinese",
    "remarks_public",
    "render",
]
