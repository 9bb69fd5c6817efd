"""Report of a study: statistics over seeds, verdicts, tables, figures, and its page."""
