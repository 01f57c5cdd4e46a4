"""The files the rules are about: everything in the tree that people wrote, parsed once."""

from __future__ import annotations

import ast
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
    for top in [ROOT / folder for folder in under] or [ROOT]:
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            parts = path.relative_to(ROOT).parts
            if not path.is_file() or _LEFT_OUT.intersection(parts) or any(part.endswith(".egg-info") for part in parts):
                continue
            if not suffixes or path.suffix in suffixes:
                yield path


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


def _import_nodes(path: Path) -> Iterator[ast.Import | ast.ImportFrom]:
    module = tree(path)
    typing_only = {
        id(inner)
        for node in ast.walk(module)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(module):
        is_import = isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and not node.level)
        if is_import and id(node) not in typing_only:
            yield node  # type: ignore[misc]
