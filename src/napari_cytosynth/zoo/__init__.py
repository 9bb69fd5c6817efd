"""Models on disk and on the Hub: card, files, catalogue, download, cache."""
