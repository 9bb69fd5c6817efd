"""A fine-tuning in a process of its own, which shows its curves and may end early."""
