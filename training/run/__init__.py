"""A training run from recipe to model: checks beforehand, rounds, resuming, lineage."""
