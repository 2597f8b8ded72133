"""One file for each thing that the Azure server needs."""
