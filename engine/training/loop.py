"""The training loop that all stages share: a time budget, a learning rate that follows it, a mean of the weights, curves.

A stage ends in three small files: `<stage>.safetensors` (the averaged weights, at most 15 MB), `<stage>.json` (card and
curves), `<stage>.svg`. They are also written every minute, together with what going on takes (`engine.training.sitting`): a
stage may be done in several sittings, with one schedule over all of them. From the three files alone it can go on, too, from
the averaged weights, with fresh optimiser moments and a short warm-up.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Hashable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from engine.training.curves import draw_curves
from engine.training.muon import Muon, is_hidden
from engine.training.parts import load_parts, save_parts
from engine.training.recording import Ahead, Recorder, Tensors, own_stream
from engine.training.sitting import forget_sitting, load_sitting, restore, save_sitting, tensors_of

SAVE_EVERY_S = 60.0
WARM_UP_STEPS = 60
_WARM_UP_SHARE = 0.04  # of the time, where steps are slow
_LAST_RATE = 0.04  # of the full learning rate, at the end
_DECAY = 0.01  # of weights, by step and learning rate


class Stage(Protocol):
    """Something to be trained."""

    name: str
    learning_rate: float
    uses_muon: bool  # for its hidden matrices

    def parameters(self) -> dict[str, nn.Parameter]:
        """What is trained, by the names in the file."""

    def batch(self, number: int) -> tuple[Hashable, Tensors]:
        """Batch `number`: all that is drawn, at random too, and a key for whatever else decides how the loss is made."""

    def loss(self, key: Hashable, batch: Tensors) -> tuple[Tensor, Tensors]:
        """Loss, and what is worth a curve: a function of batch and parameters that asks the host for nothing."""

    def facts(self) -> dict[str, Any]:
        """What else the card says (for example how latents are normalised); called with the averaged weights in place."""


@dataclass
class Card:
    """What is known of a stage's training."""

    stage: str
    seed: int
    device: str
    date: str = ""
    torch: str = torch.__version__
    steps: int = 0
    seconds: float = 0.0
    losses: dict[str, float] = field(default_factory=dict)  # means over the last twentieth
    facts: dict[str, Any] = field(default_factory=dict)
    curves: dict[str, list[list[float]]] = field(default_factory=dict)  # name -> [step, value] points


def train(
    stage: Stage, out: Path, *, seconds: float, seed: int, device: torch.device, resume: bool, max_steps: int | None = None,
    say: Callable[[str], None] | None = None, is_recorded: bool = True, sitting_s: float = math.inf,
    sitting_steps: int | None = None, is_resumable: bool = True,
) -> Card:  # fmt: skip
    """Train for so many seconds in all (those of resumed runs included), or to `max_steps`; write the stage's files. The
    learning rate follows the whole; this sitting ends after `sitting_s` or `sitting_steps` and is gone on with by `resume`
    (`is_resumable`: four times the weights are written every minute for that).

    `is_recorded`: steps are replayed as CUDA graphs on a GPU, each of which keeps what its step needs.
    """
    say = say or (lambda text: print(text, file=sys.stderr, flush=True))
    out.mkdir(parents=True, exist_ok=True)
    parameters = stage.parameters()
    card = Card(stage.name, seed, _device_name(device))
    path = out / f"{stage.name}.safetensors"
    if resume and path.exists():
        card = _resumed(card, path, parameters)
        say(f"{stage.name}: goes on at step {card.steps} after {card.seconds:.0f} s")
    run = Run(stage, parameters, card, device, seconds, max_steps, say, is_recorded)
    run.is_resumable = is_resumable
    if resume and path.exists():
        run.go_on(out)
    saved = time.monotonic()
    with own_stream(device):
        while not run.is_over() and run.sat_s() < sitting_s and run.taken != sitting_steps:
            run.step()
            if time.monotonic() - saved > SAVE_EVERY_S:
                run.save(out, with_facts=False)
                saved = time.monotonic()
        run.save(out, with_facts=True)
    say(f"{stage.name}: {card.steps} steps in {card.seconds:.0f} s, {_brief(card.losses)}")
    return card


