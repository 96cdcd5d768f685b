"""How good is a backbone at emotion: `emo8-bench`, its datasets, protocols and metrics."""
