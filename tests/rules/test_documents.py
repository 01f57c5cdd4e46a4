"""What prose promises: commands in the documents exist, links lead somewhere, generated pages are fresh."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dashboard.api.jobs import why_public
from scheduler.cli.reference import PAGE, commands, page
from scheduler.core import blockers
from tests.rules.sources import ROOT, files, name_of, product_files, tree

DOCUMENTS = sorted(path for path in files(".md") if "CHANGELOG" not in path.name)
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`((?:role_scheduler|make|python3?(?:\.\d+)? -m) [^`\n]+)`")
_TOLD = re.compile(r"role_scheduler(?: -{0,2}[A-Za-z0-9_{][\w{}:./=-]*)+")
_LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)(?:#[^)]*)?\)")


def _lines(path: Path) -> Iterator[str]:
    """Commands of a document: lines of its shell blocks, and what stands in backticks."""
    text = path.read_text(encoding="utf-8")
    for language, block in _FENCE.findall(text):
        if language in ("bash", "sh", "console"):
            yield from (line.removeprefix("$ ") for line in block.replace("\\\n", " ").splitlines() if line.strip())
    yield from _INLINE.findall(text)


def _words(line: str) -> list[str]:
    return shlex.split(line, comments=True)


def _command(words: list[str], tree: dict[str, Any]) -> tuple[Any, list[str]]:
    """The command that the words call, and the words that are left."""
    name, rest = words[0], words[1:]
    while rest and f"{name} {rest[0]}" in tree:
        name, rest = f"{name} {rest[0]}", rest[1:]
    return tree[name], rest


def _problem(line: str, tree: dict[str, Any], targets: set[str]) -> str | None:
    words = _words(line)
    words = [word.rsplit("/", 1)[-1] if index == 0 else word for index, word in enumerate(words)]
    if not words:
        return None
    if words[0] == "make":
        wanted = {word for word in words[1:] if "=" not in word}
        return f"make has no {sorted(wanted - targets)}" if wanted - targets else None
    if words[0].startswith("python") and words[1:2] == ["-m"]:
        found = words[2] == "venv" or importlib.util.find_spec(words[2])
        return None if found else f"there is no module {words[2]}"
    if words[0] != "role_scheduler":
        return None
    command, rest = _command(words, tree)
    if hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        return f"role_scheduler has no {rest[0]}"
    known = {name for param in command.params for name in (*param.opts, *param.secondary_opts)} | {"-h", "--help"}
    flags = {word.split("=", 1)[0] for word in rest if word.startswith("-") and not word[1:2].isdigit()}
    return f"no flag {sorted(flags - known)}" if flags - known else None


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_command_in_a_document_exists(document: Path) -> None:
    tree = dict(commands())
    targets = set(re.findall(r"^([a-z_]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    problems = [f"{line}: {bad}" for line in _lines(document) if (bad := _problem(line, tree, targets))]
    assert not problems, "\n".join(problems)


def _told(path: Path) -> Iterator[str]:
    """Commands that a sentence of the product names, up to the end of its words and flags."""
    if path.suffix == ".json":
        texts = [text for text in json.loads(path.read_text(encoding="utf-8")).values() if isinstance(text, str)]
    else:
        texts = [node.value for node in ast.walk(tree(path)) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    for text in texts:
        yield from (found.rstrip(".:") for found in _TOLD.findall(text))


def test_every_flag_that_the_product_tells_people_to_use_exists() -> None:
    known = dict(commands())
    sources = [*product_files(), *files(".json", under=("dashboard/i18n", "scheduler"))]
    told = [(path, line) for path in sources for line in _told(path)]
    assert len(told) > 50
    problems = [
        f"{name_of(path)}: {line}: {bad}"
        for path, line in told if (bad := _problem(line, known, set())) is not None and bad.startswith("no flag")
    ]  # fmt: skip
    assert not problems, "\n".join(problems)


def test_a_command_that_does_not_exist_is_found() -> None:
    tree = dict(commands())
    assert _problem("role_scheduler submit teacher --no_such_flag", tree, set())
    assert _problem("role_scheduler no_such_command", tree, set())
    assert _problem("make nothing", tree, {"demo"})
    assert _problem("python -m engine.no_such_module", tree, set())


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_link_in_a_document_leads_to_a_file(document: Path) -> None:
    targets = _LINK.findall(document.read_text(encoding="utf-8"))
    missing = [target for target in targets if not (document.parent / target).exists()]
    assert not missing, missing


def test_command_line_page_is_what_the_program_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m scheduler.cli.reference --write"


def test_readme_names_the_two_commands_of_the_set_up() -> None:
    first = [block.strip() for _, block in _FENCE.findall((ROOT / "README.md").read_text(encoding="utf-8"))][:2]
    assert first == ["make demo", "make test"]


def test_every_error_number_of_the_set_up_is_explained() -> None:
    wanted = set(re.findall(r"\b(?:fail|exit) (1\d)\b", (ROOT / "Makefile").read_text(encoding="utf-8")))
    told = set(re.findall(r"^\| Error (\d+):", (ROOT / "docs" / "install.md").read_text(encoding="utf-8"), re.MULTILINE))
    assert wanted == told


def test_every_field_of_a_blocker_is_documented() -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8").split("## Why a job waits")[1].split("\n## ")[0]
    dicts = [node for source in (blockers, why_public) for node in ast.walk(ast.parse(inspect.getsource(source)))
             if isinstance(node, ast.Dict)]  # fmt: skip
    fields = {key.value for node in dicts for key in node.keys if isinstance(key, ast.Constant)}
    assert {"rule", "is_more", "kind"} <= fields
    assert not {name for name in fields if f"`{name}`" not in page and f'"{name}"' not in page}


def test_published_spellings_are_commands() -> None:
    tree = dict(commands())
    serve = {name for param in tree["role_scheduler serve"].params for name in param.opts}
    top = {name for param in tree["role_scheduler"].params for name in param.opts}
    assert "--preload_roles" in serve
    assert "--validate" in top
    assert "--output" in {name for param in tree["role_scheduler batch"].params for name in param.opts}
    published = {
        "--size", "--num_clip", "--infer_frames", "--sample_steps", "--sample_guide_scale", "--sample_solver",
        "--enable_online_decode", "--load_lora", "--lora_path_dmd", "--offload_model", "--num_gpus_dit",
        "--ulysses_size", "--enable_vae_parallel", "--ckpt_dir", "--prompt", "--image", "--audio",
    }  # fmt: skip
    for name in ("submit", "generate"):
        flags = {flag for param in tree[f"role_scheduler {name}"].params for flag in param.opts}
        assert published <= flags, published - flags


def test_every_command_speaks_json() -> None:
    silent = {"role_scheduler serve", "role_scheduler demo"}
    without = {
        words
        for words, command in commands()
        if not hasattr(command, "commands") and not any("--json" in param.opts for param in command.params)
    }
    assert without == silent
