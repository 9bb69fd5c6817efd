"""What trainings and evaluations write: records, run folders, figure pages, model files."""
