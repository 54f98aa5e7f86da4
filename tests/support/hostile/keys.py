"""Every key of every choice of every group, set to values of every type: each is refused in one sentence, or accepted.

Composing and checking a job takes a tenth of a second and no child process, so that thousands are tried.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.core.catalog import GROUP_NAMES
from harness.core.config import conf_folder
from harness.core.errors import HarnessError
from harness.core.options import choices, keys_of
from hostile.case import FOREIGN

VALUES = ("''", "-1", "0", "1e9", "1.5", "nan", "inf", "-inf", "[]", "{}", "null", "text", "true", "[a]", "[-1]", "{a:b}", "99999999999999999999999",
          "../..", "/dev/zero", "☃", "'a b'")  # fmt: skip
NEVER = ("nan", "inf", "-inf", "99999999999999999999999")
"""What no key takes, whatever its type."""
GROUPS = ("none", *GROUP_NAMES)
"""Groups of keys; ``none`` is those of no group."""
LEFT_OUT = ("hydra.", "experiment.", "search.")


@dataclass(frozen=True)
class Setting:
    """A key with a value, and the choice of its group that has the key."""

    group: str
    choice: str
    key: str
    value: str

    @property
    def words(self) -> list[str]:
        """The overrides."""
        chosen = [] if not self.group else [f"{self.group}={self.choice}"]
        if self.choice.startswith("int8"):
            chosen += ["quantization.sequences=[seq_1]", "dataset.exclude=[seq_1]"]
        return [*chosen, f"~{self.key}" if self.value == "~" else f"{self.key}={self.value}"]


def settings() -> list[Setting]:
    """All keys with all values, and each key left out (``~``)."""
    return [Setting(group, choice, key, value) for group, choice, key in keys() for value in (*VALUES, "~")]


def keys() -> Iterator[tuple[str, str, str]]:
    """(group, choice, dotted key); keys of no group have empty ones."""
    for line in keys_of(conf_folder() / "config.yaml", stop="hydra:"):
        yield "", "", line.partition("=")[0]
    for group in GROUP_NAMES:
        for path in choices(group):
            if not f"{group}.".startswith(LEFT_OUT):
                yield group, path.stem, f"{group}.name"
                for line in keys_of(path):
                    yield group, path.stem, f"{group}.{line.partition('=')[0]}"


def group_of(setting: Setting) -> str:
    """The group of a setting's key."""
    return setting.group or "none"


def fault(setting: Setting, base: list[str], config_dir: str) -> str:
    """Composes and checks a job with the setting; what is wrong with its refusal, empty if it is right or accepted."""
    from harness.jobs import calls, compose
    from harness.jobs.resume import Call, continued
    from harness.jobs.task import JobTask

    own = [text for text in base if text.partition("=")[0] not in (setting.group, setting.key)]
    own = [text for text in own if not (setting.group and text.startswith(f"{setting.group}."))]
    words = [*own, *setting.words]
    try:
        wanted = list(continued(Call(tuple(words))).overrides)
        plan = compose.make_plan(wanted, False, config_dir, words)
        calls.check_plan(plan, JobTask())
    except HarnessError as error:
        said = str(error)
        if error.exit_code != 2:
            return f"exit code {error.exit_code}: {said}"
        if found := FOREIGN.search(said):
            return f"foreign words ({found[0]}): {said[:300]}"
        if "\n" in said or not said.strip():
            return f"no sentence: {said[:300]!r}"
        if len(said) > 1200:
            return f"{len(said)} characters: {said[:200]}"
        return ""
    except Exception as error:
        return f"a traceback: {type(error).__name__}: {str(error)[:200]}"
    if setting.value in NEVER and not setting.key.endswith(".name"):
        return "is accepted"
    return ""


def base_words(data: Path) -> list[str]:
    """A job that needs no weights and no drawing of data."""
    return ["tracker=standing", "dataset=folder", f"dataset.root={data}", "dataset.split=val", "backend=onnx", "mlflow=off"]
