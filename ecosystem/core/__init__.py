"""The ground: random streams, stacked tensors, samples, laws, products, files and identities."""
