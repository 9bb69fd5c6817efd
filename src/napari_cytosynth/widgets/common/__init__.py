"""Shared parts of the dock widgets: background jobs, model choice, image form, controls.

Many files, because each holds one part that several widgets use by itself.
"""
