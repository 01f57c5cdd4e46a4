"""`python -m engine.media probe|join|one`: JSON on stdout, one object per file or join; never a traceback.

Exit status: 0 all is well, 3 something was refused (its object says why), 64 wrong usage.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

OK, REFUSED, USAGE = 0, 3, 64


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Wrong usage has a status of its own."""
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def main(argv: list[str] | None = None) -> int:
    """Runs one command; returns its exit status."""
    parser = _Parser(prog="python -m engine.media", description="Check and join media files.")
    commands = parser.add_subparsers(dest="command", required=True)
    probe = commands.add_parser("probe", help="say what a portrait, a voice or an adapter is worth")
    probe.add_argument("--kind", choices=("portrait", "voice", "adapter"), required=True)
    probe.add_argument("files", nargs="+", metavar="FILE")
    join = commands.add_parser("join", help="join videos, or a header and its fragments, without re-encoding")
    join.add_argument("--output", required=True, metavar="OUT")
    join.add_argument("files", nargs="+", metavar="IN")
    one = commands.add_parser("one", help="make one video of several, encoded again only where they differ")
    one.add_argument("--output", required=True, metavar="OUT")
    one.add_argument("files", nargs="+", metavar="IN")
    arguments = parser.parse_args(argv)
    if arguments.command == "probe":
        return _probe(arguments.kind, arguments.files)
    return _written(arguments.output, arguments.files, _join if arguments.command == "join" else _one)


def _probe(kind: str, files: list[str]) -> int:
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # each thread would claim address space
    from engine.media import limits

    limits.limit_probe()
    results = [_probe_file(kind, file) for file in files]
    return REFUSED if any(results) else OK


def _probe_file(kind: str, name: str) -> bool:
    """Prints the answer for one file; true where it is refused."""
    from engine.errors import EngineError
    from engine.media.untrusted import opened_file

    path = Path(name)
    limit, probe = _probe_of(kind)
    try:
        with opened_file(path, limit) as (file, size):
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        verdict = probe(path)
    except EngineError as error:
        _print({"path": name, "error": {**_error(error.code, str(error), error.hint), "data": error.data}})
        return True
    except MemoryError:
        large = _error("bad_media", f"{name} needs more memory than a check may use.", "Bring a smaller file.")
        _print({"path": name, "error": {**large, "data": {"problem": "memory"}}})
        return True
    _print({"path": name, "sha256": digest, "bytes": size, "kind": kind, "verdict": verdict})
    return False


def _probe_of(kind: str) -> tuple[int, Callable[[Path], dict[str, Any]]]:
    """How large a file of this kind may be, and what looks into it; loads what that needs and no more."""
    if kind == "adapter":
        from engine.media.adapter_probe import MAX_ADAPTER_BYTES, probe_adapter

        return MAX_ADAPTER_BYTES, probe_adapter
    from engine.media.picture import MAX_PICTURE_BYTES
    from engine.media.probe import probe_portrait, probe_voice
    from engine.media.sound import MAX_VOICE_BYTES

    return (MAX_VOICE_BYTES, probe_voice) if kind == "voice" else (MAX_PICTURE_BYTES, probe_portrait)


def _written(output: str, files: list[str], write: Callable[[list[Path], Path], dict[str, Any]]) -> int:
    """Prints the answer of what writes a video, or why it was refused."""
    from engine.errors import EngineError
    from engine.media import limits

    limits.limit_core()
    try:
        _print(write([Path(file) for file in files], Path(output)))
    except EngineError as error:
        _print({"path": output, "error": _error(error.code, str(error), error.hint)})
        return REFUSED
    except OSError as error:
        _print(
            {
                "path": output,
                "error": _error("cannot_write", f"{output}: {error.strerror}.", "Check the path and its rights."),
            }
        )
        return REFUSED
    return OK


def _join(files: list[Path], output: Path) -> dict[str, Any]:
    from engine.media.join import join

    return join(files, output).to_json()


def _one(files: list[Path], output: Path) -> dict[str, Any]:
    from engine.media.one_video import make_one

    return make_one(files, output).to_json()


def _error(code: str, message: str, hint: str) -> dict[str, str]:
    return {"code": code, "message": message, "hint": hint}


def _print(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


def _report_crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What nobody foresaw is still an answer that a program can read; the status stays 1."""
    _print({"error": _error("media_crash", f"the media process failed: {kind.__name__}: {error}", "")})


if __name__ == "__main__":
    sys.excepthook = _report_crash
    sys.exit(main())
