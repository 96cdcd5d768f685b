"""UniEmoX pretraining: reads a published dataset, writes checkpoints."""
