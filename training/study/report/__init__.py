"""What a study found: statistics over seeds, verdicts, tables, figures, and its page."""
