"""Image files to arrays with named axes, pixel size and channels: TIFF, pictures, OME-Zarr."""
