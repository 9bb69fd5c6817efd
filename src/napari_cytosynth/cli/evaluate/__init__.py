"""The command ``cytosynth evaluate``: one module for each task, and the options they share.

Each module adds its sub-command to the parser, checks what was asked for, and hands over to the
evaluation of that task in `training`.
"""
