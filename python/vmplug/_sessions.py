# SPDX-License-Identifier: MIT
"""The protocols themselves: a QMP session, one with a guest agent, and QEMU's events."""
from __future__ import annotations

import ctypes
import json
import os
import socket as sockets
import sys
import time
import warnings
from collections import deque
from types import TracebackType
from typing import Any, Callable, Deque, Mapping, NamedTuple, Optional, Tuple, Type, Union

from . import _abi, _errors
from ._abi import ErrorStruct, lib
from ._pumps import Listener, Pumps, Undisturbed, on_event, on_reply, take_text

#: Where a socket is: its path, or a connected socket, which is taken over.
Socket = Union[str, "os.PathLike[str]", sockets.socket]


def socket_ends(socket: Socket) -> Tuple[Optional[bytes], int]:
    """The path and descriptor that the library wants; one of them says nothing."""
    if isinstance(socket, sockets.socket):
        return None, socket.detach()
    return os.fsencode(socket), -1


def milliseconds(seconds: Optional[float]) -> float:
    """0, the library's default, for None. Invalid."""
    if seconds is None:
        return 0.0
    if not seconds > 0:
        raise _errors.Invalid(f"{seconds} seconds are no time limit")
    return seconds * 1000


class Answer(Listener):
    """To a command or a look: JSON, or an error."""

    def __init__(self, pumps: Pumps) -> None:
        super().__init__(pumps)
        self._json: Optional[bytes] = None
        self._error: Optional[_errors.Error] = None
        self._cancel: Callable[[], object] = lambda: None

    def start(self, function: Callable[..., Optional[int]], cancel: Callable[..., object],
              handle: int, *arguments: Any) -> None:
        """Has C begin, which returns what takes it back. Invalid, LimitExceeded, Lost, …"""
        error = ErrorStruct()
        with Undisturbed():
            started = function(handle, *arguments, self.key, error)
            if started is None or started == -1:
                raise _errors.from_struct(error)
            self._cancel = lambda: cancel(handle, started)

    def hear_reply(self, reply: int) -> None:
        self.ended = True
        error = lib.vmplug_reply_error(reply)
        self._error = _errors.from_struct(error.contents) if error else None
        self._json = lib.vmplug_reply_json(reply, None)

    def hear_look(self, text: Optional[bytes], error: Any) -> None:
        self.ended = True
        self._error = _errors.from_struct(error.contents) if error else None
        self._json = text

    def value(self) -> Any:
        """What was answered. Raises what came instead."""
        if self.failure is not None:
            raise self.failure
        if self._error is not None:
            raise self._error
        if self._json is None:
            raise _errors.SystemFailure("no answer, or no memory for it")
        return json.loads(self._json)

    def withdraw(self) -> None:
        if not self.ended:
            self._cancel()


def start_qmp(answer: Answer, handle: int, command: str, arguments: Optional[Mapping[str, Any]],
              timeout: Optional[float], fd: Optional[int]) -> None:
    """Sends a command of QMP; a descriptor goes as a copy."""
    text = json.dumps(arguments).encode() if arguments is not None else None
    timeout_ms = milliseconds(timeout)
    if fd is None:
        answer.start(lib.vmplug_qmp_submit, lib.vmplug_qmp_cancel, handle, command.encode(), text,
                     timeout_ms, on_reply)
    else:
        answer.start(lib.vmplug_qmp_submit_fd, lib.vmplug_qmp_cancel, handle, command.encode(),
                     text, os.dup(fd), timeout_ms, on_reply)


def start_agent(answer: Answer, handle: int, command: str,
                arguments: Optional[Mapping[str, Any]], timeout: float) -> None:
    """Sends a command of the agent."""
    text = json.dumps(arguments).encode() if arguments is not None else None
    answer.start(lib.vmplug_agent_submit, lib.vmplug_agent_cancel, handle, command.encode(), text,
                 milliseconds(timeout), on_reply)


def call(pumps: Pumps, start: Callable[..., None], *arguments: Any) -> Any:
    """Starts something that is answered, and waits for the answer."""
    answer = Answer(pumps)
    try:
        start(answer, *arguments)
        pumps.wait(lambda: answer.is_settled)
        return answer.value()
    finally:
        answer.drop()


class Closing:
    """What is to be closed: by close(), or as `with …:`."""

    def close(self) -> None:
        raise NotImplementedError

    def _is_open(self) -> bool:
        raise NotImplementedError

    def __del__(self) -> None:
        if not sys.is_finalizing() and self._is_open():
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self)
            self.close()

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.close()


