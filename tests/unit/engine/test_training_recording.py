"""What is recorded on a GPU may touch nothing of the host: held to on the device that holds no numbers at all."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from engine.training.clips import Casting
from engine.training.loop import Stage
from engine.training.parts import new_speech, new_vae
from engine.training.recording import Function, Tensors
from engine.training.roles import ROLES
from engine.training.scenes import Pool, SceneMaker, Scenes
from engine.training.size import Scale
from engine.training.stage_role import RoleStage
from engine.training.stage_speech import SpeechStage
from engine.training.stage_transformer import Student, TeacherStage
from engine.training.stage_vae import VaeStage

CPU, META = torch.device("cpu"), torch.device("meta")
TINY = Scale(
    largest=64, vae_clips=1, vae_frames=9, vae_long=1, vae_short=2, vae_short_frames=5, speech_clips=1, speech_seconds=0.6,
    clips=1, blocks=1, pool=2, fresh=1, uses=1, roll_clips=1, roll_blocks=2, role_clips=1, role_blocks=2,
)  # fmt: skip


class _NothingOfTheHost(TorchDispatchMode):
    """Fails where an operation takes or makes a tensor that lies on the host and is more than a number."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        answer = func(*args, **(kwargs or {}))
        for value in [*args, *(kwargs or {}).values(), answer]:
            for tensor in value if isinstance(value, list | tuple) else [value]:
                if isinstance(tensor, Tensor) and tensor.device.type == "cpu" and tensor.dim() > 0:
                    raise AssertionError(f"{func} touches the host: {tuple(tensor.shape)}")
        return answer


def _elsewhere(tensors: Tensors) -> Tensors:
    return {name: tensor.to(META) for name, tensor in tensors.items()}


def _call_recorded(function: Function, key: Any, tensors: Tensors) -> Tensors:
    """As a recorder does: first as it is, so that constants are in place, then held to its rule."""
    function(key, tensors)
    with _NothingOfTheHost():
        return function(key, tensors)


def _maker(role: str | None = None) -> SceneMaker:
    return SceneMaker(Casting(3, CPU, people=1), new_vae(), new_speech(), None if role is None else ROLES[role])


class _OnePool(Pool):
    """The same clips for every stage: drawing and encoding them is the dear part."""

    def batch(self, _number: int, _count: int) -> Scenes:
        return _scenes()


@cache
def _scenes() -> Scenes:
    return Pool(_maker(), TINY, TINY.roll_blocks).batch(0, 1)


def _stage(name: str) -> tuple[Stage, list[nn.Module]]:
    """A stage on the host and the modules that its loss uses."""
    if name == "vae":
        vae = VaeStage(Casting(1, CPU, people=1), TINY, 1)
        return vae, [vae.vae]
    if name == "speech":
        speech = SpeechStage(Casting(1, CPU, people=1), TINY, 1)
        return speech, [speech.model, speech.told]
    student, pool = Student(CPU, 1), _OnePool(_maker(), TINY, TINY.roll_blocks)
    stage = TeacherStage(student, pool, 1) if name == "teacher" else RoleStage("dusk", student, pool, 1, 1)
    return stage, [student.transformer, student.text]


@pytest.mark.parametrize("name", ["vae", "speech", "teacher", "role"])
def test_a_loss_and_its_way_back_touch_nothing_of_the_host(name: str) -> None:
    stage, modules = _stage(name)
    key, batch = stage.batch(0)
    for module in modules:
        module.to(META)
    if isinstance(stage, TeacherStage | RoleStage):
        stage.student.device = META
    if isinstance(stage, RoleStage):
        stage.adapter.pairs = {k: tuple(nn.Parameter(p.to(META)) for p in pair) for k, pair in stage.adapter.pairs.items()}  # type: ignore[misc]

    def step(key: Any, tensors: Tensors) -> Tensors:
        loss, shown = stage.loss(key, tensors)
        loss.backward()
        return {"loss": loss, **shown}

    shown = _call_recorded(step, key, _elsewhere(batch))
    assert all(value.device == META and value.dim() == 0 for value in shown.values())


@pytest.mark.parametrize("role", ["captain", "pencil"])  # one that dresses people, one that paints
def test_drawing_and_encoding_scenes_touch_nothing_of_the_host(role: str) -> None:
    maker = _maker(role)
    cast = maker.casting.draw(0, 1, 36)
    tensors = {**cast.drawable(0, 36), "sound": cast.sound, "is_start": cast.is_start}
    maker.vae.to(META)
    maker.speech.to(META)
    with torch.no_grad():
        made = _call_recorded(maker._encode.function, (64, 64, 24), _elsewhere(tensors))
    assert made["latents"].shape == (1, 16, 3, 8, 8) and made["speech"].shape[:2] == (1, 1)


def test_drawing_clips_for_the_autoencoder_touches_nothing_of_the_host() -> None:
    cast = Casting(3, CPU, people=1).draw(0, 1, 9)
    stage = VaeStage(Casting(1, CPU, people=1), TINY, 1)
    drawn = _call_recorded(stage._draw.function, (64, 48), _elsewhere({**cast.drawable(0, 9), "is_start": cast.is_start}))
    assert drawn["coded"].shape == (1, 9, 3, 48, 64) and drawn["coded"].dtype == torch.uint8


def test_drawing_what_nobody_has_changes_no_bit() -> None:
    from engine.training.faces import draw_faces
    from engine.training.pen import EVERY_CHOICE

    cast = Casting(3, CPU).draw(0, 2, 2)
    args = cast.who, cast.motion, 64, 48
    assert torch.equal(draw_faces(*args), draw_faces(*args, EVERY_CHOICE))
