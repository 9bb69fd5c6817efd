"""What a virtual stainer is taught: images with their measured stains, and their recipe."""