# ---- events ----

class Event(NamedTuple):
    """An event of QEMU."""

    #: "ACPI_DEVICE_OST"
    name: str
    data: Mapping[str, Any]
    #: When it was read here, on CLOCK_MONOTONIC.
    monotonic_ms: float
    #: All of it.
    json: Mapping[str, Any]


class Subscription(Listener):
    """All events of QEMU from when it was made until it is dropped."""

    def __init__(self, pumps: Pumps, qmp: int) -> None:
        self._qmp = qmp
        self._heard: Deque[Tuple[float, bytes]] = deque()
        self._number = 0
        self._raise_failure()
        super().__init__(pumps)
        with Undisturbed():
            self._number = lib.vmplug_qmp_subscribe(qmp, on_event, self.key)
            if self._number == 0:
                raise _errors.SystemFailure("out of memory")

    def hear_event(self, event: Optional[int]) -> None:
        if event is None:
            self.ended = True
        else:
            self._heard.append(
                (lib.vmplug_event_monotonic_ms(event), lib.vmplug_event_json(event)))

    def has_news(self) -> bool:
        return bool(self._heard) or self.is_settled

    def next(self) -> Optional[Event]:
        """None when there is none. Lost when there will be none."""
        if self._heard:
            monotonic_ms, text = self._heard.popleft()
            event = json.loads(text)
            return Event(event["event"], event.get("data", {}), monotonic_ms, event)
        if self.failure is not None:
            raise self.failure
        self._raise_failure()
        return None

    def _raise_failure(self) -> None:
        error = ErrorStruct()
        if lib.vmplug_qmp_failure(self._qmp, error) == 0:
            self.ended = True
            raise _errors.from_struct(error)

    def withdraw(self) -> None:
        self.failure = _errors.Cancelled("the events are closed")
        if self._number != 0:
            lib.vmplug_qmp_unsubscribe(self._qmp, self._number)


class Events:
    """QEMU's events since this was made, an iterator; what comes while others wait is kept.

    A loop over it lasts until its `timeout`, in seconds from the loop's begin, or for ever.
    """

    def __init__(self, pumps: Pumps, subscription: Subscription, timeout: Optional[float]) -> None:
        self._pumps = pumps
        self._subscription = subscription
        self._timeout = timeout
        self.__iter__()

    def __iter__(self) -> Events:
        timeout = self._timeout if self._timeout is not None else float("inf")
        self._until = time.monotonic() + timeout
        return self

    def __next__(self) -> Event:
        event = self._next(self._until)
        if event is None:
            raise StopIteration
        return event

    def _next(self, until: float) -> Optional[Event]:
        rest = max(0.0, until - time.monotonic()) if until != float("inf") else None
        self._pumps.wait(self._subscription.has_news, rest)
        return self._subscription.next()

    def wait(self, name: str, timeout: float = 60) -> Event:
        """The next event of this name; those before it are passed over. Timeout, Lost."""
        until = time.monotonic() + timeout
        while True:
            event = self._next(until)
            if event is None:
                raise _errors.Timeout(f"no event {name} came within {timeout} s")
            if event.name == name:
                return event

    def close(self) -> None:
        """Hears no more."""
        self._subscription.drop()

    def __enter__(self) -> Events:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self._pumps.abandon(self._subscription)


# ---- sessions ----

class Session(Closing):
    """What QMP and Agent have in common."""

    _handle: Optional[int] = None
    _free: Callable[[int], None]

    def __init__(self, pumps: Pumps) -> None:
        self._pumps = pumps

    def _is_open(self) -> bool:
        return self._handle is not None

    def _live(self) -> int:
        if self._handle is None:
            raise _errors.Invalid("it is closed")
        return self._handle

    def _call(self, start: Callable[..., None], *arguments: Any) -> Any:
        return call(self._pumps, start, *arguments)

    def close(self) -> None:
        """Ends the session. Idempotent."""
        with Undisturbed():
            if self._handle is not None:
                self._pumps.close()
                self._free(self._handle)
                self._handle = None


