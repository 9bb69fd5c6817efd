"""Objects of virtual stains held against real ones: what their numbers and second opinions tell."""
