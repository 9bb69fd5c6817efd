"""What a user does with models: star, search, copy, add, remove, and read their licences."""
