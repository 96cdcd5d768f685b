"""The loop, the step, and what keeps a long run safe."""
