"""What a generator is taught: images, perhaps of classes, and their recipe."""
