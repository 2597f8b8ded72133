"""Environments: stack files written, checked and compared, with neither Pulumi nor a login."""
