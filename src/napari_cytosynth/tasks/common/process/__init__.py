"""Work in a process of its own, which tells what it does and ends with the one that began it."""
