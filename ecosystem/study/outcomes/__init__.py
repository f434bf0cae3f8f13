"""What a study found: numbers of members or pairs over its points, with their chance, and verdicts on them."""
