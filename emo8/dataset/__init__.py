"""Verdicts become `BUILD/dataset`; `open` is the one reader of datasets."""
