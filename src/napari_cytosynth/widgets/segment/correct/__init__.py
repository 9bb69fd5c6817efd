"""Correcting objects by hand: tools, gestures of the mouse, and what becomes of them."""
