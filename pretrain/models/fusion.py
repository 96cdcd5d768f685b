"""Ways to make one token of the scene's and the person's.

Each takes two tokens (B, E) and gives one (B, E). `layernorm_sum` is the method; the next three
are its published alternatives, with the parameter names of the reference vectors; `scene_only` and
`person_only` are the method without one of its views.

Letters: B images, E decoder width, H heads.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class LayerNormSum(nn.Module):
    """ELU(Linear(LN(scene) + LN(person))), one LayerNorm shared by both."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.bn = nn.LayerNorm(dim)
        self.linear = nn.Linear(dim, dim)

    def forward(self, scene: Tensor, person: Tensor) -> Tensor:
        fused: Tensor = functional.elu(self.linear(self.bn(scene) + self.bn(person)))
        return fused


class SingleView(nn.Module):
    """ELU(Linear(LN(view))): `layernorm_sum` without the other view, so only the view differs."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.bn = nn.LayerNorm(dim)
        self.linear = nn.Linear(dim, dim)

    def _alone(self, view: Tensor) -> Tensor:
        fused: Tensor = functional.elu(self.linear(self.bn(view)))
        return fused


class SceneOnly(SingleView):
    """The scene's token alone; the person view is not encoded."""

    def forward(self, scene: Tensor, person: Tensor | None) -> Tensor:
        return self._alone(scene)


class PersonOnly(SingleView):
    """The person's token alone."""

    def forward(self, scene: Tensor | None, person: Tensor) -> Tensor:
        return self._alone(person)


class WeightedSum(nn.Module):
    """LN(sum over heads of alpha_h * scene + beta_h * person) + bias."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.randn(heads, 1, dim))
        self.beta = nn.Parameter(torch.randn(heads, 1, dim))
        self.layer_norm = nn.LayerNorm(dim)
        self.bias = nn.Parameter(torch.zeros(1, dim))

    def forward(self, scene: Tensor, person: Tensor) -> Tensor:
        mixed: Tensor = (self.alpha * scene + self.beta * person).sum(dim=0)  # (H, B, E) -> (B, E)
        fused: Tensor = self.layer_norm(mixed) + self.bias
        return fused


class SoftmaxGate(nn.Module):
    """SiLU(sum over heads of gated scene + gated person) + bias.

    The softmax of each gate runs over a single score, so every gate is 1 and learns nothing: kept
    as published, for exactness.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.W_a = nn.ModuleList(nn.Linear(dim, 1) for _ in range(heads))
        self.W_b = nn.ModuleList(nn.Linear(dim, 1) for _ in range(heads))
        self.bias = nn.Parameter(torch.zeros(1, dim))

    def forward(self, scene: Tensor, person: Tensor) -> Tensor:
        mixed = torch.stack(_gated_heads(self, scene, person)).sum(dim=0)  # (H, B, E) -> (B, E)
        return functional.silu(mixed) + self.bias


class MlpGlu(nn.Module):
    """ReLU(m * sigmoid(gate(m))) + bias, where m = MLP(heads gated per channel, side by side)."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.W_a = nn.ModuleList(nn.Linear(dim, dim) for _ in range(heads))
        self.W_b = nn.ModuleList(nn.Linear(dim, dim) for _ in range(heads))
        self.mlp = nn.Sequential(nn.Linear(heads * dim, dim), nn.ReLU(), nn.Linear(dim, dim))
        self.gate = nn.Linear(dim, dim)
        self.bias = nn.Parameter(torch.zeros(1, dim))

    def forward(self, scene: Tensor, person: Tensor) -> Tensor:
        mixed = self.mlp(torch.cat(_gated_heads(self, scene, person), dim=-1))
        return functional.relu(mixed * torch.sigmoid(self.gate(mixed))) + self.bias


def _gated_heads(fusion: SoftmaxGate | MlpGlu, scene: Tensor, person: Tensor) -> list[Tensor]:
    return [
        torch.softmax(gate_scene(scene), dim=-1) * scene
        + torch.softmax(gate_person(person), dim=-1) * person
        for gate_scene, gate_person in zip(fusion.W_a, fusion.W_b, strict=True)
    ]


FUSIONS: dict[str, type[nn.Module]] = {
    "layernorm_sum": LayerNormSum,
    "weighted_sum": WeightedSum,
    "softmax_gate": SoftmaxGate,
    "mlp_glu": MlpGlu,
    "scene_only": SceneOnly,
    "person_only": PersonOnly,
}
PUBLISHED = ("layernorm_sum", "weighted_sum", "softmax_gate", "mlp_glu")  # of the reference vectors


def build_fusion(kind: str, *, dim: int, heads: int) -> nn.Module:
    """The fusion of that name for tokens of width `dim`; ValueError names the known ones."""
    if kind not in FUSIONS:
        raise ValueError(f"unknown fusion {kind!r}: choose one of {', '.join(FUSIONS)}")
    return FUSIONS[kind](dim, heads)
