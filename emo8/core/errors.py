"""The errors a user can cause. Each message says the value, where it came from, and the fix."""

from __future__ import annotations


class Emo8Error(ValueError):
    """A user's mistake: the command line prints the message alone and exits with 2."""


class RecipeError(Emo8Error):
    """A recipe that cannot be read as asked: unknown key, wrong type, impossible value."""


class SourceError(Emo8Error):
    """A source that holds nothing usable: missing path, missing column, no images, no style."""


class TableError(Emo8Error):
    """A table file that cannot be read: missing, damaged, of another kind."""


class BuildError(Emo8Error):
    """An output folder that cannot take this build: foreign, another recipe's, or locked."""


class ModelError(Emo8Error):
    """A model that is unknown, or not on this machine and not reachable."""


class ImageError(Emo8Error):
    """A file named as a picture that is none."""


class GateError(Emo8Error):
    """A release that must not go out as it is: the message lists what blocks it."""


class BrowseError(Emo8Error):
    """FiftyOne cannot show anything on this machine: the message says what to install or start."""


class HubError(OSError):
    """The Hub could not take a release, through no mistake of the user's: run it again."""


class DamagedError(OSError):
    """A file of ours that is not as it was written: the message says what makes it anew."""
