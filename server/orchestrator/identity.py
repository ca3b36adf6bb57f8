"""New ids come from outside, so that tests can tell them in advance."""

from collections.abc import Callable
from typing import TypeAlias
from uuid import UUID

NewId: TypeAlias = Callable[[], UUID]
