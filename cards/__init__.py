"""Templates of the cards that travel with datasets and models, as package data."""
