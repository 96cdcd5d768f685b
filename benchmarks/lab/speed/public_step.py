"""The training step of the paper's public code, reimplemented straight: the peer of our speed work.

What it does at every step, and we do not: CLIP's image and text towers on the whole images and
texts, the whole image in place of the person (normalised a second time), a decoder over the
person's tokens whose output is dropped, and a patch embedding of patches that are masked right
after. What both do: both encoder passes and the scene's decoder, forward and backward. Its
detector, 152 GFLOP more at batch 8, is left out.

Letters: B rows, L patches, K kept patches, D widths, N text tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn
from torch.nn import functional

TEXT_TOKENS, VOCABULARY, JOINT_DIM = 77, 49408, 512
MASK_RATIO = 0.9
SIZES = {"ti16": (192, 12, 3), "s16": (384, 12, 6), "b16": (768, 12, 12), "l16": (1024, 24, 16)}


class TeacherText(nn.Module):
    """CLIP ViT-B-16's text tower: 12 blocks of width 512 over 77 tokens, causal."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(
            JOINT_DIM, 8, 4 * JOINT_DIM, 0.0, "gelu", batch_first=True, norm_first=True
        )
        self.tokens = nn.Embedding(VOCABULARY, JOINT_DIM)
        self.positions = nn.Parameter(torch.randn(TEXT_TOKENS, JOINT_DIM) * 0.01)
        self.blocks = nn.TransformerEncoder(layer, 12, nn.LayerNorm(JOINT_DIM), False)
        self.projection = nn.Linear(JOINT_DIM, JOINT_DIM, bias=False)
        causal = torch.full((TEXT_TOKENS, TEXT_TOKENS), float("-inf")).triu(1)
        self.register_buffer("causal", causal)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, D) of token numbers (B, N): the last token's state."""
        states = self.blocks(self.tokens(tokens) + self.positions, mask=self.causal, is_causal=True)
        found: Tensor = self.projection(states[:, -1])
        return found


def teacher_image() -> nn.Module:
    """CLIP ViT-B-16's image tower."""
    import timm

    tower: nn.Module = timm.create_model("vit_base_patch16_clip_224", num_classes=JOINT_DIM)
    return tower.eval().requires_grad_(False)


def teacher_text() -> nn.Module:
    """The text tower, frozen."""
    return TeacherText().eval().requires_grad_(False)


class PublicModel(nn.Module):
    """The masked autoencoder as the public code runs it, once per view, and `layernorm_sum`."""

    def __init__(self, dim: int, depth: int, heads: int, decoder_dim: int = JOINT_DIM) -> None:
        super().__init__()
        norm = partial(nn.LayerNorm, eps=1e-6)
        self.encoder = VisionTransformer(
            embed_dim=dim, depth=depth, num_heads=heads, num_classes=0, norm_layer=norm
        )
        self.num_patches = self.encoder.patch_embed.num_patches
        self.decoder_embed = nn.Linear(dim, decoder_dim)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, decoder_dim))
        self.decoder_positions = nn.Parameter(torch.zeros(1, self.num_patches + 1, decoder_dim))
        self.decoder = nn.Sequential(
            *(Block(decoder_dim, 16, qkv_bias=True, norm_layer=norm) for _ in range(8)),  # type: ignore[arg-type]
            norm(decoder_dim),
            nn.Linear(decoder_dim, 16 * 16 * 3),
        )
        self.norm = nn.LayerNorm(decoder_dim)
        self.linear = nn.Linear(decoder_dim, JOINT_DIM)

    def view(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """CLS after the embedding layer (B, D), predictions (B, L, 768), mask (B, L)."""
        encoder, batch = self.encoder, len(images)
        positions: Tensor = encoder.pos_embed  # type: ignore[assignment]
        tokens = encoder.patch_embed(images) + positions[:, 1:]  # every patch, masked or not
        shuffle = torch.rand(batch, self.num_patches, device=images.device).argsort(dim=1)
        restore = shuffle.argsort(dim=1)
        kept = int(self.num_patches * (1 - MASK_RATIO))
        tokens = _take(tokens, shuffle[:, :kept])
        cls: Tensor = encoder.cls_token + positions[:, :1]  # type: ignore[operator]
        tokens = torch.cat([cls.expand(batch, -1, -1), tokens], dim=1)
        embedded = self.decoder_embed(encoder.norm(encoder.blocks(tokens)))
        masked = self.mask_token.expand(batch, self.num_patches - kept, -1)
        patches = _take(torch.cat([embedded[:, 1:], masked], dim=1), restore)
        whole = torch.cat([embedded[:, :1], patches], dim=1) + self.decoder_positions
        return embedded[:, 0], self.decoder(whole)[:, 1:], (restore >= kept).float()

    def fuse(self, scene: Tensor, person: Tensor) -> Tensor:
        fused: Tensor = functional.elu(self.linear(self.norm(scene) + self.norm(person)))
        return fused


def build(*, model: str, batch: int, device: str) -> Callable[[], Tensor]:
    """A function without arguments that runs one fp32 training step of the peer on random input."""
    place = torch.device(device)
    image_tower, text_tower = teacher_image().to(place), teacher_text().to(place)
    network = PublicModel(*SIZES[model]).to(place)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1.5e-4, betas=(0.9, 0.95))
    images = torch.rand(batch, 3, 224, 224, device=place)
    tokens = torch.randint(0, VOCABULARY, (batch, TEXT_TOKENS), device=place)
    mean = torch.tensor([0.485, 0.456, 0.406], device=place).view(1, 3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225], device=place).view(1, 3, 1, 1)

    def step() -> Tensor:
        scene = (images - mean) / std
        person = (scene - mean) / std  # the whole image once more, normalised twice
        with torch.no_grad():
            image = functional.normalize(image_tower(scene), dim=-1)
            texts = functional.normalize(text_tower(tokens), dim=-1)
        scene_token, pred, mask = network.view(scene)
        person_token, _, _ = network.view(person)  # its predictions are dropped
        student = functional.normalize(network.fuse(scene_token, person_token), dim=-1)
        rows = 100.0 * student @ texts.T, 100.0 * image @ texts.T
        contrastive = 1 - functional.cosine_similarity(*rows, dim=-1).mean()
        similarity = 1 - functional.cosine_similarity(student, image, dim=-1).mean()
        errors = (pred - _patches(scene)).square().mean(dim=-1)
        total = contrastive + similarity + (errors * mask).sum() / mask.sum()
        optimizer.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return total.detach()

    return step


def _take(tokens: Tensor, index: Tensor) -> Tensor:
    return tokens.gather(1, index.unsqueeze(-1).expand(-1, -1, tokens.shape[-1]))


def _patches(images: Tensor) -> Tensor:
    split = images.reshape(len(images), 3, 14, 16, 14, 16)
    return split.permute(0, 2, 4, 3, 5, 1).reshape(len(images), 196, -1)
