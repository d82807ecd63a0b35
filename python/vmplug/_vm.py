# SPDX-License-Identifier: MIT
"""One running VM, to look at and to act on: for those who wait (VM)."""
from __future__ import annotations

import ctypes
import json
import os
from collections import deque
from typing import Any, Callable, Deque, Dict, List, Optional, Tuple, TypeVar, Union

from . import _abi, _errors
from ._abi import Action, ErrorStruct, Look, lib
from ._actions import Actions, Options, request_of
from ._pumps import Listener, Pumps, Undisturbed, on_device, on_done, on_look, on_stage
from ._result import Device, Result
from ._sessions import (
    Answer, Closing, Socket, VmAgent, VmQMP, call, milliseconds, socket_ends)

R = TypeVar("R")


class Operation(Listener):
    """One that is under way, or has not begun."""

    def __init__(self, pumps: Pumps, options: Options) -> None:
        super().__init__(pumps)
        self._handle: Optional[int] = None
        self._on_stage = options.get("on_stage")
        self._on_device = options.get("on_device")
        self._untold: Deque[Tuple[Callable[[Device], object], bytes]] = deque()
        self._devices: List[bytes] = []
        self._summary = b"{}"
        self._verdict = int(_abi.Verdict.FAILED)
        self._error = _errors.Error("it has not ended")

    def start(self, vm: int, request: _abi.Request) -> None:
        """Begins; or it ends at once, when there is nothing to wait for. Invalid."""
        error = ErrorStruct()
        observer = _abi.Observer(ctypes.sizeof(_abi.Observer), on_stage, on_device, on_done,
                                  self.key)
        with Undisturbed():
            self._handle = lib.vmplug_operation_start(vm, request, observer, error)
        if self._handle is not None:
            return
        self._error = _errors.from_struct(error)
        if error.code != _abi.ErrorCode.BLOCKED:
            raise self._error
        self._verdict = _abi.Verdict.BLOCKED
        self.ended = True

    # ---- what C tells ----

    def hear_stage(self, so_far: int) -> None:
        if self._on_stage is not None:
            self._untold.append((self._on_stage, lib.vmplug_result_json(so_far)))

    def hear_device(self, result: int) -> None:
        text = lib.vmplug_result_json(result)
        self._devices.append(text)
        if self._on_device is not None:
            self._untold.append((self._on_device, text))

    def hear_done(self, result: int) -> None:
        self.ended = True
        self._verdict = lib.vmplug_result_verdict(result)
        self._error = _errors.from_struct(lib.vmplug_result_error(result).contents, self._verdict)
        self._summary = lib.vmplug_result_json(result)

    # ---- what the program does ----

    def has_news(self) -> bool:
        return bool(self._untold) or self.is_settled

    @property
    def is_under_way(self) -> bool:
        return self._handle is not None and not self.ended

    @property
    def is_over(self) -> bool:
        return self.is_settled and not self._untold

    def tell(self) -> None:
        """The program's functions are called from here, and may raise."""
        while self._untold:
            function, text = self._untold.popleft()
            function(Device(json.loads(text)))

    def interrupt(self) -> None:
        with Undisturbed():
            if self.is_under_way:
                lib.vmplug_operation_interrupt(self._handle)

    def stopped_by(self, stop: BaseException) -> None:
        """What came of it goes along with what stopped it, if that says nothing else."""
        if self.ended and stop.__cause__ is None and self._handle is not None:
            stop.__cause__ = self.result().error

    def result(self) -> Result:
        if self.failure is not None:
            raise self.failure
        devices = [Device(json.loads(text)) for text in self._devices]
        is_success = lib.vmplug_verdict_is_success(self._verdict)
        result = Result(self._verdict, devices, json.loads(self._summary),
                        None if is_success else self._error)
        self._error.result = result
        return result

    def withdraw(self) -> None:
        lib.vmplug_operation_free(self._handle)
        self._handle = None


