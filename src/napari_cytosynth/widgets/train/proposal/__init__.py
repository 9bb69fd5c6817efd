"""Where to paint next: the window of an image that a model is least certain of."""
