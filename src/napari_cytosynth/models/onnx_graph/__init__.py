"""Networks that are ONNX graphs of other programs: what is refused of a graph, and how it runs."""
