"""`emo8 demo`, and the embedded sample and CLIP that it works on."""
