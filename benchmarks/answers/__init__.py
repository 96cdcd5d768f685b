"""Answers that any model gave to pictures: read, understood, scored."""
