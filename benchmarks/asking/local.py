"""Vision-language models that run here, through transformers."""

from __future__ import annotations

import io
from typing import Any

from benchmarks.asking.models import Reply
from emo8.core.errors import ModelError


class Local:
    """A model of the Hub or of a folder, asked greedily so that it always answers the same."""

    def __init__(self, name: str) -> None:
        try:
            import torch
            from transformers import AutoModelForImageTextToText, AutoProcessor
        except ImportError as error:
            raise ModelError(
                f"--model {name} needs transformers: install emo8 with the extra `vlm` ({error})."
            ) from error
        self.name = name
        where = name.removeprefix("hf:")
        try:
            self._processor: Any = AutoProcessor.from_pretrained(where)
            model: Any = AutoModelForImageTextToText.from_pretrained(where, dtype="auto")
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise ModelError(
                f"--model {name} cannot be loaded ({type(error).__name__}: {error}). It must be a "
                "model for image-text-to-text with a processor; code in repositories is not run."
            ) from error
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._model = model.eval().to(self._device)

    def ask(self, picture: bytes, question: str, max_tokens: int) -> Reply:
        """The reply to a question about a JPEG."""
        import torch
        from PIL import Image

        image = Image.open(io.BytesIO(picture)).convert("RGB")
        inputs = self._processor(
            images=[image], text=[self._text(question)], return_tensors="pt"
        ).to(self._device, self._model.dtype)
        with torch.inference_mode():
            made = self._model.generate(**inputs, max_new_tokens=max_tokens, do_sample=False)
        asked = inputs["input_ids"].shape[1]
        said = made[0, asked:] if made.shape[1] > asked else made[0]
        text = self._processor.batch_decode([said], skip_special_tokens=True)[0].strip()
        return Reply(text=text or None, tokens_in=asked, tokens_out=len(said))

    def _text(self, question: str) -> str:
        """The question in the words of the model's chat template, bare where it has none."""
        content = [{"type": "image"}, {"type": "text", "text": question}]
        if not getattr(self._processor, "chat_template", None):
            token = getattr(self._processor, "image_token", "<image>")
            return f"{token}\n{question}"
        said: str = self._processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True
        )
        return said
