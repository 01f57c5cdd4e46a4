"""`python -m benchmarks.schemes [--shape pocket|14b] [--json]`: four ways to have several roles on one device, side by side.

    isolation     a process per role: a switch ends the one that plays and starts the next one's
    time-sharing  one process, the model resident; of a role that comes everything is computed anew
    adapters      one process, the model resident; what was computed of every role is kept, its adapter attached at the switch
    ours          the worker as it is: roles are kept ready for their first block

The same roles (each with a portrait, a prompt and an adapter of its own) are asked for in the same order, one scheme after the
other, each in processes of its own (`benchmarks.schemes_stage`), on the same machine. A switch is timed from the asking, with the
end of the role that plays, until the first block of the new one could be started; that block is made then, and has to have the
same bits in all schemes. All roles were on stage once before the clock runs. At once: the start came within one block's time.

Memory is that of the device, or on a CPU of the processes: all that the first one has resident, and for every further role what
comes to it that nobody else shares. What fits into `--budget-gib` is arithmetic with these two; kernels, contexts and a worker's
own limits are no part of it. How busy the machine is changes from scheme to scheme: so a switch is counted in blocks as they took
under the same scheme, and ratios are those of such counts. Exit status 1 where ours does not switch
faster than isolation and time-sharing, or takes no less for a further role than isolation, or bits differ; 69 without a device.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from benchmarks.recovery_memory import gpu_name, settled_mib, used_mib
from benchmarks.switch_worker import SHAPES, Cast
from engine.catalog import SHAPES as CATALOG
from engine.config import AdapterUse, Settings
from engine.model.hashes import hash_file
from engine.model.pocket import has_trained_weights, publish, write_pocket, write_trained
from engine.model.random_directory import checked
from engine.model.random_weights import random_adapter
from engine.threads import WAITING
from engine.worker.device import VARIABLE

MIB = 2**20
WAYS = {"isolation": "anew", "time-sharing": "anew", "adapters": "kept", "ours": "ours"}  # of `benchmarks.schemes_stage`
KNOWN = {  # what a report on practice says of them; nothing here is computed from it
    "isolation": "45 to 60 s, memory x N, one after the other", "time-sharing": "below 1.5 s, +0.5 GB, 4 roles",
    "adapters": "below 0.8 s, +0.1 GB, 12 roles and more", "ours": "",
}  # fmt: skip
BUDGET_GIB = {"pocket": 2.0, "14b": 80.0}
REQUESTS = "0 1 1 2 3 3 0 2 2 1 3 0"
ADAPTER_RANK = 8
NOISE_BYTES = MIB  # a role that takes less than this takes nothing that could be told from the allocators' own ways


class Player:
    """A process with a stage, seen from who gives the orders."""

    def __init__(self, way: str, folder: Path, device: str) -> None:
        self._log = folder / f"{way}.log"
        environment = {**WAITING, **os.environ, VARIABLE: device}
        command = [sys.executable, "-m", "benchmarks.schemes_stage", way, str(folder / "model"), str(folder / "roles.json")]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )

    def ask(self, order: str) -> dict[str, Any]:
        """The answer comes when it is done. Raises RuntimeError with the end of its log when the process has ended."""
        assert self.process.stdin is not None and self.process.stdout is not None
        with suppress(BrokenPipeError):  # its log says why
            print(order, file=self.process.stdin, flush=True)
        if not (line := self.process.stdout.readline()):
            raise RuntimeError(f"the process ended at `{order}`:\n{self._log.read_text(errors='replace')[-2000:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def weigh(self) -> dict[str, int]:
        """Bytes of its memory on the host: `Rss` all that is resident, `Private` what no other process shares."""
        self.ask("trim")
        lines = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text().splitlines()[1:]
        kib = {name: int(rest.split()[0]) for name, rest in (line.split(":") for line in lines)}
        return {"Rss": 1024 * kib["Rss"], "Private": 1024 * (kib["Private_Clean"] + kib["Private_Dirty"])}

    def end(self) -> None:
        """Ended, and what it took is free again."""
        self.process.terminate()
        self.process.communicate()


class House:
    """One scheme: whoever plays, and what its requests took."""

    def __init__(self, scheme: str, folder: Path, device: str) -> None:
        self.scheme, self._folder, self._device = scheme, folder, device
        self.empty_mib = used_mib(device)
        self.players = [self._player()]
        self._on_stage = 0
        self.starts: list[tuple[bool, float]] = []  # of all requests: (another role than before, seconds)
        self.blocks_s: list[float] = []
        self.latents: dict[int, set[str]] = {}  # by role

    def _player(self) -> Player:
        return Player(WAYS[self.scheme], self._folder, self._device)

    def weigh(self, roles: int) -> tuple[int, int]:
        """(bytes of the first role, of each further one); afterwards all roles were on stage, and number 0 is."""
        self._warm(0)
        first, before = self._taken()
        if self.scheme == "isolation":
            self.players.append(self._player())
            self._warm(1)
            both, alone = self._taken()
            further = both - first if self._device == "cuda" else alone
            self.players.pop().end()
            settled_mib(self._device, self.empty_mib + first // MIB)
        else:
            for number in range(1, roles):
                self._warm(number)
            self._warm(0)
            further = round((self._taken()[1] - before) / (roles - 1))
        return first, further

    def _warm(self, number: int) -> None:
        for _ in range(2):
            self.players[-1].ask(f"begin {number}")
            self._note_block(number)

    def _taken(self) -> tuple[int, int]:
        """(all that is taken, what the newest process has alone); on a device both are what the driver says of it."""
        host = self.players[-1].weigh()
        if self._device == "cuda":
            return (used_mib("cuda") - self.empty_mib) * MIB, (used_mib("cuda") - self.empty_mib) * MIB
        return host["Rss"], host["Private"]

    def request(self, number: int) -> None:
        """Ask for a role, wait until its first block could be started, and have that block made."""
        is_switch, began = number != self._on_stage, time.perf_counter()
        if is_switch and self.scheme == "isolation":
            self.players.pop().end()
            self.players.append(self._player())
        self.players[-1].ask(f"begin {number}")
        self.starts.append((is_switch, time.perf_counter() - began))
        self._on_stage = number
        self._note_block(number)

    def _note_block(self, number: int) -> None:
        made = self.players[-1].ask("make")
        self.blocks_s.append(made["block_s"])
        self.latents.setdefault(number, set()).add(made["latents_sha256"])

    def end(self) -> None:
        """All its processes."""
        while self.players:
            self.players.pop().end()


@contextmanager
def _house(scheme: str, folder: Path, device: str) -> Iterator[House]:
    house = House(scheme, folder, device)
    try:
        yield house
    finally:
        house.end()
        settled_mib(device, house.empty_mib)


def write_studio(folder: Path, shape: str, roles: int) -> None:
    """The model and the roles: on a CPU the pocket model as it ships, else random weights of the shape."""
    name, size_setting, size = SHAPES[shape]
    if shape != "pocket":
        publish(folder / "model", {"model.json": checked(name, "fp8", 0).to_json().encode()})
    elif has_trained_weights():
        write_trained(folder / "model")
    else:
        write_pocket(folder / "model")
    cast, told = Cast(folder, Settings(size=size_setting), size), []
    for number in range(roles):
        portrait, recipe = cast.role(number)
        path = folder / f"adapter-{number}.safetensors"
        save_file(random_adapter(CATALOG[name], "cpu", ADAPTER_RANK, 0.02, number), str(path))
        use = AdapterUse(name=path.stem, sha256=hash_file(path), alpha=float(ADAPTER_RANK))
        recipe = dataclasses.replace(recipe, adapters=(use,))
        files = {"portrait": str(portrait), "voice": str(cast.voice), "adapter": str(path)}
        told.append({"recipe": recipe.to_json(), **files})
    (folder / "roles.json").write_text(json.dumps(told), encoding="utf-8")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All schemes, one after the other."""
    device = "cpu" if options.shape == "pocket" else "cuda"
    requests = [int(number) for number in options.requests.split()]
    rows: dict[str, dict[str, Any]] = {}
    houses: list[House] = []
    with tempfile.TemporaryDirectory(prefix="greenroom-schemes-") as text:
        write_studio(Path(text), options.shape, options.roles)
        for scheme in WAYS:
            print(f"benchmarks.schemes: {scheme}", file=sys.stderr, flush=True)
            with _house(scheme, Path(text), device) as house:
                first, further = house.weigh(options.roles)
                for number in requests:
                    house.request(number)
            houses.append(house)
            rows[scheme] = {"first_role_bytes": first, "further_role_bytes": further}
    for house in houses:
        row = rows[house.scheme]
        row |= judge_starts(house.starts, statistics.median(house.blocks_s))
        row["roles_in_budget"] = roles_in(options.budget_gib, row["first_role_bytes"], row["further_role_bytes"])
        row["known"] = KNOWN[house.scheme]
    return {
        "date": time.strftime("%Y-%m-%d"), "torch": torch.__version__, "shape": options.shape, "machine": platform.machine(),
        "device": gpu_name(device) if device == "cuda" else "cpu", "load": [round(x, 1) for x in os.getloadavg()],
        "roles": options.roles, "requests": requests, "budget_gib": options.budget_gib, "schemes": rows,
        **judge(rows, [house.latents for house in houses]),
        "command": "python -m benchmarks.schemes " + " ".join(sys.argv[1:]),
    }  # fmt: skip


