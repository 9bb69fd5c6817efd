"""Layers of virtual stains in the viewer: who writes into them, and which of them are shown."""
