"""The command ``cytosynth demo``: a viewer with a simulated image, worked on step by step."""
