"""What people run: the command-line tool `azure-postgres-cdc`."""
