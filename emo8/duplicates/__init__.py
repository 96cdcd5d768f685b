"""Copies of pictures: searched by hash and embedding, confirmed pair by pair, told as clusters."""
