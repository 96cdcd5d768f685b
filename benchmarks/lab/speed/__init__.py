"""Speed of our parts, each as a ratio against a named peer: one script each."""
