"""Making of the embedded sample."""
