"""A study of synthetic training data: a generator's pairs added to few real slices."""
