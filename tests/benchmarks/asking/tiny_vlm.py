"""A vision-language model of a few thousand random weights, saved as its library saves one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

WORDS = ("<unk>", "<s>", "</s>", "<pad>", "<image>", "anger", "awe", "fear", "sadness", "picture")


def save(transformers: Any, folder: Path) -> Path:
    """The folder of a LLaVA with its processor."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    plain = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="<unk>"))
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    plain.add_special_tokens(["<image>"])
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=plain, unk_token="<unk>", bos_token="<s>", eos_token="</s>",
        pad_token="<pad>", extra_special_tokens={"image_token": "<image>"},
    )  # fmt: skip
    vision = transformers.CLIPVisionConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        image_size=16, patch_size=8, projection_dim=16,
    )  # fmt: skip
    text = transformers.LlamaConfig(
        vocab_size=len(WORDS), hidden_size=16, intermediate_size=32, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=2, bos_token_id=1, eos_token_id=2,
        pad_token_id=3,
    )  # fmt: skip
    config = transformers.LlavaConfig(
        vision_config=vision, text_config=text, image_token_index=4, image_token_id=4,
        vision_feature_layer=-1, vision_feature_select_strategy="default",
    )  # fmt: skip
    side = {"height": 16, "width": 16}
    images = transformers.CLIPImageProcessor(size={"shortest_edge": 16}, crop_size=side)
    processor = transformers.LlavaProcessor(
        image_processor=images, tokenizer=tokenizer, patch_size=8,
        vision_feature_select_strategy="default", num_additional_image_tokens=1,
    )  # fmt: skip
    transformers.LlavaForConditionalGeneration(config).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
