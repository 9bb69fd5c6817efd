"""Fine-tuning of a model on a few annotated images: material, recipe and run."""
