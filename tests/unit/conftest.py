"""Nothing here needs a server."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    # pulumi_postgresql warns of its own old names when it is imported for the first time.
    warnings.simplefilter("ignore", DeprecationWarning)
    import pulumi_postgresql  # noqa: F401
