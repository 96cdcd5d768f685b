"""Studies: a question, its arms and its tests, written down before the answer is looked at."""
