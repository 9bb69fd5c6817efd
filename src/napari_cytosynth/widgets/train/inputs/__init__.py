"""Layers that stainers and generators learn from: rows of the form, copies for the job."""
