"""What the package does with images: segment, stain, generate, measure, export the results."""
