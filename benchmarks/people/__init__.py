"""What people's own votes say: how far they agree, and what a model's agreement is worth."""
