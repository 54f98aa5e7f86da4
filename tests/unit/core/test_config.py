"""Sections become checked objects; what is wrong is said with what is accepted."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from harness.core.config import at_least, build, check, construct, load_class, suggestion
from harness.core.errors import ConfigError


class Base:
    pass


@dataclass
class Part(Base):
    count: int
    share: float = 0.5
    mode: Literal["one", "two"] = "one"
    where: Path | None = None
    names: list[str] = field(default_factory=list)
    pair: tuple[int, ...] = ()
    flag: bool = False
    _hidden: int = field(default=0, init=False)


@dataclass
class Stranger:
    count: int = 0


TARGET = f"{__name__}.Part"


def test_values_arrive_in_their_types() -> None:
    part = build({"target": TARGET, "count": 3, "share": 1, "where": "a/b", "pair": [1, 2]}, Base, "part")
    assert isinstance(part, Part)
    assert (part.count, part.share, part.where, part.pair) == (3, 1.0, Path("a/b"), (1, 2))
    assert isinstance(part.share, float)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"count": "3"}, "part.count is '3'; accepted: a whole number"),
        ({"count": True}, "part.count is true; accepted: a whole number"),
        ({"count": 1.5}, "part.count is 1.5"),
        ({"count": 1, "mode": "tow"}, "did you mean 'two'?"),
        ({"count": 1, "flag": 1}, "part.flag is 1; accepted: true or false"),
        ({"count": 1, "names": "a"}, "part.names is 'a'; accepted: a list"),
        ({"count": 1, "names": [1]}, "part.names[0] is 1"),
        ({"count": 1, "where": 4}, "part.where is 4; accepted: a path or null"),
        ({"cuont": 1}, "no key 'cuont' (did you mean 'count'?)"),
        ({"count": 1, "_hidden": 2}, "no key '_hidden'"),
        ({}, "part.count is missing"),
    ],
)
def test_wrong_values_are_named(values: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        construct(Part, values, "part")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({}, "has no target"),
        ({"target": "Part"}, "package.module.Class"),
        ({"target": "no_such_module_here.Part"}, "'no_such_module_here' is not found"),
        ({"target": f"{__name__}.Stranger"}, "is not a Base"),
        ({"target": f"{__name__}.Nobody"}, "is not a Base"),
    ],
)
def test_wrong_targets_are_named(section: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build(section, Base, "part")
    assert words in str(caught.value)


def test_a_literal_takes_no_look_alike() -> None:
    with pytest.raises(ConfigError):
        check(True, Literal[1, 2], "x")
    assert check(1, Literal[1, 2], "x") == 1


def test_suggestion_is_silent_where_nothing_is_close() -> None:
    assert suggestion("zzz", ["abc"]) == ""


@pytest.mark.parametrize("target", [".x.Y", "a..b.C", "..", "x", "os.path-.X", ""])
def test_a_target_that_is_not_a_dotted_name_is_one_sentence(target: str) -> None:
    with pytest.raises(ConfigError, match=r"a class is named as package\.module\.Class"):
        load_class(target, object, "backend")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**63, -(10**30), "a\0b"])
@pytest.mark.parametrize("hint", [int, float, float | None, str, str | list[str] | None, bool, Any])
def test_check_refuses_what_no_setting_takes_whatever_its_type(value: Any, hint: Any) -> None:
    with pytest.raises(ConfigError, match=r"^task\.x "):
        check(value, hint, "task.x")


def test_check_takes_the_largest_whole_number_and_ordinary_floats() -> None:
    assert check(2**63 - 1, int, "x") == 2**63 - 1
    assert check(1e308, float, "x") == 1e308


def test_at_least_with_a_count_that_no_run_would_end_with_names_both_ends() -> None:
    with pytest.raises(ConfigError, match=r"task\.warmup is 1000000001; accepted: 1 to 1000000\."):
        at_least(1_000_000_001, 1, "task.warmup")
    at_least(1_000_000, 1, "task.warmup")
    at_least(None, 1, "task.warmup")


def test_load_class_of_a_module_that_ends_the_process_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "leaving.py").write_text("import sys\nsys.exit(3)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match="whose import failed: SystemExit"):
        load_class("leaving.Own", Base, "tracker")
