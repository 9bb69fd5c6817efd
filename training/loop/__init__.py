"""What Lightning turns: modules, optimisers, callbacks, checkpoints, processes."""
