"""Behaviours as pytest tests: a `conftest.py` beside them imports `pytest_collect_file` from here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vivavoce.testing.broken import Broken
from vivavoce.testing.grammar import Behaviour, EngineKind, read_behaviours
from vivavoce.testing.stage import Differs, play


class BehaviourItem(pytest.Item):
    """One block over one kind of engine."""

    behaviour: Behaviour
    kind: EngineKind

    def runtest(self) -> None:
        """Play it."""
        play(self.behaviour, self.kind)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:
        """Where a block differs, without a traceback through the runner."""
        if isinstance(excinfo.value, Differs | Broken):
            return f"{self.path.name}: {self.behaviour.name} [{self.kind}]\n{excinfo.value}"
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, int, str]:
        """The block's place in its file."""
        return self.path, self.behaviour.line - 1, self.name


class BehaviourFile(pytest.File):
    """A Markdown file of behaviours."""

    def collect(self) -> Iterator[BehaviourItem]:
        """Each block, once per engine."""
        for behaviour in read_behaviours(self.path):
            for kind in behaviour.engines:
                item: BehaviourItem = BehaviourItem.from_parent(self, name=f"{behaviour.name} [{kind}]")
                item.behaviour, item.kind = behaviour, kind
                yield item


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> BehaviourFile | None:
    """Take Markdown files."""
    if file_path.suffix != ".md":
        return None
    collected: BehaviourFile = BehaviourFile.from_parent(parent, path=file_path)
    return collected
