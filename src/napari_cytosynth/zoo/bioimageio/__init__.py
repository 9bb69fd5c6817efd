"""Packages of the BioImage.IO model zoo: what they say of a model, and reading and writing them.

References
----------
Ouyang et al. 2022, bioRxiv 10.1101/2022.06.07.495102; the format of models, version 0.5:
https://bioimage-io.github.io/spec-bioimage-io.
"""
