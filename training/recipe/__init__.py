"""Recipes: the settings that all tasks share, read from YAML and validated before any work."""
