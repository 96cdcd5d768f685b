"""The error by which a file says that it cannot be copied."""

from __future__ import annotations


class NotCopiedError(ValueError):
    """The file is outside what its allow-list knows; the picture must be encoded anew."""
