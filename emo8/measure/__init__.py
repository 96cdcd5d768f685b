"""Pixels become numbers: filters, people, and the step that runs them."""