def judge_starts(starts: list[tuple[bool, float]], block_s: float) -> dict[str, Any]:
    """Of all requests: what switches took, and the share that was answered at once. `block_s`: of a block under this scheme."""
    switches = [seconds for is_switch, seconds in starts if is_switch]
    return {
        "switch_s": {
            "median": round(statistics.median(switches), 4), "worst": round(max(switches), 4), "count": len(switches),
        },
        "block_s": round(block_s, 4), "switch_in_blocks": round(statistics.median(switches) / block_s, 4),
        "at_once": round(statistics.mean(seconds <= block_s for _, seconds in starts), 3),
    }  # fmt: skip


def roles_in(budget_gib: float, first: int, further: int) -> int | None:
    """How many roles fit; None where a further one takes no memory."""
    room = int(budget_gib * 2**30) - first
    if room < 0:
        return 0
    return None if further < NOISE_BYTES else 1 + room // further


def judge(rows: dict[str, dict[str, Any]], latents: list[dict[int, set[str]]]) -> dict[str, Any]:
    """Other schemes as multiples of ours, and whether the goals were reached. `latents`: by role, of each scheme."""
    ours, others = rows["ours"], {name: row for name, row in rows.items() if name != "ours"}
    seen: dict[int, set[str]] = {}
    for scheme in latents:
        for number, found in scheme.items():
            seen.setdefault(number, set()).update(found)
    goals = {
        "ours switches faster than isolation": _blocks(ours) < _blocks(rows["isolation"]),
        "ours switches faster than time-sharing": _blocks(ours) < _blocks(rows["time-sharing"]),
        "a further role takes less than with isolation": ours["further_role_bytes"] < rows["isolation"]["further_role_bytes"],
        "first blocks are the same in all schemes, and others for other roles":
            all(len(found) == 1 for found in seen.values()) and len(set().union(*seen.values())) == len(seen),
    }  # fmt: skip
    return {
        "switch_over_ours": {name: round(_blocks(row) / _blocks(ours), 2) for name, row in others.items()},
        "further_role_over_ours": {
            name: round(row["further_role_bytes"] / max(1, ours["further_role_bytes"]), 2) for name, row in others.items()
        },
        "goals": goals, "is_reached": all(goals.values()),
    }  # fmt: skip


