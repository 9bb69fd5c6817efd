"""Shared parts of the dock widgets: background jobs, model choice, image form, controls."""
