"""What a task leaves besides numbers: one typed record a task, which is ``details`` (and ``scoring``) in results.json.

A field is a key. One whose default is None is left out of the file where it is None; others are always there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from typing import Any, Self

from harness.core.errors import DataError


@dataclass(kw_only=True)
class Scoring:
    """How a job was scored.

    Attributes:
        random_weights: Whether only speed was measured.
        protocol: The protocols, such as ``got10k``; ``none`` where nothing is scored.
        feedback: Whose box places the next crop: ``self`` or ``truth``.
        mask: Whether all sequences had labels of covered frames, which are then left out.
        bounds: Whether boxes were clipped to the image.
        truth_rule: How frames without a valid truth count under OPE.
        invalid_truth: The number of these frames.
        realtime: By what rule a frame is scored where frames arrive at a camera's rate.
    """

    random_weights: bool = False
    protocol: str | None = None
    feedback: str | None = None
    mask: bool | None = None
    bounds: bool | None = None
    truth_rule: str | None = None
    invalid_truth: int | None = None
    realtime: str | None = None


@dataclass(kw_only=True)
class Record:
    """The part that all tasks share.

    Attributes:
        scoring: How it was scored.
        scored_frames: Frames that accuracy rests on.
        effective: What ran, in the runtime's own words, where the job's backend does not say it.
    """

    scoring: Scoring = field(default_factory=Scoring)
    scored_frames: int | None = None
    effective: dict[str, str] | None = None

    def details(self) -> dict[str, Any]:
        """The record as the file has it."""
        found = _plain(self)
        assert isinstance(found, dict)
        return found

    @classmethod
    def read(cls, details: Mapping[str, Any]) -> Self:
        """The record in ``details`` of a results.json.

        Raises:
            DataError: A key has not the type that the record gives it; the sentence has the key's path.
        """
        from pydantic import TypeAdapter, ValidationError

        try:
            return TypeAdapter(cls).validate_python(dict(details))
        except ValidationError as error:
            first = error.errors()[0]
            path = ".".join(map(str, ("details", *first["loc"])))
            raise DataError(f"results.json: {path}: {first['msg']}; it is not a record of {cls.__name__}.") from error


def _plain(value: Any) -> Any:
    """Dataclasses as dictionaries, optional fields that are None left out; the rest as it is."""
    if is_dataclass(value) and not isinstance(value, type):
        return {
            item.name: _plain(own)
            for item in fields(value)
            if (own := getattr(value, item.name)) is not None or item.default is MISSING or item.default is not None
        }
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
