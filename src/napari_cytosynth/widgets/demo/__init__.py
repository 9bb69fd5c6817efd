"""The command ``cytosynth demo``: the widgets at work on simulated images."""
