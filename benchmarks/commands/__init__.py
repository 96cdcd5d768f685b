"""Commands of `emo8-bench` with many options of their own: each adds its parser and runs it."""
