"""Training: labels, batches, losses and the loop, over the shards of the store."""
