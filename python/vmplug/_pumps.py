# SPDX-License-Identifier: MIT
"""Driving the library's pumps from Python, and hearing what it tells.

The loop is Python's own, so that a signal's handler may raise, but only there: while C runs, and
with it the functions that it calls back, signals wait. An exception would be lost in a function
that C has called, and so would what C was telling.

For the same reason such a function only notes what it is told. What the program wants to hear is
told it afterwards, when no C is on the stack: it may raise, and call whatever it likes.
"""
from __future__ import annotations

import ctypes
import itertools
import select
import signal
import time
from typing import Any, Callable, Dict, List, Optional, Sequence, Set

from . import _abi
from ._abi import PumpResult, lib
from ._errors import Cancelled

_FATAL = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT}
_DEFERRED = signal.valid_signals() - _FATAL
_POLL_MAX_MS = 2**31 - 1


class Undisturbed:
    """`with Undisturbed():` no signal's handler runs in here; it runs at the end.

    (In a process with other threads, which may take the signal, almost none.)
    """

    def __enter__(self) -> None:
        self._before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        try:
            signal.pthread_sigmask(signal.SIG_BLOCK, _DEFERRED)
        except BaseException:  # a handler's, from before, but the mask is set
            signal.pthread_sigmask(signal.SIG_SETMASK, self._before)
            raise

    def __exit__(self, *_: object) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._before)


# ---- what C tells ----

class Listener:
    """One that C tells something, by a number that C is given in its place.

    C may hold on to the number for longer than anybody holds the listener: then it tells nobody.
    The functions that C calls are made once, and stay.
    """

    def __init__(self, pumps: Pumps) -> None:
        self.key = next(_keys)
        self.ended = False
        self.failure: Optional[BaseException] = None
        self._pumps = pumps
        _listeners[self.key] = self
        pumps.listeners.add(self)

    @property
    def is_settled(self) -> bool:
        return self.ended or self.failure is not None

    def withdraw(self) -> None:
        """Ends it in C, too."""

    def drop(self) -> None:
        """Hears no more. Idempotent; before the handle that it depends on is freed."""
        with Undisturbed():
            if _listeners.pop(self.key, None) is None:
                return
            self._pumps.listeners.discard(self)
            if not self.is_settled:
                self.failure = Cancelled("what it ran on was closed")
            self.withdraw()


_keys = itertools.count(1)
_listeners: Dict[int, Listener] = {}


def _teller(method: str) -> Callable[..., None]:
    def tell(user: int, *what: Any) -> None:
        listener = _listeners.get(user)
        if listener is None:
            return
        try:
            getattr(listener, method)(*what)
        except BaseException as failure:  # memory ran out: there is nothing else that fails
            listener.failure = failure

    return tell


on_reply = _abi.ToldFn(_teller("hear_reply"))
on_look = _abi.LookFn(_teller("hear_look"))
on_event = _abi.ToldFn(_teller("hear_event"))
on_stage = _abi.ToldFn(_teller("hear_stage"))
on_device = _abi.ToldFn(_teller("hear_device"))
on_done = _abi.ToldFn(_teller("hear_done"))


# ---- driving ----

class Pumps:
    """The pumps of one session, driven by poll(2)."""

    def __init__(self, pumps: Sequence[Optional[int]]) -> None:
        self.alive: List[int] = [pump for pump in pumps if pump is not None]
        self.listeners: Set[Listener] = set()
        self._abandoned: List[Listener] = []

    def abandon(self, listener: Listener) -> None:
        """Has it dropped soon: for finalizers, which run at any time, and in any thread."""
        self._abandoned.append(listener)

    def close(self) -> None:
        """Before the handle that they belong to is freed."""
        for listener in list(self.listeners):
            listener.drop()
        self.alive.clear()

    def process(self, pump: int, revents: int) -> None:
        """Callbacks of C fire in here, and only in here."""
        while self._abandoned:
            self._abandoned.pop().drop()
        with Undisturbed():
            if lib.vmplug_pump_process(pump, revents) == PumpResult.DEAD:
                self.alive.remove(pump)

    def timeout_ms(self) -> Optional[int]:
        """Until one of them is to be called though nothing happens."""
        return min((ms for ms in map(lib.vmplug_pump_timeout_ms, self.alive) if ms >= 0),
                   default=None)

    def step(self, until: float) -> None:
        """Waits until something happens, or time.monotonic() is `until`, and deals with it."""
        poll = select.poll()
        timeout_ms = self.timeout_ms()
        if until != float("inf"):
            rest_ms = max(0, min(int((until - time.monotonic()) * 1000) + 1, _POLL_MAX_MS))
            timeout_ms = rest_ms if timeout_ms is None else min(timeout_ms, rest_ms)
        for pump in self.alive:
            if lib.vmplug_pump_fd(pump) >= 0:
                poll.register(lib.vmplug_pump_fd(pump), lib.vmplug_pump_events(pump))
        ready = dict(poll.poll(timeout_ms))
        for pump in list(self.alive):
            self.process(pump, ready.get(lib.vmplug_pump_fd(pump), 0))

    def wait(self, is_over: Callable[[], bool], timeout: Optional[float] = None) -> bool:
        """Drives until it is over (True), or so many seconds have passed, or all is dead."""
        until = time.monotonic() + timeout if timeout is not None else float("inf")
        while not is_over():
            if not self.alive or time.monotonic() >= until:
                return False
            self.step(until)
        return True


def take_text(pointer: Optional[int]) -> Optional[bytes]:
    """A text that the library has handed over, and which is freed here."""
    if pointer is None:
        return None
    text = ctypes.string_at(pointer)
    lib.vmplug_text_free(pointer)
    return text