def _blocks(row: dict[str, Any]) -> float:
    return float(row["switch_in_blocks"])


def table(found: dict[str, Any]) -> str:
    """For people."""
    budget = f"in {found['budget_gib']:g} GiB"
    head = ("scheme", "switch ms", "worst", "in blocks", "first MiB", "further", budget, "at once", "known in practice")
    lines = [head]
    for name, row in found["schemes"].items():
        switch, roles = row["switch_s"], row["roles_in_budget"]
        lines.append((
            name, f"{switch['median'] * 1e3:.1f}", f"{switch['worst'] * 1e3:.1f}",
            f"{row['switch_in_blocks']:.2f}", f"{row['first_role_bytes'] / MIB:.0f}", f"{row['further_role_bytes'] / MIB:.2f}",
            "any" if roles is None else str(roles), f"{row['at_once']:.0%}", row["known"],
        ))  # fmt: skip
    widths = [max(len(line[place]) for line in lines) for place in range(len(head))]
    text = [
        "  ".join(cell.ljust(width) if place in (0, 8) else cell.rjust(width)
                  for place, (cell, width) in enumerate(zip(line, widths, strict=True))).rstrip()
        for line in lines
    ]  # fmt: skip
    ratios = {"a switch takes": found["switch_over_ours"], "a further role takes": found["further_role_over_ours"]}
    text += [f"{what}, as a multiple of ours: " + ", ".join(f"{n} {x:g}" for n, x in of.items()) for what, of in ratios.items()]
    text += [f"{'reached' if is_reached else 'MISSED '}  {goal}" for goal, is_reached in found["goals"].items()]
    return "\n".join([f"{found['shape']} on {found['device']}", *text])


def main(arguments: list[str]) -> int:
    """Command line."""
    is_cuda = torch.cuda.is_available()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.schemes", description=(__doc__ or "").splitlines()[0])
    shape = "14b" if is_cuda else "pocket"
    parser.add_argument("--shape", choices=SHAPES, default=shape, help="14b on a GPU, pocket on a CPU; default here: %(default)s")
    parser.add_argument("--roles", type=int, default=4)
    parser.add_argument("--requests", default=REQUESTS, help="numbers of roles; number 0 plays before the first one")
    parser.add_argument("--budget-gib", type=float, help="memory that roles are to fit into; default: 2 (pocket), 80 (14b)")
    parser.add_argument("--json", action="store_true", help="instead of a table")
    options = parser.parse_args(arguments)
    if options.budget_gib is None:
        options.budget_gib = BUDGET_GIB[options.shape]
    words = options.requests.split()
    if options.roles < 2:
        parser.error(f"--roles {options.roles}: a switch takes 2 at least")
    if not all(word.isdecimal() and int(word) < options.roles for word in words):
        parser.error(f"--requests {options.requests!r}: numbers from 0 to {options.roles - 1}, with blanks between them")
    if all(int(word) == 0 for word in words):
        parser.error(f"--requests {options.requests!r}: nothing but number 0 is asked for, so there is no switch")
    if options.shape == "14b" and not is_cuda:
        print("no CUDA device: --shape pocket runs on a CPU", file=sys.stderr)
        return 69
    found = measure(options)
    print(json.dumps(found, indent=1) if options.json else table(found))
    return 0 if found["is_reached"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
