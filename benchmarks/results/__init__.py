"""Results, their numbers, tables and figures; beside them the committed numbers."""
