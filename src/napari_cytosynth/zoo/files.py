"""Earlier path of `zoo.model_files`, which scripts may import."""

from .model_files import load_network, read_card, save_model

__all__ = ["load_network", "read_card", "save_model"]
