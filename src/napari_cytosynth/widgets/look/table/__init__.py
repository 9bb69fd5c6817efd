"""The table of objects: rows in Qt's own view, without a widget for each cell."""
