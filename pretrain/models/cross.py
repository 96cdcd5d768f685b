"""A cheaper MAE decoder: mask tokens attend to visible tokens, not to each other.

After Fu et al. (2024), "Rethinking Patch Dependence for Masked Autoencoders" (CrossMAE). Since mask
tokens do not see each other, a random part of them gives an unbiased estimate of the full L3.

Letters: B images, M mask tokens, V visible tokens (with CLS), E width, H heads.
"""

from __future__ import annotations

from functools import partial

import torch
from timm.layers import Mlp  # type: ignore[attr-defined]
from torch import Tensor, nn
from torch.nn import functional


class CrossAttention(nn.Module):
    """Queries (B, M, E) read from memory (B, V, E)."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.fused_attn = True  # see vit.use_plain_attention
        self.q = nn.Linear(dim, dim)
        self.kv = nn.Linear(dim, 2 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, queries: Tensor, memory: Tensor) -> Tensor:
        q = self._by_head(self.q(queries))  # (B, H, M, E/H)
        k, v = (self._by_head(part) for part in self.kv(memory).chunk(2, dim=-1))  # (B, H, V, E/H)
        if self.fused_attn:
            read = functional.scaled_dot_product_attention(q, k, v)
        else:
            read = torch.softmax(q * q.shape[-1] ** -0.5 @ k.transpose(-2, -1), dim=-1) @ v
        found: Tensor = self.proj(read.transpose(1, 2).flatten(2))
        return found

    def _by_head(self, tokens: Tensor) -> Tensor:
        batch, count, dim = tokens.shape
        return tokens.reshape(batch, count, self.heads, dim // self.heads).transpose(1, 2)


class CrossBlock(nn.Module):
    """Cross-attention and MLP, each with a norm before and a residual around."""

    def __init__(self, dim: int, heads: int, mlp_ratio: float, norm_eps: float) -> None:
        super().__init__()
        norm = partial(nn.LayerNorm, eps=norm_eps)
        self.norm1, self.norm_memory, self.norm2 = norm(dim), norm(dim), norm(dim)
        self.attn = CrossAttention(dim, heads)
        self.mlp = Mlp(dim, int(dim * mlp_ratio))

    def forward(self, queries: Tensor, memory: Tensor) -> Tensor:
        queries = queries + self.attn(self.norm1(queries), self.norm_memory(memory))
        mixed: Tensor = queries + self.mlp(self.norm2(queries))
        return mixed


class CrossDecoder(nn.ModuleList):
    """Blocks that all read the same visible tokens."""

    def __init__(self, dim: int, depth: int, heads: int, mlp_ratio: float, norm_eps: float) -> None:
        super().__init__(CrossBlock(dim, heads, mlp_ratio, norm_eps) for _ in range(depth))

    def forward(self, queries: Tensor, memory: Tensor) -> Tensor:
        for block in self:
            queries = block(queries, memory)
        return queries
