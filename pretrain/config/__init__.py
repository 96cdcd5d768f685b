"""What a run is asked to do: settings, named recipes, overrides, and their help."""
