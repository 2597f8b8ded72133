"""What the connector is set up with, from the stack's outputs. docs/connector.md.

One module a format; each takes forms and gives text. Only `cli` reads a stack and writes files.
"""
