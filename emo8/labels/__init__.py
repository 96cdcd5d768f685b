"""CLIP becomes claims: emotions, styles, attributes, descriptions, safety, how sure they are."""
