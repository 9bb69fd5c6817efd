"""A data folder inspected before a training: files, intensities, masks, alignment, duplicates."""
