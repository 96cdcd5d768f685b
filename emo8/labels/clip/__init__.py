"""CLIP as labeller and teacher: encoders, prompts, zero-shot distributions."""
