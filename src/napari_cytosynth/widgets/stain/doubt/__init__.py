"""Doubtful nuclei: found in the background, outlined by doubt, walked through, and hidden."""
