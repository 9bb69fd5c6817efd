"""The dock widgets, their background jobs and the sample data."""
