"""What comes of a training: comparison with the start model, sentences, and sharing."""
