"""What a rule's cases consist of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from declaring import Made

Stack = Sequence[Made]


@dataclass(frozen=True)
class Cases:
    """Small stacks, by what one rule has to say of them.

    An unknown value is no fault. Where a fault is known beside it, the case is in
    `fails_beside_unknown`.
    """

    passes: Sequence[Stack]
    fails: Sequence[Stack]
    unknown: Sequence[Stack]
    not_applicable: Sequence[Stack]
    fails_beside_unknown: Sequence[Stack] = ()
