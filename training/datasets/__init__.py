"""Public data sets: brought into the layout of the recipes, or evaluated in their own way."""
