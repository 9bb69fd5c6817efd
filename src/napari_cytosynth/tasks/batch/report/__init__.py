"""What sums a batch up: tables of all objects and files, small pictures, and the HTML page."""
