"""Operations written once and offered by both clients, blocking and awaiting."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import closing
from functools import update_wrapper, wraps
from typing import Concatenate, Generic, ParamSpec, Protocol, Self, TypeAlias, TypeVar, cast, overload

from kessetsu_client.wire import Answer, Effect, Pause, Request, Send, Steps

P = ParamSpec("P")
T = TypeVar("T")
OwnerT = TypeVar("OwnerT")
ItemT_co = TypeVar("ItemT_co", covariant=True)


class Page(Protocol[ItemT_co]):
    """A piece of a longer list."""

    @property
    def items(self) -> tuple[ItemT_co, ...]:
        """What is on this page."""
        ...

    @property
    def next(self) -> str | None:
        """Where the following page begins; ``None`` at the end."""
        ...


Pages: TypeAlias = Callable[[str | None], Steps[Page[T]]]
"""From a cursor (``None``: the beginning) to the page that begins there."""


class Blocking(ABC):
    """Performs steps in the calling thread."""

    @abstractmethod
    def _send(self, request: Request) -> Answer:
        """Send a request once."""

    def run(self, steps: Steps[T]) -> T:
        """Perform every effect of ``steps`` and return what they return."""
        with closing(steps):
            try:
                effect = next(steps)
                while True:
                    try:
                        result = self._perform(effect)
                    except Exception as error:  # noqa: BLE001 - handed to the steps, which raise it on
                        effect = steps.throw(error)
                    else:
                        effect = steps.send(result)
            except StopIteration as end:
                return cast("T", end.value)

    def each(self, pages: Pages[T]) -> Iterator[T]:
        """Yield the items of all pages, fetching a page when it is reached."""
        cursor = None
        while True:
            page = self.run(pages(cursor))
            yield from page.items
            if (cursor := page.next) is None:
                return

    def _perform(self, effect: Effect) -> object:
        if isinstance(effect, Send):
            return self._send(effect.request)
        if isinstance(effect, Pause):
            time.sleep(effect.seconds)
            return None
        return effect.act()


class Awaiting(ABC):
    """Performs steps on the running asyncio loop; disk work goes to a thread."""

    @abstractmethod
    async def _send(self, request: Request) -> Answer:
        """Send a request once."""

    async def run(self, steps: Steps[T]) -> T:
        """Perform every effect of ``steps`` and return what they return."""
        with closing(steps):
            try:
                effect = next(steps)
                while True:
                    try:
                        result = await self._perform(effect)
                    except Exception as error:  # noqa: BLE001 - handed to the steps, which raise it on
                        effect = steps.throw(error)
                    else:
                        effect = steps.send(result)
            except StopIteration as end:
                return cast("T", end.value)

    async def each(self, pages: Pages[T]) -> AsyncIterator[T]:
        """Yield the items of all pages, fetching a page when it is reached."""
        cursor = None
        while True:
            page = await self.run(pages(cursor))
            for item in page.items:
                yield item
            if (cursor := page.next) is None:
                return

    async def _perform(self, effect: Effect) -> object:
        if isinstance(effect, Send):
            return await self._send(effect.request)
        if isinstance(effect, Pause):
            await asyncio.sleep(effect.seconds)
            return None
        return await asyncio.to_thread(effect.act)


class Operation(Generic[OwnerT, P, T]):
    """A method whose body is steps: plain on a blocking client, a coroutine on an awaiting one."""

    def __init__(self, steps: Callable[Concatenate[OwnerT, P], Steps[T]]) -> None:
        """Offer ``steps``, with its name, documentation and signature."""
        self.steps = steps
        update_wrapper(cast("Callable[..., object]", self), steps)

    @overload
    def __get__(self, client: None, owner: type) -> Self: ...
    @overload
    def __get__(self, client: Blocking, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, client: Awaiting, owner: type) -> Callable[P, Coroutine[object, object, T]]: ...
    def __get__(self, client: Blocking | Awaiting | None, owner: type) -> object:
        """Bind the steps to ``client``."""
        if client is None:
            return self
        bound: Callable[P, Steps[T]] = self.steps.__get__(client)

        @wraps(bound)
        def call(*args: P.args, **kwargs: P.kwargs) -> object:
            return client.run(bound(*args, **kwargs))

        return call


class Listing(Generic[OwnerT, P, T]):
    """A method that lists over all pages: an iterator on a blocking client, an async one on an awaiting one."""

    def __init__(self, pages: Callable[Concatenate[OwnerT, P], Pages[T]]) -> None:
        """Offer ``pages``, with its name, documentation and signature."""
        self.pages = pages
        update_wrapper(cast("Callable[..., object]", self), pages)

    @overload
    def __get__(self, client: None, owner: type) -> Self: ...
    @overload
    def __get__(self, client: Blocking, owner: type) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, client: Awaiting, owner: type) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, client: Blocking | Awaiting | None, owner: type) -> object:
        """Bind the pages to ``client``."""
        if client is None:
            return self
        bound: Callable[P, Pages[T]] = self.pages.__get__(client)

        @wraps(bound)
        def call(*args: P.args, **kwargs: P.kwargs) -> object:
            return client.each(bound(*args, **kwargs))

        return call
