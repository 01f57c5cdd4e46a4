"""`python -m engine.parity DIR [--device cuda]`: run every golden case in a folder and print what it reached.

Exit status 0 when every case passes; 1 on a failure, an unknown kind or a folder without cases; 64 for wrong usage.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROW = "{:<36} {:<8} {:>12} {:>10}  {:<6} {}"


def main(arguments: list[str]) -> int:
    """Run the cases of the folder named in `arguments`; the table goes to stdout."""
    device = "cpu"
    if len(arguments) == 3 and arguments[1] == "--device":
        device = arguments.pop()
        arguments.pop()
    if len(arguments) != 1 or arguments[0] in ("-h", "--help"):
        print(__doc__)
        return 0 if arguments[:1] in (["-h"], ["--help"]) else 64
    folders = sorted(path.parent for path in Path(arguments[0]).glob("*/config.json"))
    if not folders:
        print(f"{arguments[0]} holds no cases (folders with a config.json)")
        return 1
    print(ROW.format("case", "demand", "max error", "tolerance", "", "worst tensor"))
    failures = sum(not _run(folder, device) for folder in folders)
    print(f"{len(folders) - failures} of {len(folders)} cases pass")
    return 1 if failures else 0


def _run(folder: Path, device: str) -> bool:
    from engine.errors import EngineError
    from engine.model.parity.kinds import run_case  # torch: not at import time

    try:
        results = run_case(folder, device)
    except (EngineError, ValueError, KeyError, OSError) as error:
        print(ROW.format(folder.name, "", "", "", "FAIL", f"{type(error).__name__}: {error}"))
        return False
    for result in results:
        verdict = "pass" if result.is_passed else "FAIL"
        numbers = f"{result.error:.2e}", f"{result.tolerance:g}"
        print(ROW.format(result.case, result.demand, *numbers, verdict, f"{result.worst} (of {result.tensors})"))
    return bool(results) and all(result.is_passed for result in results)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