class Run:
    """One sitting of a stage."""

    def __init__(
        self, stage: Stage, parameters: dict[str, nn.Parameter], card: Card, device: torch.device, seconds: float,
        max_steps: int | None, say: Callable[[str], None], is_recorded: bool = True,
    ) -> None:  # fmt: skip
        self.stage, self.parameters, self.card, self.device = stage, parameters, card, device
        self.seconds, self.max_steps, self.say = seconds, max_steps, say
        self.mean = {name: value.detach().clone() for name, value in parameters.items()}
        self.rate, self.forget = (torch.zeros((), device=device) for _ in range(2))
        hidden = {name for name, p in parameters.items() if stage.uses_muon and is_hidden(name, p)}
        others = [p for name, p in parameters.items() if name not in hidden]
        groups: list[dict[str, Any]] = [
            {"params": [p for p in others if p.dim() > 1], "weight_decay": _DECAY},
            {"params": [p for p in others if p.dim() <= 1], "weight_decay": 0.0},
        ]
        is_gpu = device.type == "cuda"
        self.optimiser = torch.optim.AdamW(
            [group for group in groups if group["params"]], lr=self.rate, betas=(0.9, 0.98), fused=is_gpu,
            capturable=is_gpu, foreach=False if not is_gpu else None,
        )  # fmt: skip
        self.muon = Muon([parameters[name] for name in sorted(hidden)], self.rate, _DECAY)
        self.ahead, self.update = Ahead(stage.batch, device), Recorder(self._update, device, is_wanted=is_recorded)
        self.began, self.before, self.taken = time.monotonic(), card.seconds, 0
        self.is_resumable = False
        self.warmed = 0  # steps of sittings before that count for the warm-up
        self.told = self.began
        self.recent: list[Tensor] = []
        self.names: list[str] = []

    def go_on(self, out: Path) -> None:
        """As if the sitting before had not ended, where its files are there."""
        found = load_sitting(out, self.stage.name, self.card.steps)
        if found is None:
            self.say(f"{self.stage.name}: no files of the sitting before at this step: moments begin anew, with a warm-up")
            return
        restore(found[0], self.parameters, self.mean, self.optimiser, self.muon)
        self.warmed = found[1]

    def sat_s(self) -> float:
        """Seconds of this sitting."""
        return self.card.seconds - self.before

    def is_over(self) -> bool:
        """The time is up, or the steps are done. At least one step is taken."""
        if self.max_steps is not None and self.card.steps >= self.max_steps:
            return True
        return self.taken > 0 and self.card.seconds >= self.seconds

    def step(self) -> None:
        """One batch."""
        self.rate.fill_(self._rate())
        self.forget.fill_(1 - min(0.999, (1 + self.card.steps) / (10 + self.card.steps)))
        shown = self.update(*self.ahead.take(self.card.steps))
        self.names = list(shown)
        self.recent.append(torch.stack(list(shown.values())))
        self.taken += 1
        self.card.steps += 1
        self.card.seconds = self.before + time.monotonic() - self.began
        if time.monotonic() - self.told > 2.0 or self.is_over():
            self._tell()
        if not self.is_over():
            self.ahead.prepare(self.card.steps)

    def _update(self, key: Hashable, batch: Tensors) -> Tensors:
        """What a step does on the device; what it shows."""
        for parameter in self.parameters.values():
            parameter.grad = None
        loss, shown = self.stage.loss(key, batch)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(list(self.parameters.values()), 1.0)
        # A batch gone wrong leaves the weights alone, without asking the device whether it did.
        sound = torch.isfinite(norm)
        for parameter in self.parameters.values():
            if parameter.grad is not None:
                parameter.grad = torch.where(sound, parameter.grad, 0.0)
        self.optimiser.step()
        self.muon.step()
        self._average()
        return {name: value.detach().float().clone() for name, value in {"loss": loss, **shown}.items()}

    def _rate(self) -> float:
        done = self.card.seconds / self.seconds if self.seconds > 0 else 0.0
        if self.max_steps is not None:
            done = max(done, self.card.steps / self.max_steps)
        shape = _LAST_RATE + (1 - _LAST_RATE) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
        warmed = self.warmed + self.taken
        return self.stage.learning_rate * shape * min(1.0, max((warmed + 1) / WARM_UP_STEPS, done / _WARM_UP_SHARE))

    @torch.no_grad()
    def _average(self) -> None:
        means, now = list(self.mean.values()), [p.detach() for p in self.parameters.values()]
        away = torch._foreach_sub(now, means)
        torch._foreach_mul_(away, self.forget)
        torch._foreach_add_(means, away)

    def _tell(self) -> None:
        self.told = time.monotonic()
        means = dict(zip(self.names, torch.stack(self.recent).mean(0).tolist(), strict=True))
        self.recent = []
        for name, value in means.items():
            self.card.curves.setdefault(name, []).append([self.card.steps, value])
        speed = self.taken / max(1e-6, self.told - self.began)
        share = min(1.0, self.card.seconds / self.seconds) if self.seconds else 0.0
        bar = "█" * round(20 * share) + "░" * (20 - round(20 * share))
        self.say(
            f"{self.stage.name} {bar} {self.card.seconds:5.0f}/{self.seconds:.0f} s, step {self.card.steps} "
            f"({speed:.1f}/s), {_brief(means)}"
        )

    def save(self, out: Path, *, with_facts: bool) -> None:
        """Write the stage's files with the averaged weights, and what going on takes until it is over."""
        if self.is_resumable and not self.is_over():
            state = tensors_of(self.parameters, self.mean, self.optimiser, self.muon)
            save_sitting(out, self.stage.name, state, self.card.steps, self.warmed + self.taken)
        kept = {name: value.detach().clone() for name, value in self.parameters.items()}
        with torch.no_grad():
            for name, value in self.parameters.items():
                value.copy_(self.mean[name])
            if with_facts:
                self.card.facts = self.stage.facts()
        self.card.date = time.strftime("%Y-%m-%d")
        self.card.losses = {
            name: sum(v for _, v in points[-max(1, len(points) // 20) :]) / max(1, len(points) // 20)
            for name, points in self.card.curves.items()
        }
        data = asdict(self.card)
        save_parts(out / f"{self.stage.name}.safetensors", self.mean, {k: v for k, v in data.items() if k != "curves"})
        (out / f"{self.stage.name}.json").write_text(json.dumps(data, indent=1) + "\n")
        (out / f"{self.stage.name}.svg").write_text(draw_curves(self.card.stage, self.card.curves))
        with torch.no_grad():
            for name, value in self.parameters.items():
                value.copy_(kept[name])
        if self.is_resumable and self.is_over():
            forget_sitting(out, self.stage.name)


def _resumed(card: Card, path: Path, parameters: dict[str, nn.Parameter]) -> Card:
    tensors, stored = load_parts(path)
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(tensors[name])
    card.steps, card.seconds = int(stored["steps"]), float(stored["seconds"])
    described = path.with_suffix(".json")
    if described.exists():
        card.curves = json.loads(described.read_text()).get("curves", {})
    return card


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def _brief(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in values.items())
