"""Rehearse a stack: an embedded PostgreSQL behind an emulated Azure, driven by the real Pulumi.

This package knows Azure's and PostgreSQL's rules and nothing of the components it rehearses.
"""
