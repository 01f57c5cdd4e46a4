"""Who may import whom. The contracts stand in pyproject.toml; these tests run them and add what they cannot say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.rules.sources import ROOT, files, imported_names_of, imports_of, name_of, product_files

CORE_MAY_IMPORT = {
    "__future__", "abc", "bisect", "collections", "dataclasses", "difflib", "enum", "functools", "heapq", "itertools", "math",
    "typing",
}  # fmt: skip
HOMES = {  # library → where it may be imported
    "flask": ("dashboard/", "wsgi.py"),
    "flask_socketio": ("dashboard/",),
    "spectree": ("dashboard/",),
    "werkzeug": ("dashboard/",),
    "pynvml": ("scheduler/probe", "scheduler/doctor/nvml"),
    "sqlite3": ("scheduler/store/", "scheduler/audit"),
    "sqlite_utils": ("scheduler/store/", "scheduler/audit"),
    "torch": tuple(
        f"engine/{part}" for part in ("vault", "worker", "model", "adapters", "precision", "parallel", "training")
    ),
}
# program → what it may not load at its start: that costs processor time beside videos that play (docs/chaos.md)
STARTS = {
    "engine.vault.__main__": ("numpy", "torch", "av", "asyncio"),
    "engine.media.__main__": ("numpy", "torch", "av"),
    "engine.media.adapter_probe": ("numpy", "torch", "av", "PIL"),
    "engine.fake": ("torch", "PIL", "asyncio"),
    "engine.worker.__main__": ("torch", "PIL", "asyncio"),
    "scheduler.daemon": ("numpy", "rich", "typer", "urllib.request"),
    "scheduler.forecast.__main__": ("sqlite_utils", "apscheduler", "pynvml", "rich", "typer"),
    "scheduler.cli.app": ("numpy", "sqlite_utils", "apscheduler", "pydantic"),
    "dashboard.serving": ("numpy", "sqlite_utils", "apscheduler", "pynvml", "rich", "typer"),
}


def test_import_contracts_hold() -> None:
    tool = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([tool, "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr


def test_decision_core_imports_no_world() -> None:
    bad = [
        f"{name_of(path)}:{line} imports {module}"
        for path in files(".py", under=("scheduler/core",))
        for line, module in imports_of(path)
        if module.split(".")[0] not in CORE_MAY_IMPORT and not f"{module}.".startswith("scheduler.core.")
    ]
    assert not bad, "\n".join(bad)


def test_no_two_modules_import_each_other() -> None:
    """Not inside functions either: two modules that need each other are one, or have a third between them."""
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in files(".py", under=("dashboard", "scheduler", "benchmarks"))
    }
    wanted = {
        name: {found for module in imported_names_of(path) if (found := _known(module, modules)) and found != name}
        for name, path in modules.items()
    }
    pairs = sorted({tuple(sorted((name, other))) for name in wanted for other in wanted[name] if name in wanted[other]})
    circles = [pair for pair in pairs if not pair[1].startswith(f"{pair[0]}.")]  # a package shows what is in it
    assert not circles, circles


def _known(module: str, modules: dict[str, Path]) -> str | None:
    """The module of ours that an imported name is, or lies in."""
    return module if module in modules else module.rpartition(".")[0] if module.rpartition(".")[0] in modules else None


@pytest.mark.parametrize("library", HOMES)
def test_library_is_imported_only_where_it_belongs(library: str) -> None:
    bad = [
        f"{name_of(path)}:{line} imports {module}"
        for path in product_files()
        for line, module in imports_of(path)
        if module.split(".")[0] == library and not name_of(path).startswith(HOMES[library])
    ]
    assert not bad, "\n".join(bad)


@pytest.mark.parametrize(
    "module", ["engine", "scheduler", "scheduler.client", "scheduler.cli.app", "dashboard", "wsgi"]
)
def test_import_brings_no_torch(module: str, tmp_path: Path) -> None:
    code = (
        f"import {module}, sys\n"
        "heavy = {'torch', 'transformers', 'diffusers'} & set(sys.modules)\n"
        "sys.exit(f'imported {sorted(heavy)}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


def test_engine_works_without_the_web_and_database_packages() -> None:
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in files(".py", under=("engine",))
        if path.name != "__main__.py"
    ]
    code = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in {'flask', 'flask_socketio', 'sqlite_utils', 'apscheduler', 'pydantic',\n"
        "                                  'spectree', 'gunicorn', 'typer', 'dashboard', 'scheduler'}:\n"
        "            raise ModuleNotFoundError(f'{name} is not installed here', name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "import importlib\n"
        f"for name in {modules!r}:\n"
        "    importlib.import_module(name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("program", STARTS)
def test_process_starts_without_what_it_does_not_need(program: str) -> None:
    code = f"import {program}, sys\nprint(*sorted({set(STARTS[program])!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_web_starts_without_describing_its_api() -> None:
    code = "import dashboard\nfrom dashboard.api.openapi import spec\nprint(len(spec.models))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0"]