class QMP(Session):
    """A QMP session with a running QEMU.

    socket            its path, or a connected socket, which is taken over
    greeting_timeout  in seconds; default 5

    Returns when QEMU has greeted. NotConnected, Busy, ProtocolError, Lost.

        with vmplug.QMP("/run/vm/qmp") as qmp:
            qmp("query-status")["running"]
            qmp("device_del", {"id": "d1"})

    `vm.qmp` is one, too: the VM's own.
    """

    def __init__(self, socket: Socket, *, greeting_timeout: Optional[float] = None) -> None:
        error = ErrorStruct()
        options = _abi.QmpOptions(struct_bytes=ctypes.sizeof(_abi.QmpOptions),
                                  greeting_timeout_ms=milliseconds(greeting_timeout))
        path, fd = socket_ends(socket)
        with Undisturbed():
            self._handle = lib.vmplug_qmp_open(path, fd, options, error)
        if self._handle is None:
            raise _errors.from_struct(error)
        self._free = lib.vmplug_qmp_free
        Session.__init__(self, Pumps([lib.vmplug_qmp_pump(self._handle)]))
        try:
            self._pumps.wait(lambda: bool(lib.vmplug_qmp_is_ready(self._live())))
            if lib.vmplug_qmp_failure(self._handle, error) == 0:
                raise _errors.from_struct(error)
        except BaseException:
            self.close()
            raise

    def __call__(self, command: str, arguments: Optional[Mapping[str, Any]] = None, *,
                 timeout: Optional[float] = None, fd: Optional[int] = None) -> Any:
        """Sends a command and returns its "return" value.

        timeout  in seconds; without it, as long as QEMU takes
        fd       a descriptor to send along, for getfd and add-fd; it stays yours

        Rejected (with QEMU's class_name), Timeout, Lost, Busy, …
        """
        return self._call(start_qmp, self._live(), command, arguments, timeout, fd)

    def events(self, timeout: Optional[float] = None) -> Events:
        """QEMU's events from now on. An event can come before the answer to what caused it:
        make this first.

            with qmp.events() as events:
                qmp("system_powerdown")
                events.wait("POWERDOWN", timeout=5)
            for event in qmp.events(timeout=5): ...
        """
        return Events(self._pumps, Subscription(self._pumps, self._live()), timeout)

    @property
    def greeting(self) -> Mapping[str, Any]:
        """QEMU's version and capabilities; empty before it has greeted."""
        text = take_text(lib.vmplug_qmp_greeting(self._live()))
        return dict(json.loads(text)) if text is not None else {}

    @property
    def peer(self) -> int:
        """The process that made the socket at the other end; 0 when unknown."""
        return int(lib.vmplug_qmp_peer(self._live()))

    def __enter__(self) -> QMP:
        return self


class Agent(Session):
    """A session with a guest agent. What answers runs inside the guest: believe it nothing.

        with vmplug.Agent("/run/vm/agent") as agent:
            agent("guest-get-vcpus")

    An agent that is absent, or held by another client, such as a VM, is merely silent: Timeout.
    NotConnected.
    """

    def __init__(self, socket: Socket, *, sync_timeout: Optional[float] = None) -> None:
        error = ErrorStruct()
        options = _abi.AgentOptions(struct_bytes=ctypes.sizeof(_abi.AgentOptions),
                                    sync_timeout_ms=milliseconds(sync_timeout))
        path, fd = socket_ends(socket)
        with Undisturbed():
            self._handle = lib.vmplug_agent_open(path, fd, options, error)
        if self._handle is None:
            raise _errors.from_struct(error)
        self._free = lib.vmplug_agent_free
        Session.__init__(self, Pumps([lib.vmplug_agent_pump(self._handle)]))

    def __call__(self, command: str, arguments: Optional[Mapping[str, Any]] = None, *,
                 timeout: float = 10) -> Any:
        """Sends a command and returns its "return" value. Rejected, Timeout, Lost, …"""
        return self._call(start_agent, self._live(), command, arguments, timeout)

    def __enter__(self) -> Agent:
        return self


# ---- those that a VM has; they end with it ----

class VmSession(Session):
    def __init__(self, handle: Optional[int], pumps: Pumps) -> None:
        Session.__init__(self, pumps)
        self._handle = handle

    def close(self) -> None:
        self._handle = None

    def __del__(self) -> None:
        pass


class VmQMP(VmSession, QMP):
    """The monitor of a VM."""


class VmAgent(VmSession, Agent):
    """The guest agent of a VM, if it has one."""

    def _live(self) -> int:
        if self._handle is None:
            raise _errors.NotConnected("the VM has no agent, or is closed")
        return self._handle
