"""`emo8 review BUILD --serve`: pictures one by one in a browser, a key for each answer."""
