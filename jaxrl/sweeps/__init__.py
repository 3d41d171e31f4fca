"""Many runs from one file: W&B's sweep format, run here or by SLURM, with a manifest that makes it resumable."""
