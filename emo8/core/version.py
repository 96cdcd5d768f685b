"""The version of emo8, a leaf that every part may import."""

__version__ = "0.1.0"
