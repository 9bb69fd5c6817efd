"""Generate, virtually stain and segment microscopy images, in napari and in scripts."""
