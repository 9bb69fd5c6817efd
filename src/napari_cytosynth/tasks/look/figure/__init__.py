"""A figure of objects for a paper: image, outlines, scale bar, legend and plots, as PNG and SVG."""
