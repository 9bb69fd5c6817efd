"""The command ``cytosynth evaluate``: one module for each task, and the options they share.

Each module adds its sub-command to the parser, checks the arguments, and calls the evaluation
of that task in `training`.
"""
