"""`azure-postgres-cdc watch`: every connector's slot, looked at again and again.

`sample.py` looks at the server, `history.py` keeps what was seen and what follows from it,
`screen.py`, `lines.py` and `page.py` show it, and `loop.py` has them take turns.
"""
