"""From poses to view-invariant Gaussian embeddings, and distances between them."""
