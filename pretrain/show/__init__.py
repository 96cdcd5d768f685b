"""What a model sees: pictures and features of rows and files."""
