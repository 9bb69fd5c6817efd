"""Training on clusters: the job, Kubernetes manifests, SLURM scripts, command-line options."""
