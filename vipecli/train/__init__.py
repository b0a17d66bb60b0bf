"""Training of the embedding (extra ``train``). Nothing outside this folder imports torch."""
