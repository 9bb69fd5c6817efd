"""What a model that segments is taught: strokes and objects, and the recipe that they give."""
