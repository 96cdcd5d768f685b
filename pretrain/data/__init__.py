"""Rows of a dataset as batches."""
