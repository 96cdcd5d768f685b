"""Build, label, review and publish emotion datasets of images."""

__version__ = "0.1.0"
