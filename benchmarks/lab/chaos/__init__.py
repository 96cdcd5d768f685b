"""Hostile tests with seeds: kills, flipped bits, hidden metadata, mutated pictures, two at once."""
