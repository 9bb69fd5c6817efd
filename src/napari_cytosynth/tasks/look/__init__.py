"""Filters on tables of objects, values as places on a scale of colours, and objects kept."""
