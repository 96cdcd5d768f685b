"""What is asked, and of which rows."""
