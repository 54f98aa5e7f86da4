"""The typed record that each task leaves besides its metrics: ``details`` (and ``scoring``) in results.json.

Each field is a key. A field whose default is None is left out of the file if it is None; the others are always written.
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
        protocol: The protocols, such as ``got10k``; ``none`` if nothing is scored.
        feedback: Whose box places the next crop: ``self`` or ``truth``.
        mask: Whether all sequences had labels of covered frames, which are then left out.
        bounds: Whether boxes were clipped to the image.
        truth_rule: How frames without a valid truth count under OPE.
        invalid_truth: The number of these frames.
        realtime: The rule by which a frame is scored if frames arrive at a camera's rate.
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
        effective: What actually ran, as the runtime reports it, if the job's backend does not report it.
    """

    scoring: Scoring = field(default_factory=Scoring)
    scored_frames: int | None = None
    effective: dict[str, str] | None = None

    def details(self) -> dict[str, Any]:
        """Returns the record as it is written to the file."""
        found = _plain(self)
        assert isinstance(found, dict)
        return found

    @classmethod
    def read(cls, details: Mapping[str, Any]) -> Self:
        """Reads the record from ``details`` of a results.json.

        Raises:
            DataError: A key does not have the type that the record gives it; the message names the key's path.
        """
        from pydantic import TypeAdapter, ValidationError

        try:
            return TypeAdapter(cls).validate_python(dict(details))
        except ValidationError as error:
            first = error.errors()[0]
            path = ".".join(map(str, ("details", *first["loc"])))
            raise DataError(f"results.json: {path}: {first['msg']}; it is not a record of {cls.__name__}.") from error


def _plain(value: Any) -> Any:
    """Returns dataclasses as dictionaries, without optional fields that are None; other values stay as they are."""
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
