"""How this project measured itself. Not installed with the packages."""
