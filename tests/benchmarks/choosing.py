"""Which numbers of threads suit two cores: the large report's time and others' waits under each choice."""

from dataclasses import replace
from typing import Final

from tests.benchmarks.beside import beside
from tests.benchmarks.figures import Figure
from tests.benchmarks.instance import Threads
from tests.benchmarks.setting import Setting
from tests.benchmarks.telling import tell

CHOICES: Final = tuple(Threads(api, worker) for api in (1, 2) for worker in (1, 2))


def threads(setting: Setting) -> list[Figure]:
    """Measure every choice."""
    return [figure for choice in CHOICES for figure in _under(setting, choice)]


def _under(setting: Setting, choice: Threads) -> list[Figure]:
    tell(f"{choice.api} threads of column work in the API, {choice.worker} in the worker")
    before = setting.threads
    setting.threads = choice
    try:
        figures = beside(setting)
    finally:
        setting.threads = before
    return [replace(figure, name=f"API {choice.api}, worker {choice.worker}: {figure.name}") for figure in figures]
