"""Named points at which a test lets the worker die: by passing, or by an order that lies in a folder.

`GREENROOM_CRASH_AT="after_flip:3"`: SIGKILL at the third passing of this process. `GREENROOM_CRASH_ORDERS=DIR`: a file
`DIR/<point>` is an order (`KILL`, `STOP` or a hang, see `Order`). Whoever passes the point first takes it by renaming it to
`DIR/taken/<point>.<pid>` and gets the signal: every order happens once, whoever was started since, and leaves its trace.
A hang ends when its trace is taken away.

`inside_…` points lie in the middle of a computation: a thread strikes when about a part of its usual time has gone, and only
while the computation is still on; else it tries again at the next one.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from engine.crash_orders import ORDERS_VARIABLE, take, trace_of
from engine.errors import SettingsError

VARIABLE = "GREENROOM_CRASH_AT"
HANG_LOOK_S = 0.005  # whoever hangs looks so often whether it may go on
FIRST_GUESS_S = 0.004  # of a computation never seen to its end; short: a sink is renewed once per job


class CrashPoint(StrEnum):
    """Every place where the order of two effects matters, in the order in which a job passes them."""

    BEFORE_CONTEXT = "before_context"  # conditions and context of the job are not there yet
    AFTER_CONTEXT = "after_context"  # mapped, not begun
    AFTER_BEGIN = "after_begin"  # begun or rebuilt, nobody was told
    AFTER_STARTED = "after_started"
    BEFORE_STEP = "before_step"
    INSIDE_STEP = "inside_step"
    BEFORE_DECODE = "before_decode"
    INSIDE_DECODE = "inside_decode"
    BEFORE_SINK = "before_sink"  # passed once per job, in the last block of the first clip
    INSIDE_SINK = "inside_sink"
    AFTER_MAKE = "after_make"
    BEFORE_BLOCK_FILES = "before_block_files"
    AFTER_FRAGMENT = "after_fragment"
    AFTER_LATENTS = "after_latents"
    AFTER_RECORD = "after_record"  # durable, before the flip
    AFTER_FLIP = "after_flip"
    AFTER_BLOCK_DONE = "after_block_done"
    BEFORE_PREEMPTED = "before_preempted"  # only where somebody else is wanted more
    BEFORE_SEGMENT = "before_segment"
    AFTER_SEGMENT = "after_segment"
    BEFORE_VIDEO = "before_video"
    AFTER_VIDEO = "after_video"


INSIDE = {
    CrashPoint.BEFORE_STEP: CrashPoint.INSIDE_STEP,
    CrashPoint.BEFORE_DECODE: CrashPoint.INSIDE_DECODE,
    CrashPoint.BEFORE_SINK: CrashPoint.INSIDE_SINK,
}


@dataclass(frozen=True)
class Order:
    """What happens at a point: the signal, and for an `inside_…` point after which part of the usual time.

    With `hang_s` no signal: whoever passes stands still for so long, while the process's other threads go on, as when a device
    answers no more; or until somebody takes the order's trace away.
    """

    signal: signal.Signals = signal.SIGKILL
    part: float = 0.5
    hang_s: float = 0.0

    @classmethod
    def from_text(cls, text: str) -> Order:
        """From an order file: JSON `{"signal": "KILL" or "STOP", "part": 0…1, "hang_s": seconds}`; all may be left out."""
        data = json.loads(text or "{}")
        number = signal.Signals[f"SIG{data.get('signal', 'KILL')}"]
        return cls(number, float(data.get("part", 0.5)), float(data.get("hang_s", 0.0)))


class CrashPoints:
    """Counts passings and looks for orders; without either it does nothing else."""

    def __init__(self, point: CrashPoint | None = None, passing: int = 1, orders: Path | None = None) -> None:
        self._point, self._passing, self._orders = point, passing, orders
        self._passed: Counter[CrashPoint] = Counter()
        self._lock = threading.Lock()  # held by a strike and by every step that ends what it strikes
        self._area: tuple[CrashPoint, int] | None = None  # the computation that is on, and its number
        self._thread = 0  # which computes it; others pass by without ending it
        self._began = 0.0
        self._usual_s: dict[CrashPoint, float] = {}

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> CrashPoints:
        """Armed by `GREENROOM_CRASH_AT="point:n"` or `GREENROOM_CRASH_ORDERS=DIR`; SettingsError for an unknown point."""
        text, folder = environment.get(VARIABLE), environment.get(ORDERS_VARIABLE)
        orders = Path(folder) if folder else None
        if not text:
            return cls(orders=orders)
        name, _, passing = text.partition(":")
        try:
            return cls(CrashPoint(name), int(passing or 1), orders)
        except ValueError as error:
            raise SettingsError(f"{VARIABLE}={text!r}: {error}.", field=VARIABLE) from error

    @property
    def _is_armed(self) -> bool:
        return self._point is not None or self._orders is not None

    def pass_by(self, point: CrashPoint) -> None:
        """The process is at `point`; it may end (or stop) here. Whatever was computed before is over."""
        if not self._is_armed:
            return
        if threading.get_ident() == self._thread:
            self.leave()
        self._passed[point] += 1
        order = self._order_for(point)
        if order is not None:
            self._strike(point, order)
        if (inside := INSIDE.get(point)) is not None:
            self._enter(inside)

    def leave(self) -> None:
        """The computation that began at the last point is over."""
        with self._lock:
            if self._area is not None:
                self._usual_s[self._area[0]] = time.monotonic() - self._began
                self._area = None

    # ---- orders ----------------------------------------------------------------------------------------------------

    def _order_for(self, point: CrashPoint) -> Order | None:
        """What is ordered for this passing, if anything. An order in the folder is read, not taken."""
        if point is self._point and self._passed[point] >= self._passing:
            return Order()
        if self._orders is None:
            return None
        try:
            return Order.from_text((self._orders / point).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None

    def _strike(self, point: CrashPoint, order: Order) -> None:
        """Take the order (another process may have been faster) and obey."""
        if point is not self._point and not take(self._orders, point):
            return
        if order.hang_s:
            self._hang(point, order.hang_s)
        else:
            os.kill(os.getpid(), order.signal)

    def _hang(self, point: CrashPoint, seconds: float) -> None:
        assert self._orders is not None, "only orders hang"
        trace, end = trace_of(self._orders, point), time.monotonic() + seconds
        while time.monotonic() < end and trace.exists():
            time.sleep(HANG_LOOK_S)

    def _enter(self, inside: CrashPoint) -> None:
        self._passed[inside] += 1
        with self._lock:
            self._area, self._began = (inside, self._passed[inside]), time.monotonic()
            self._thread = threading.get_ident()
        order = self._order_for(inside)
        if order is not None:
            usual_s = self._usual_s.get(inside, FIRST_GUESS_S)
            threading.Timer(usual_s * order.part, self._strike_inside, (self._area, order)).start()

    def _strike_inside(self, area: tuple[CrashPoint, int], order: Order) -> None:
        with self._lock:
            if self._area == area:
                self._strike(area[0], order)
