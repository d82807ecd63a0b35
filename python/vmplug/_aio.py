# SPDX-License-Identifier: MIT
"""The same for asyncio."""
from __future__ import annotations

import asyncio
import os
import select
from typing import (
    Any, Awaitable, Callable, Dict, List, Mapping, Optional, Sequence, Set, Tuple, Union)

from . import _errors
from ._abi import Action, Look, lib
from ._actions import Options, request_of
from ._pumps import Pumps
from ._result import Result
from ._sessions import Answer, Event, Socket, Subscription, start_agent, start_qmp
from ._vm import Machine, Operation


class LoopPumps(Pumps):
    """Pumps that the running event loop drives."""

    def __init__(self, pumps: Sequence[Optional[int]]) -> None:
        super().__init__(pumps)
        self._loop: Optional[asyncio.AbstractEventLoop] = None
        self._watched: Dict[int, Tuple[int, int]] = {}  # of a pump: descriptor and events
        self._timer: Optional[asyncio.TimerHandle] = None
        self._waiters: Set[asyncio.Future[None]] = set()

    def _watch(self) -> None:
        """Brings readers, writers and the timer up to date."""
        assert self._loop is not None
        for pump in list(self._watched):
            if self._watched[pump] != self._wants(pump):
                self._unwatch(pump)
        for pump in self.alive:
            fd, events = wanted = self._wants(pump)
            if fd < 0 or pump in self._watched:
                continue
            self._watched[pump] = wanted
            if events & select.POLLIN:
                self._loop.add_reader(fd, self._on_ready, pump, select.POLLIN)
            if events & select.POLLOUT:
                self._loop.add_writer(fd, self._on_ready, pump, select.POLLOUT)
        if self._timer is not None:
            self._timer.cancel()
        timeout_ms = self.timeout_ms()
        self._timer = None
        if timeout_ms is not None:
            self._timer = self._loop.call_later(timeout_ms / 1000, self._on_time)

    def _wants(self, pump: int) -> Tuple[int, int]:
        if pump not in self.alive:
            return -1, 0
        return lib.vmplug_pump_fd(pump), lib.vmplug_pump_events(pump)

    def _unwatch(self, pump: int) -> None:
        fd, _ = self._watched.pop(pump)
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(fd)
            self._loop.remove_writer(fd)

    def process(self, pump: int, revents: int) -> None:
        if pump in self._watched:  # its descriptor may be closed in there, and be another's
            self._unwatch(pump)
        super().process(pump, revents)

    def _on_ready(self, pump: int, revents: int) -> None:
        if pump in self.alive:
            self.process(pump, revents)
        self._after()

    def _on_time(self) -> None:
        for pump in list(self.alive):
            self.process(pump, 0)
        self._after()

    def _after(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._watch()

    async def until(self, is_over: Callable[[], bool]) -> None:
        """Returns when it is over, or all is dead."""
        self._loop = asyncio.get_running_loop()
        self._watch()
        while not is_over() and self.alive:
            waiter = self._loop.create_future()
            self._waiters.add(waiter)
            try:
                await waiter
            finally:
                self._waiters.discard(waiter)

    def close(self) -> None:
        for pump in list(self._watched):
            self._unwatch(pump)
        if self._timer is not None:
            self._timer.cancel()
        super().close()
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)


class AsyncEvents:
    """QEMU's events since this was made: `async for event in vm.events(): …`"""

    def __init__(self, pumps: LoopPumps, subscription: Subscription) -> None:
        self._pumps = pumps
        self._subscription = subscription

    def __aiter__(self) -> AsyncEvents:
        return self

    async def __anext__(self) -> Event:
        """The next one; asyncio.wait_for() limits the time, and loses none. Lost."""
        while True:
            await self._pumps.until(self._subscription.has_news)
            event = self._subscription.next()
            if event is not None:
                return event

    def close(self) -> None:
        """Hears no more."""
        self._subscription.drop()

    def __del__(self) -> None:
        self._pumps.abandon(self._subscription)


class AsyncVM(Machine[Awaitable[Result]]):
    """One running VM, for asyncio: everything that VM has, to be awaited.

        async with vmplug.AsyncVM("/run/vm/qmp", "/run/vm/agent") as vm:
            await vm.cpu_add(2)
            await asyncio.gather(vm.status(), vm.qmp("query-status"))

    A task that is cancelled, and asyncio.wait_for() out of time, stop the operation and have what
    is half-made taken back before they go on. Cancelled once more, they do not wait for that.
    """

    _pumps: LoopPumps

    def __init__(self, qmp: Socket, agent: Optional[Socket] = None, *,
                 greeting_timeout: Optional[float] = None,
                 runtime_dir: Optional[Union[str, "os.PathLike[str]"]] = None,
                 qemu_pid: int = 0, check: bool = True) -> None:
        super().__init__(LoopPumps, qmp, agent, greeting_timeout, runtime_dir, qemu_pid, check)
        self._running: List[Operation] = []

    def _act(self, action: Action, fields: Dict[str, Any], options: Options) -> Awaitable[Result]:
        request = request_of(action, fields, options)

        async def run() -> Result:
            operation = Operation(self._pumps, options)
            self._running.append(operation)
            try:
                operation.start(self._live(), request)
                while not operation.is_over:
                    await self._pumps.until(operation.has_news)
                    operation.tell()
                result = operation.result()
            except BaseException as stop:
                operation.interrupt()
                await self._pumps.until(lambda: not operation.is_under_way)
                operation.stopped_by(stop)
                raise
            finally:
                self._running.remove(operation)
                operation.drop()
            return result.check() if self._is_checked(options) else result

        return run()

    async def _call(self, start: Callable[..., None], *arguments: Any) -> Any:
        answer = Answer(self._pumps)
        try:
            start(answer, *arguments)
            await self._pumps.until(lambda: answer.is_settled)
            return answer.value()
        finally:
            answer.drop()

    async def _look(self, kind: Look, timeout: Optional[float]) -> Dict[str, Any]:
        return dict(await self._call(self._start_look, kind, timeout))

    async def status(self, timeout: Optional[float] = None) -> Dict[str, Any]:
        """As VM.status()."""
        return await self._look(Look.STATUS, timeout)

    async def doctor(self, timeout: Optional[float] = None) -> Dict[str, Any]:
        """As VM.doctor()."""
        return await self._look(Look.DOCTOR, timeout)

    async def audit(self, timeout: Optional[float] = None) -> Dict[str, Any]:
        """As VM.audit()."""
        return await self._look(Look.AUDIT, timeout)

    async def qmp(self, command: str, arguments: Optional[Mapping[str, Any]] = None, *,
                  timeout: Optional[float] = None, fd: Optional[int] = None) -> Any:
        """As VM.qmp()."""
        return await self._call(start_qmp, self._qmp(), command, arguments, timeout, fd)

    async def agent(self, command: str, arguments: Optional[Mapping[str, Any]] = None, *,
                    timeout: float = 10) -> Any:
        """As VM.agent()."""
        return await self._call(start_agent, self._agent(), command, arguments, timeout)

    def events(self) -> AsyncEvents:
        """QEMU's events from now on."""
        return AsyncEvents(self._pumps, Subscription(self._pumps, self._qmp()))

    def close(self) -> None:
        """Ends the connections at once; what runs is told Cancelled. Idempotent."""
        self._close()

    async def __aenter__(self) -> AsyncVM:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stops what still runs and awaits that it is taken back."""
        for operation in self._running:
            operation.interrupt()
        await self._pumps.until(
            lambda: not any(operation.is_under_way for operation in self._running))
        self.close()
