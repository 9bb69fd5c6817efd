"""What a model is on disk and where it comes from: card, files, catalogue, Hub, cache."""