class Machine(Actions[R], Closing):
    """What VM and AsyncVM have in common."""

    _handle: Optional[int] = None

    def __init__(self, pumps: Callable[[List[Optional[int]]], Any], qmp: Socket,
                 agent: Optional[Socket], greeting_timeout: Optional[float],
                 runtime_dir: Optional[Union[str, "os.PathLike[str]"]], qemu_pid: int,
                 check: bool) -> None:
        error = ErrorStruct()
        options = _abi.VmOptions(struct_bytes=ctypes.sizeof(_abi.VmOptions),
                                 greeting_timeout_ms=milliseconds(greeting_timeout),
                                 qemu_pid=qemu_pid)
        options.qmp_path, options.qmp_fd = socket_ends(qmp)
        if agent is not None:
            options.agent_path, options.agent_fd = socket_ends(agent)
        if runtime_dir is not None:
            options.runtime_dir = os.fsencode(runtime_dir)
        with Undisturbed():
            self._handle = lib.vmplug_vm_open(options, error)
        if self._handle is None:
            raise _errors.from_struct(error)
        self._check = check
        pointers = (ctypes.c_void_p * _abi.VM_PUMPS_MAX)()
        count = lib.vmplug_vm_pumps(self._handle, pointers)
        self._pumps = pumps(list(pointers[:count]))

    def _is_open(self) -> bool:
        return self._handle is not None

    def _live(self) -> int:
        if self._handle is None:
            raise _errors.Invalid("the VM is closed")
        return self._handle

    def _qmp(self) -> int:
        return int(lib.vmplug_vm_qmp(self._live()))

    def _agent(self) -> int:
        handle = lib.vmplug_vm_agent(self._live())
        if handle is None:
            raise _errors.NotConnected("the VM has no agent")
        return int(handle)

    def _start_look(self, answer: Answer, kind: Look, timeout: Optional[float]) -> None:
        answer.start(lib.vmplug_look_start, lambda _, look: lib.vmplug_look_cancel(look),
                     self._live(), kind, milliseconds(timeout), on_look)

    def _is_checked(self, options: Options) -> bool:
        return options.get("check", self._check)

    def _close(self) -> None:
        with Undisturbed():
            if self._handle is not None:
                self._pumps.close()
                lib.vmplug_vm_free(self._handle)
                self._handle = None


class VM(Machine[Result]):
    """One running VM. Nothing is sent before the first call.

        with vmplug.VM(qmp="/run/vm/qmp", agent="/run/vm/agent") as vm:
            result = vm.cpu_add(2)
            assert vm.status()["cpus"]["online"] == 3

    qmp, agent        sockets: paths, or connected sockets, which are taken over. Without an agent
                      the guest's side can't be confirmed, and results say so.
    greeting_timeout  in seconds; default 5
    runtime_dir       where requests that stand are recorded; "": nowhere; default: where the
                      command keeps them
    qemu_pid          QEMU's process, where it has not made the sockets itself
    check             the default of each action's: raise what is no success

    Each action returns when it has ended. Whatever is raised meanwhile, such as KeyboardInterrupt
    or an exception of on_stage, first stops it and awaits that what is half-made is taken back;
    what came of it is then its __cause__, an Interrupted. A second KeyboardInterrupt does not wait.

    A VM is used by one thread at a time. NotConnected.
    """

    def __init__(self, qmp: Socket, agent: Optional[Socket] = None, *,
                 greeting_timeout: Optional[float] = None,
                 runtime_dir: Optional[Union[str, "os.PathLike[str]"]] = None,
                 qemu_pid: int = 0, check: bool = True) -> None:
        super().__init__(Pumps, qmp, agent, greeting_timeout, runtime_dir, qemu_pid, check)
        #: Its QMP session, for commands and events: vm.qmp("query-status").
        self.qmp = VmQMP(self._qmp(), self._pumps)
        #: Its session with the agent: vm.agent("guest-get-vcpus"). NotConnected when it has none.
        self.agent = VmAgent(lib.vmplug_vm_agent(self._handle), self._pumps)
        #: QEMU's events from now on, as QMP.events().
        self.events = self.qmp.events

    def _act(self, action: Action, fields: Dict[str, Any], options: Options) -> Result:
        request = request_of(action, fields, options)
        operation = Operation(self._pumps, options)
        try:
            operation.start(self._live(), request)
            while not operation.is_over:
                self._pumps.wait(operation.has_news)
                operation.tell()
            result = operation.result()
        except BaseException as stop:
            operation.interrupt()
            self._pumps.wait(lambda: not operation.is_under_way)
            operation.stopped_by(stop)
            raise
        finally:
            operation.drop()
        return result.check() if self._is_checked(options) else result

    def _look(self, kind: Look, timeout: Optional[float]) -> Dict[str, Any]:
        return dict(call(self._pumps, self._start_look, kind, timeout))

    def status(self, timeout: Optional[float] = None) -> Dict[str, Any]:
        """What there is, and what can still grow: the object of `vmplug status --json`."""
        return self._look(Look.STATUS, timeout)

    def doctor(self, timeout: Optional[float] = None) -> Dict[str, Any]:
        """Whether it can grow, each prerequisite with its fix: `vmplug doctor --json`."""
        return self._look(Look.DOCTOR, timeout)

    def audit(self, timeout: Optional[float] = None) -> Dict[str, Any]:
        """What half-finished plugs left behind: `vmplug audit --json`."""
        return self._look(Look.AUDIT, timeout)

    def close(self) -> None:
        """Ends the connections. Idempotent."""
        self.qmp.close()
        self.agent.close()
        self._close()

    def __enter__(self) -> VM:
        return self
