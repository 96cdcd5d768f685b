"""A build becomes a release: the gate, the card, Croissant, the folder, the Hub."""
