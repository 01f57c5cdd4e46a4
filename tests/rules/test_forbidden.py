"""Constructs that open a door, and words that have no place in the repository."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from tests.rules.sources import files, imported_names_of, imports_of, name_of, tree

FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib"}
FORBIDDEN_CALLS = {
    "eval", "exec", "torch.load", "yaml.load", "yaml.unsafe_load", "os.system", "os.popen", "render_template_string",
    "flask.render_template_string", "torch.hub.load", "jinja2.Environment",
}  # fmt: skip
TENSORS_ONLY = "engine/model/checkpoint/pickles.py"  # reads published .pth files, weights_only
_SLASH = "/"
FORBIDDEN_TEXT = {
    "a path of somebody's machine": re.compile(rf"(?<![\w.]){_SLASH}(?:work|root|Users|home){_SLASH}\w"),
    "a package registry": re.compile(
        r"pypi\.(?:org|io)|pythonhosted\.\w|registry\.(?:npm|yarn)|download\.pytorch\.\w|\bnpmmirro[r]\b"
    ),
    "a local package folder": re.compile(rf"{_SLASH}opt{_SLASH}(?:wheels|pypi)"),
}
TEXT_ENDINGS = (
    ".py", ".md", ".toml", ".yaml", ".yml", ".json", ".html", ".js", ".css", ".sql", ".txt", ".sh", ".cfg", "",
)  # fmt: skip


@cache
def _calls(path: Path) -> list[tuple[int, str, ast.Call]]:
    return [(node.lineno, ast.unparse(node.func), node) for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]


def test_no_module_that_runs_what_it_reads() -> None:
    bad = [
        f"{name_of(path)}:{line} imports {module}"
        for path in files(".py")
        for line, module in imports_of(path)
        if module.split(".")[0] in FORBIDDEN_MODULES
    ]
    assert not bad, "\n".join(bad)


def test_no_call_that_runs_what_it_reads() -> None:
    bad = [
        f"{name_of(path)}:{line} calls {name}"
        for path in files(".py")
        for line, name, _ in _calls(path)
        if name in FORBIDDEN_CALLS and not (name == "torch.load" and name_of(path) == TENSORS_ONLY)
    ]
    assert not bad, "\n".join(bad)


def test_what_may_not_be_called_has_no_other_name() -> None:
    """`from os import system` and `import yaml as y` would hide a call from the test above."""
    homes = {name.rpartition(".")[0] for name in FORBIDDEN_CALLS} - {""}
    hidden = [
        f"{name_of(path)} imports {name}" for path in files(".py") for name in imported_names_of(path) if name in FORBIDDEN_CALLS
    ]
    renamed = [
        f"{name_of(path)}:{node.lineno} calls {alias.name} {alias.asname}"
        for path in files(".py")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.name in homes and alias.asname not in (None, alias.name)
    ]
    assert not hidden + renamed, "\n".join(hidden + renamed)


def test_pickled_weights_are_read_in_one_place_and_never_run() -> None:
    path = next(path for path in files(".py", under=("engine",)) if name_of(path) == TENSORS_ONLY)
    loads = [call for _, name, call in _calls(path) if name == "torch.load"]
    assert len(loads) == 1
    assert {keyword.arg: ast.unparse(keyword.value) for keyword in loads[0].keywords}["weights_only"] == "True"


def test_no_process_is_started_through_a_shell() -> None:
    bad = [
        f"{name_of(path)}:{line}"
        for path in files(".py")
        for line, _, call in _calls(path)
        for keyword in call.keywords
        if keyword.arg == "shell" and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False)
    ]
    assert not bad, "\n".join(bad)


def test_no_exception_is_caught_blindly() -> None:
    bad = [
        f"{name_of(path)}:{node.lineno}"
        for path in files(".py")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]
    assert not bad, "\n".join(bad)


def test_no_machine_path_and_no_registry_address() -> None:
    bad = [
        f"{name_of(path)}:{number} has {what}: {line.strip()[:100]}"
        for path in files(*TEXT_ENDINGS)
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1)
        for what, pattern in FORBIDDEN_TEXT.items()
        if pattern.search(line)
    ]
    assert not bad, "\n".join(bad)
