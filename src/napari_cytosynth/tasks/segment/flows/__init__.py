"""Instances from flows: a vector field that leads every pixel of an object to its centre.

References
----------
Stringer, Wang, Michaelos, Pachitariu: "Cellpose: a generalist algorithm for cellular
segmentation", Nature Methods 18, 2021.
"""
