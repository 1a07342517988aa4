"""All cases."""

from __future__ import annotations

from tests.patterns import more_cases
from tests.patterns.cases import CASES, prompts, told

__all__ = ["CASES", "more_cases", "prompts", "told"]
