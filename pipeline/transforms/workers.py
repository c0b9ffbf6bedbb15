"""Worker processes of their own for parts of the graph."""

from __future__ import annotations

from typing import Any, Final

import apache_beam as beam
from apache_beam.transforms.resources import ResourceHint

_HINT: Final = "straitwatch_worker"


class _Worker(ResourceHint):
    """A name that tells one environment from another; runners pass over hints unknown to them."""

    urn = "straitwatch:worker:v1"


ResourceHint.register_resource_hint(_HINT, _Worker)


def in_worker(name: str, transform: beam.PTransform[Any, Any]) -> beam.PTransform[Any, Any]:
    """``transform``, and all steps inside it, to run in a worker process of that name.

    A runner starts a worker for each environment of a job, and the hint makes the environment
    another one. What has no name runs in one more worker.
    """
    return transform.with_resource_hints(**{_HINT: name})
