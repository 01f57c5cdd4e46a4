"""Training's own kernels against the plain operations they stand for."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

if not torch.cuda.is_available():
    pytest.skip("no CUDA device", allow_module_level=True)

from engine.training.norm_taps import NormTaps
from engine.training.parts import new_vae
from engine.training.recording import Recorder, own_stream
from engine.training.video_batch import decode_batch, encode_batch


def _plain(x: Tensor, gamma: Tensor) -> Tensor:
    y = F.silu(x / (x.square().mean(-1, keepdim=True) + 1e-12).sqrt() * gamma)
    past = F.pad(y, (0, 0, 0, 0, 0, 0, 2, 0))
    return torch.cat([past[:, tap : tap + x.shape[1]] for tap in range(3)], dim=-1)


@pytest.mark.parametrize("shape", [(2, 5, 9, 7, 16), (1, 1, 3, 3, 48), (3, 2, 40, 33, 32), (1, 3, 2, 2, 3)])
def test_norm_and_taps_in_one_pass_are_those_in_many(shape: tuple[int, ...]) -> None:
    draws = torch.Generator("cuda").manual_seed(1)
    x, gamma, grad = (torch.randn(s, device="cuda", generator=draws) for s in (shape, shape[-1:], (*shape[:-1], 3 * shape[-1])))
    answers = []
    for function in (NormTaps.apply, _plain):
        inputs = [t.clone().double() if function is _plain else t.clone() for t in (x, gamma)]
        for t in inputs:
            t.requires_grad_()
        out = function(*inputs)
        out.backward(grad.to(out.dtype))
        answers.append([out.detach(), *(t.grad for t in inputs)])
    for ours, theirs in zip(*answers, strict=True):
        assert torch.allclose(ours.double(), theirs, rtol=1e-4, atol=1e-5 * float(theirs.abs().max()))


def test_a_video_goes_through_the_autoencoder_as_on_the_host() -> None:
    vae, video = new_vae(3), torch.rand(2, 9, 3, 32, 40) * 2 - 1
    results = []
    for device in ("cpu", "cuda"):
        with torch.no_grad():
            mean, _ = encode_batch(vae.to(device), video.to(device))
            results.append(decode_batch(vae, mean).cpu())
    assert torch.allclose(*results, rtol=1e-2, atol=1e-2)


def test_step_whose_inputs_do_not_lie_row_by_row_is_recorded_with_the_algorithms_it_was_tried_with() -> None:
    """With `cudnn.benchmark` a convolution is timed for every new form, which no recording allows."""
    convolution = torch.nn.Conv3d(16, 64, (1, 2, 2), (1, 2, 2)).cuda()
    draws = torch.Generator("cuda").manual_seed(1)
    inputs = [torch.randn(2, 3, 12, 20, 16, device="cuda", generator=draws).permute(0, 4, 1, 2, 3) for _ in range(4)]
    recorder = Recorder(lambda _key, given: {"out": convolution(given["x"])}, torch.device("cuda"))
    torch.backends.cudnn.benchmark = True
    try:
        with torch.no_grad(), own_stream(torch.device("cuda")):
            made = [recorder("step", {"x": x})["out"].clone() for x in inputs]
            wanted = [convolution(x.contiguous()) for x in inputs]
            torch.cuda.current_stream().synchronize()
    finally:
        torch.backends.cudnn.benchmark = False
    for one, other in zip(made, wanted, strict=True):
        assert torch.equal(one, other)
