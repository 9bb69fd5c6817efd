"""Output of trainings and evaluations: records, run folders, figure pages, model files."""
