"""The pipeline, readable alone: sources, rows, measured, labelled, decided, split, dataset."""
