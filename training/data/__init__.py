"""Training data of all tasks: image files, splits, masks, augmented crops, faults in them."""
