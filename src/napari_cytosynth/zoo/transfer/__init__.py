"""Downloads from the Hub: checked on the way, marked once verified, with errors in words."""
