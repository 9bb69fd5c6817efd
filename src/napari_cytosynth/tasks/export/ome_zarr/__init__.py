"""Results as OME-Zarr 0.5: images with a pyramid, groups of labels, metadata."""
