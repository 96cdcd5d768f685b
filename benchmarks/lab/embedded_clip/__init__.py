"""Training of the small CLIP that ships with emo8."""
