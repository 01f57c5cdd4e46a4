"""`python -m engine.model.checkpoint check|convert|prepare …`: JSON lines on stdout, the last one is the answer.

Progress is `{"event": "Progress", "what", "done", "total"}` in bytes, at most a few per second; the answer is
`{"event": "Checked" | "Converted" | "Prepared", …}` or `{"event": "Refused", "code", "message", "hint"}`. Exit codes: check 0
complete, 10 needs attention, 11 unusable, 12 cannot tell; otherwise 0 done; 64 wrong usage or unusable input, 74 no disk
space, 77 the target cannot be written, 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from engine.errors import DiskFull, EngineError

EXIT_OK, EXIT_USAGE, EXIT_DISK, EXIT_RIGHTS, EXIT_INTERRUPTED = 0, 64, 74, 77, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Do one thing; returns the exit code."""
    options = _parse(argv)
    import torch  # after the parser: a typing error should not take seconds

    torch.set_num_threads(options.threads)
    from engine.model.checkpoint.workplace import TargetRefused

    try:
        return {"check": _check, "convert": _convert, "prepare": _prepare}[options.command](options)
    except DiskFull as error:
        return _refuse(error, EXIT_DISK)
    except TargetRefused as error:
        is_right = isinstance(error.__cause__, OSError)
        return _refuse(error, EXIT_RIGHTS if is_right else EXIT_USAGE)
    except EngineError as error:
        return _refuse(error, EXIT_USAGE)
    except KeyboardInterrupt:
        print("interrupted; nothing is left behind", file=sys.stderr)
        return EXIT_INTERRUPTED


def _check(options: argparse.Namespace) -> int:
    from engine.model.checkpoint.check import check

    findings = check(options.place, is_deep=options.deep, on_progress=_Reporter(options.every))
    _say({"event": "Checked", **findings.to_json()})
    return int(findings.verdict)


def _convert(options: argparse.Namespace) -> int:
    from engine.model.checkpoint.adapters import AdapterFile
    from engine.model.checkpoint.conversion import Order, convert

    if options.lora_alpha is not None and options.lora is None:
        print("--lora-alpha needs --lora", file=sys.stderr)
        return EXIT_USAGE
    adapter = AdapterFile.find(options.lora, options.source, options.lora_alpha) if options.lora else None
    order = Order(
        source=options.source, target=options.target, precision=options.precision, adapter=adapter,
        shard_bytes=options.shard_bytes,
    )  # fmt: skip
    _say({"event": "Converted", **convert(order, _Reporter(options.every))})
    return EXIT_OK


def _prepare(options: argparse.Namespace) -> int:
    from engine.model.checkpoint.model_files import open_model

    model = open_model(options.place, options.cache, _Reporter(options.every))
    files = {part: [str(path) for path in paths] for part, paths in model.parts.items()}
    _say({"event": "Prepared", "name": model.manifest.name, "files": files})
    return EXIT_OK


class _Reporter:
    """Says how far things are, but not for every tensor."""

    def __init__(self, every_s: float) -> None:
        self._every_s, self._last = every_s, 0.0

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._last >= self._every_s or done >= total:
            self._last = now
            _say({"event": "Progress", "what": what, "done": done, "total": total})


def _say(data: dict[str, Any]) -> None:
    print(json.dumps(data, ensure_ascii=False, default=str), flush=True)


def _refuse(error: EngineError, code: int) -> int:
    _say({"event": "Refused", "code": error.code, "message": error.detail or str(error), "hint": error.hint})
    print(f"{error.detail or error} {error.hint}".strip(), file=sys.stderr)
    return code


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Wrong usage is 64 everywhere in this house."""
        self.print_usage(sys.stderr)
        self.exit(EXIT_USAGE, f"{self.prog}: {message}\n")


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = _Parser(prog="python -m engine.model.checkpoint", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--threads", type=int, default=max(1, (os.cpu_count() or 2) // 2), help="CPU threads")
    parser.add_argument("--every", type=float, default=0.2, help="seconds between two lines of progress at least")
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="is it complete and sound?")
    check.add_argument("place", type=Path)
    check.add_argument("--deep", action="store_true", help="read every byte")
    convert = commands.add_parser("convert", help="make a model directory")
    convert.add_argument("source", type=Path)
    convert.add_argument("target", type=Path)
    convert.add_argument("--precision", choices=("bf16", "fp8"), default="bf16")
    convert.add_argument("--lora", help="adapter to merge: file or folder")
    convert.add_argument("--lora-alpha", type=float)
    convert.add_argument("--shard-bytes", type=int, default=5_000_000_000, help="largest file")
    prepare = commands.add_parser("prepare", help="convert a public directory's .pth files into the cache, if need be")
    prepare.add_argument("place", type=Path)
    prepare.add_argument("--cache", type=Path)
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
