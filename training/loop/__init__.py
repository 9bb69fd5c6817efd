"""The training loop: Lightning modules, optimisers, callbacks, checkpoints, processes."""
