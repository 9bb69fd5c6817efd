"""Trainings on other machines: Kubernetes manifests, SLURM scripts, the job that they start."""
