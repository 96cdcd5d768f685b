"""What is applied to a model from outside, and what other processes may do to this one."""

import pytest
import torch

from pretrain.config import recipes
from pretrain.config.settings import SystemConfig
from pretrain.models.uniemox import UniEmoX, build_model
from pretrain.train import parallelize
from pretrain.train.parallelize import World, naming_lost_peers

CPU = torch.device("cpu")
ALONE, PAIR = (World(rank=0, size=size, device=CPU) for size in (1, 2))


def model() -> UniEmoX:
    return build_model(recipes.cpu_smoke().model, teacher_dim=16, seed=0)


def forward(network: torch.nn.Module) -> torch.Tensor:
    torch.manual_seed(0)
    views, noise = torch.randn(2, 2, 3, 32, 32), torch.rand(2, 2, 16)
    output = network(views[0], views[1], noise[0], noise[1])
    return output.student.square().sum() + output.pred.square().sum()  # type: ignore[no-any-return]


def test_blocks__are_those_of_encoder_and_decoder() -> None:
    sizes = recipes.cpu_smoke().model
    assert len(parallelize.repeated_blocks(model())) == sizes.depth + sizes.decoder_depth


def test_recompute__same_losses_gradients_and_names_and_less_is_kept() -> None:
    plain, recomputed = model(), model()
    network = parallelize.parallelize(recomputed, SystemConfig(recompute=True), ALONE)
    saved: dict[str, int] = {"plain": 0, "recomputed": 0}
    losses = []
    for name, net in (("plain", plain), ("recomputed", network)):

        def count(tensor: torch.Tensor, name: str = name) -> torch.Tensor:
            saved[name] += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(count, lambda kept: kept):
            losses.append(forward(net))
        losses[-1].backward()
    assert torch.equal(*losses)
    assert saved["recomputed"] < saved["plain"] / 2
    for (name, one), (other, two) in zip(
        plain.named_parameters(), recomputed.named_parameters(), strict=True
    ):
        assert name == other
        if one.grad is not None:
            torch.testing.assert_close(one.grad, two.grad, msg=name)


@pytest.mark.parametrize(
    "message", ["[gloo] Timed out waiting 20000ms for recv", "Connection closed by peer [::1]"]
)
def test_lost_peer__is_told_in_plain_words(message: str) -> None:
    expected = pytest.raises(TimeoutError, match=r"waited in vain.*system.timeout_s")
    with expected, naming_lost_peers(PAIR):
        raise RuntimeError(message)


def test_lost_peer__other_problems_and_single_processes_keep_their_words() -> None:
    for world, message in ((PAIR, "shapes differ"), (ALONE, "Timed out")):
        with pytest.raises(RuntimeError, match=message), naming_lost_peers(world):
            raise RuntimeError(message)


def test_fp16__does_not_go_with_fsdp() -> None:
    with pytest.raises(ValueError, match="does not go with fsdp"):
        SystemConfig(precision="fp16", parallel="fsdp")
