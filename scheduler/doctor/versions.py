"""Python, PyTorch and the packages that a house cannot do without; PyTorch's CUDA against the driver's."""

from __future__ import annotations

import importlib.util
import platform
import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from scheduler import gpus
from scheduler.doctor import nvml
from scheduler.doctor.finding import Finding, found
from scheduler.doctor.subject import Subject
from scheduler.plan.check import ATTENTION, BAD, OK

OLDEST, BEYOND = (3, 11), (3, 15)
_NEEDED = ("torch", "av", "flask", "gunicorn", "sqlite-utils", "safetensors", "nvidia-ml-py")
_CUDA = re.compile(r"^cuda\b[^=]*=\s*['\"](\d+)\.(\d+)", re.MULTILINE)


def version_findings(_subject: Subject) -> Iterator[Finding]:
    """What runs here; FFmpeg's libraries come with `av`, no program of that name is needed."""
    here = platform.python_version()
    state = OK if OLDEST <= sys.version_info[:2] < BEYOND else ATTENTION
    yield found("python", state, "python", {"version": here}, version=here)
    versions = {package: _version(package) for package in _NEEDED}
    if missing := [package for package, number in versions.items() if number is None]:
        yield found("packages", BAD, "packages_missing", versions, words=", ".join(missing))
    else:
        words = ", ".join(f"{package} {number}" for package, number in versions.items())
        yield found("packages", OK, "packages", versions, words=words)


def torch_findings(_subject: Subject) -> Iterator[Finding]:
    """Can this PyTorch use the GPUs of this driver? Told of their versions, without loading either."""
    torch, built = _version("torch"), built_for()
    if torch is None:
        return  # the packages' finding says so
    figures = {"torch": torch, "torch_cuda": built and ".".join(map(str, built))}
    words = {"torch": torch, "built": ".".join(map(str, built or ()))}
    try:
        driver = nvml.open_driver()
    except nvml.NoDriver:
        yield found("torch", OK, "torch_alone" if built else "torch_cpu", figures, **words)
        return
    theirs = driver.cuda
    figures["driver_cuda"] = theirs and ".".join(map(str, theirs))
    words["driver"], words["theirs"] = driver.version, ".".join(map(str, theirs or ()))
    if built is None or not gpus.is_torch_for_gpus():
        yield found("torch", ATTENTION, "torch_without_cuda", figures, **words)
    elif theirs is None or theirs >= built:
        yield found("torch", OK, "torch_cuda", figures, **words)
    else:
        state, code = (BAD, "torch_newer") if theirs[0] < built[0] else (ATTENTION, "torch_little_newer")
        yield found("torch", state, code, figures, **words)


def built_for() -> tuple[int, int] | None:
    """The CUDA that PyTorch was built for, read from its file; None for a build for processors."""
    spec = importlib.util.find_spec("torch")
    if spec is None or not spec.submodule_search_locations:
        return None
    file = Path(next(iter(spec.submodule_search_locations)), "version.py")
    match = _CUDA.search(file.read_text(encoding="utf-8")) if file.exists() else None
    return (int(match[1]), int(match[2])) if match else None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
