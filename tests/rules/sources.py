"""The files the rules are about: everything in the tree that people wrote, parsed once."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("dashboard", "scheduler", "engine")
_LEFT_OUT = {
    ".git", ".venv", "__pycache__", "node_modules", "vendor", "var", "build", "dist", ".pytest_cache", ".mypy_cache",
    ".ruff_cache", ".hypothesis", ".import_linter_cache",
}  # fmt: skip


def files(*suffixes: str, under: tuple[str, ...] = ()) -> Iterator[Path]:
    """Files with these endings, below these folders (or everywhere), in a fixed order."""
    for path in _all_files():
        if suffixes and path.suffix not in suffixes:
            continue
        if not under or any(path.is_relative_to(ROOT / folder) for folder in under):
            yield path


@cache
def _all_files() -> tuple[Path, ...]:
    """Looked up once: beside the tree lies an environment of many thousand files."""
    found = []
    for folder, names, here in os.walk(ROOT):
        names[:] = sorted(name for name in names if name not in _LEFT_OUT and not name.endswith(".egg-info"))
        found += [Path(folder, name) for name in here if name not in _LEFT_OUT]
    return tuple(sorted(path for path in found if path.is_file()))


def product_files() -> Iterator[Path]:
    """The Python files of the three packages and `wsgi.py`."""
    yield from files(".py", under=PACKAGES)
    if (ROOT / "wsgi.py").is_file():
        yield ROOT / "wsgi.py"


@cache
def tree(path: Path) -> ast.Module:
    """The file's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def name_of(path: Path) -> str:
    """The path as people write it: relative to the repository."""
    return str(path.relative_to(ROOT))


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted module) of every import in a file, those inside functions too; typing-only imports are left out."""
    for node in _import_nodes(path):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif node.module:
            yield node.lineno, node.module


def imported_names_of(path: Path) -> Iterator[str]:
    """What a file imports, as `imports_of`, down to the name: `a.b.c` for `from a.b import c`."""
    for node in _import_nodes(path):
        prefix = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
        yield from (f"{prefix}{alias.name}" for alias in node.names)


@cache
def _import_nodes(path: Path) -> tuple[ast.Import | ast.ImportFrom, ...]:
    module = tree(path)
    typing_only = {
        id(inner)
        for node in ast.walk(module)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    imports = (node for node in ast.walk(module) if isinstance(node, ast.Import | ast.ImportFrom))
    return tuple(
        node for node in imports if not (isinstance(node, ast.ImportFrom) and node.level) and id(node) not in typing_only
    )
