"""One file for each thing that a captured database needs."""
