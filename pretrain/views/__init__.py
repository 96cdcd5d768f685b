"""Crops of a picture: the scene and the person in it."""
