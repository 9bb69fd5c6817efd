"""Results that are OME-Zarr: a new plate with a field for each image, labels added to a source."""
