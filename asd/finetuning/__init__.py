"""Fine-tuning of wav2vec 2.0 on the machines; ``run`` is imported where it is needed (torch)."""
