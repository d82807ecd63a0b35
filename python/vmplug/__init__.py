# SPDX-License-Identifier: MIT
"""vmplug adds vCPUs, memory and disks to a running QEMU, and proves that the guest has them.

    import vmplug

    with vmplug.VM(qmp="/run/vm/qmp", agent="/run/vm/agent") as vm:
        vm.cpu_add(2)                        # returns when the guest has them, or raises
        vm.memory_add("512M")
        disk = vm.disk_add("data.qcow2", serial="S1")
        assert vm.status()["cpus"]["online"] == 3
        assert disk.stages[-1]["stage"] == "online"
        vm.disk_remove(disk.id)

An action that is no success raises what it came to: Blocked, Rejected, Refused, Pending, Lost, …,
all of them Error, with `why`, `fix` and `result`. With check=False it returns the result:

        result = vm.memory_remove("vmplug-mem-0", check=False, timeout=5)
        assert result.verdict in ("removed", "refused")

VM       looks and actions, each returns when it has ended; `vm.qmp` is its monitor
AsyncVM  the same for asyncio
QMP      a monitor alone: commands, events
Agent    a guest agent alone
Options  what each action takes by keyword: timeout, wait, check, on_stage, …

Times are in seconds, sizes in bytes or "512M" (powers of 1024), verdicts and stages the words of
the command (see vmplug(1)). The module needs libvmplug.so.0: that which $VMPLUG_LIBRARY names, or
the one that is installed. It does what is in the library's public headers and nothing beside.
"""
from __future__ import annotations

import ctypes as _ctypes

from ._abi import OstKind as _OstKind, OstOutcome as _OstOutcome, lib as _lib
from ._actions import Options, Size, size
from ._aio import AsyncEvents, AsyncVM
from ._errors import (
    Blocked, Busy, Cancelled, Error, Interrupted, Invalid, LimitExceeded, Lost, NotConnected,
    Partial, Pending, ProtocolError, Refused, Rejected, SystemFailure, Timeout, Unproven)
from ._result import Device, Result
from ._sessions import QMP, Agent, Event, Events, Socket
from ._vm import VM

__all__ = [
    "Agent", "AsyncEvents", "AsyncVM", "Blocked", "Busy", "Cancelled", "Device", "Error", "Event",
    "Events", "Interrupted", "Invalid", "LimitExceeded", "Lost", "NotConnected", "Options",
    "Partial", "Pending", "ProtocolError", "QMP", "Refused", "Rejected", "Result", "Size",
    "Socket", "SystemFailure", "Timeout", "Unproven", "VM", "ost_kind", "ost_meaning",
    "ost_outcome", "ost_source", "size", "version"]


for _class in [Error, *Error.__subclasses__(), VM, AsyncVM, QMP, Agent, Event, Events,
               AsyncEvents, Result, Device]:
    _class.__module__ = __name__  # where people look for it


def version() -> str:
    """The library's."""
    text: bytes = _lib.vmplug_version()
    return text.decode()


def ost_meaning(source: int, status: int) -> str:
    """What a guest says by _OST: ost_meaning(3, 0x84) of an eject request. ACPI 6.5, 6.3.5."""
    text = _ctypes.create_string_buffer(128)
    meaning: bytes = _lib.vmplug_ost_meaning(source, status, text, len(text))
    return meaning.decode()


def ost_source(source: int) -> str:
    """"eject request", "ejection processing", …"""
    name: bytes = _lib.vmplug_ost_source_name(source)
    return name.decode()


def ost_kind(source: int) -> str:
    """"insertion", "ejection", "shutdown" or "other"."""
    return _OstKind(_lib.vmplug_ost_kind(source)).name.lower()


def ost_outcome(source: int, status: int) -> str:
    """"success", "in-progress" or "failure"."""
    return _OstOutcome(_lib.vmplug_ost_outcome(source, status)).name.lower().replace("_", "-")
