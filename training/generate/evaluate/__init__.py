"""Evaluation of generators against real images: samples, distances, copies, report, figures."""
