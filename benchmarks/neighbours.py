"""Processes that take from a GPU what others need: its memory, or its time. They do what their input says, line by line.

`python -m benchmarks.neighbours memory`: `leave BYTES` takes memory until so much is free, `bite BYTES` takes whatever becomes
free until it is so much more (or some seconds have gone), `free` gives all back. The answer is what is free then.
`python -m benchmarks.neighbours time --device cuda`: `go` computes without pause, `stop` rests. Each line is answered with one.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
import time

from engine.vault.device_memory import DeviceFull, Driver

PIECE = 64 << 20
BITE_S = 3.0
SIDE = {"cuda": 8192, "cpu": 512}  # of the matrices


class Neighbour:
    """The process, seen from who gives the orders."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.neighbours", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._is_ready = False

    def ask(self, line: str) -> str:
        """Give an order; the answer comes when it is done. Raises RuntimeError when the process has ended."""
        self.tell(line)
        return self.hear()

    def tell(self, line: str) -> None:
        """Give an order whose answer is heard later."""
        assert self._process.stdin is not None
        if not self._is_ready:
            self._is_ready = self.hear() == "ready"
        print(line, file=self._process.stdin, flush=True)

    def end(self) -> None:
        """Kill it: what it took is free again."""
        self._process.kill()
        self._process.communicate()

    def hear(self) -> str:
        """The next answer. Raises RuntimeError when the process has ended."""
        assert self._process.stdout is not None
        if not (line := self._process.stdout.readline()):
            raise RuntimeError("the neighbour has ended")
        return line.strip()


def hold_memory() -> None:
    """Plain allocations of the driver."""
    driver, held = Driver(0), list[int]()
    print("ready", flush=True)
    for line in sys.stdin:
        order, *rest = line.split()
        if order == "free":
            while held:
                driver.free(held.pop())
        elif order == "bite":
            _bite(driver, held, int(rest[0]))
        else:
            while (free := driver.free_bytes()[0]) > int(rest[0]) + PIECE:
                try:
                    held.append(driver.allocate(min(1 << 30, free - int(rest[0]))))
                except DeviceFull:
                    break
        print(driver.free_bytes()[0], flush=True)


def _bite(driver: Driver, held: list[int], wanted: int) -> None:
    """Take what becomes free, as soon as it does."""
    taken, deadline = 0, time.monotonic() + BITE_S
    while taken < wanted and time.monotonic() < deadline:
        free, _ = driver.free_bytes()
        if free < 4 * PIECE:
            time.sleep(0.0005)
            continue
        try:
            held.append(driver.allocate(free - PIECE))
            taken += free - PIECE
        except DeviceFull:
            time.sleep(0.0005)


def hold_time(device: str) -> None:
    """One product of matrices after the other."""
    import torch

    x = torch.randn(SIDE[device], SIDE[device], device=device, dtype=torch.bfloat16 if device == "cuda" else torch.float32)
    y = torch.empty_like(x)
    is_going = threading.Event()

    def compute() -> None:
        while True:
            is_going.wait()
            torch.matmul(x, x, out=y)
            if device == "cuda":
                torch.cuda.synchronize()

    threading.Thread(target=compute, daemon=True).start()
    print("ready", flush=True)
    for line in sys.stdin:
        is_going.set() if line.strip() == "go" else is_going.clear()
        print("ok", flush=True)


def main(arguments: list[str]) -> int:
    """Until the input ends."""
    parser = argparse.ArgumentParser(prog="benchmarks.neighbours", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=("memory", "time"))
    parser.add_argument("--device", choices=tuple(SIDE), default="cuda")
    options = parser.parse_args(arguments)
    hold_memory() if options.what == "memory" else hold_time(options.device)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
