"""What leaves the Look widget: objects that pass as a layer or a file, and the figure."""
