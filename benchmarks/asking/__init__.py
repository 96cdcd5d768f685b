"""Asking language models about pictures: the questions, the models, a table of answers."""
