"""Results on disk: TIFF, OME-Zarr, tables, contact sheets and animations, with provenance."""
