"""Training: recipes, data, Lightning modules, evaluation."""
