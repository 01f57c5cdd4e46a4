"""How long faults cost. `python -m benchmarks.recovery …`: a whole house with its faults (`benchmarks.recovery_faults`);
`python -m benchmarks.recovery --device cuda …`: a whole house on a GPU, with random weights (`benchmarks.recovery_device`).
"""

from __future__ import annotations

import sys


def main(arguments: list[str]) -> int:
    """Choose."""
    if "--device" in arguments:
        from benchmarks.recovery_device import main as measure_device

        return measure_device(arguments)
    from benchmarks.recovery_faults import main as measure_house

    return measure_house(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
