"""The shape of the code: short files, typed signatures, docstrings, one noun per file."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.rules.sources import files, name_of, product_files, tree

MAX_LINES = 400
Function = ast.FunctionDef | ast.AsyncFunctionDef


def _functions(node: ast.AST) -> Iterator[Function]:
    for inner in ast.walk(node):
        if isinstance(inner, Function):
            yield inner


def _public(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, Function | ast.ClassDef]]:
    """Public functions and classes of a module, and the public methods of public classes."""
    for node in body:
        if not isinstance(node, Function | ast.ClassDef) or node.name.startswith("_"):
            continue
        yield prefix + node.name, node
        if isinstance(node, ast.ClassDef):
            yield from _public(node.body, f"{prefix}{node.name}.")


def _is_overload(node: Function | ast.ClassDef) -> bool:
    return any(ast.unparse(decorator).endswith(("overload", ".setter")) for decorator in node.decorator_list)


def test_no_file_is_longer_than_a_person_reads() -> None:
    long = {
        name_of(path): count
        for path in files(".py", ".js", ".css", ".html")
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > MAX_LINES
    }
    assert not long, long


def test_every_module_says_what_it_is() -> None:
    bad = [name_of(path) for path in product_files() if path.stat().st_size and not ast.get_docstring(tree(path))]
    assert not bad, "\n".join(bad)


def test_every_public_name_says_what_it_does() -> None:
    bad = [
        f"{name_of(path)}:{node.lineno} {name}"
        for path in product_files()
        for name, node in _public(tree(path).body)
        if not ast.get_docstring(node) and not _is_overload(node)
    ]
    assert not bad, "\n".join(bad)


def _untyped(function: Function) -> bool:
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    if named and named[0].arg in ("self", "cls"):
        named = named[1:]
    stars = [argument for argument in (arguments.vararg, arguments.kwarg) if argument]
    return function.returns is None or any(argument.annotation is None for argument in [*named, *stars])


def test_every_signature_is_typed() -> None:
    bad = [
        f"{name_of(path)}:{function.lineno} {function.name}"
        for path in product_files()
        for function in _functions(tree(path))
        if _untyped(function)
    ]
    assert not bad, "\n".join(bad)


def test_no_module_is_a_drawer_for_everything() -> None:
    drawers = {"utils.py", "util.py", "helpers.py", "misc.py", "common.py"}
    assert not [name_of(path) for path in files(".py") if path.name in drawers]


def test_tests_are_sentences(repo_root: Path) -> None:
    short = [
        f"{name_of(path)} {function.name}"
        for path in files(".py", under=("tests",))
        for function in tree(path).body
        if isinstance(function, Function) and function.name.startswith("test_") and function.name.count("_") < 3
    ]
    assert not short, "\n".join(short)
