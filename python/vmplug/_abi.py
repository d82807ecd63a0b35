# SPDX-License-Identifier: MIT
"""libvmplug as its public headers declare it: numbers, structures and functions.

The names are the headers'. tests/python/test_abi.py holds all of it against them.
"""
from __future__ import annotations

import ctypes
import os
from ctypes import (
    CFUNCTYPE, POINTER, Structure, c_char, c_char_p, c_double, c_int, c_int64, c_short, c_size_t,
    c_uint, c_uint32, c_uint64, c_void_p)
from enum import IntEnum
from typing import Any, Dict, List, Tuple

SONAME = "libvmplug.so.0"


def load() -> ctypes.CDLL:
    """$VMPLUG_LIBRARY, or where the loader finds it. ImportError."""
    name = os.environ.get("VMPLUG_LIBRARY") or SONAME
    try:
        return ctypes.CDLL(name)
    except OSError as error:
        raise ImportError(
            f"vmplug needs the library {SONAME}, and {error}; install vmplug and run ldconfig, "
            f"or let VMPLUG_LIBRARY name the file, such as build/.libs/{SONAME}") from error


# ---- numbers ----

class ErrorCode(IntEnum):
    NONE = 0
    INVALID = 1
    BLOCKED = 2
    CONNECT = 3
    BUSY = 4
    PROTOCOL = 5
    LIMIT = 6
    REJECTED = 7
    TIMEOUT = 8
    DISCONNECTED = 9
    CANCELLED = 10
    SYSTEM = 11


class OstKind(IntEnum):
    INSERTION = 0
    EJECTION = 1
    SHUTDOWN = 2
    OTHER = 3


class OstOutcome(IntEnum):
    SUCCESS = 0
    IN_PROGRESS = 1
    FAILURE = 2


class PumpResult(IntEnum):
    IDLE = 0
    PROGRESS = 1
    DEAD = 2


class Look(IntEnum):
    STATUS = 0
    DOCTOR = 1
    AUDIT = 2


class Action(IntEnum):
    CPU_ADD = 0
    CPU_SET = 1
    CPU_REMOVE = 2
    MEMORY_ADD = 3
    MEMORY_SET = 4
    MEMORY_RESIZE = 5
    MEMORY_REMOVE = 6
    DISK_ADD = 7
    DISK_REMOVE = 8
    DISK_RESIZE = 9
    DISK_THROTTLE = 10
    CDROM_INSERT = 11
    CDROM_EJECT = 12
    WAIT = 13


class Level(IntEnum):
    HIGHEST = 0
    ACCEPTED = 1
    REALIZED = 2
    ACKNOWLEDGED = 3
    ONLINE = 4


class Backend(IntEnum):
    RAM = 0
    MEMFD = 1
    FILE = 2


class Verdict(IntEnum):
    ACCEPTED = 0
    REALIZED = 1
    ACKNOWLEDGED = 2
    ONLINE = 3
    REMOVED = 4
    DONE = 5
    UNCONFIRMED = 6
    REJECTED = 7
    REFUSED = 8
    PENDING = 9
    BLOCKED = 10
    UNPROVEN = 11
    LOST = 12
    PARTIAL = 13
    INTERRUPTED = 14
    FAILED = 15


VM_PUMPS_MAX = 3


# ---- structures; opaque ones are void pointers ----

TraceFn = CFUNCTYPE(None, c_void_p, c_char_p, c_int, c_void_p, c_size_t)
ToldFn = CFUNCTYPE(None, c_void_p, c_void_p)  # of a reply, an event, a result
UserFn = CFUNCTYPE(None, c_void_p)
ConditionFn = CFUNCTYPE(c_int, c_void_p)


class ErrorStruct(Structure):
    _fields_ = [("code", c_int), ("class_name", c_char * 48), ("why", c_char * 384),
                ("fix", c_char * 256)]


LookFn = CFUNCTYPE(None, c_void_p, c_char_p, POINTER(ErrorStruct))


class QmpOptions(Structure):
    _fields_ = [("struct_bytes", c_size_t), ("greeting_timeout_ms", c_double),
                ("message_bytes_max", c_size_t), ("pending_max", c_uint), ("trace", TraceFn),
                ("trace_user", c_void_p)]


class AgentOptions(Structure):
    _fields_ = [("struct_bytes", c_size_t), ("sync_timeout_ms", c_double),
                ("message_bytes_max", c_size_t), ("trace", TraceFn), ("trace_user", c_void_p)]


class VmOptions(Structure):
    _fields_ = [("struct_bytes", c_size_t), ("qmp_path", c_char_p), ("agent_path", c_char_p),
                ("qmp_fd", c_int), ("agent_fd", c_int), ("greeting_timeout_ms", c_double),
                ("runtime_dir", c_char_p), ("trace", TraceFn), ("trace_user", c_void_p),
                ("qemu_pid", c_int)]


class Request(Structure):
    _fields_ = [("struct_bytes", c_size_t), ("action", c_int), ("level", c_int),
                ("timeout_ms", c_double), ("count", c_uint64), ("bytes", c_uint64),
                ("names", POINTER(c_char_p)), ("name_count", c_size_t), ("id", c_char_p),
                ("file", c_char_p), ("force", c_int), ("atomic", c_int), ("dry_run", c_int),
                ("virtio_mem", c_int), ("backend", c_int), ("hugepages", c_int),
                ("movable", c_int), ("node_set", c_int), ("node", c_uint), ("format", c_char_p),
                ("serial", c_char_p), ("bus", c_char_p), ("lun_set", c_int), ("lun", c_uint),
                ("read_only", c_int), ("iops_set", c_int), ("bps_set", c_int), ("iops", c_uint64),
                ("bps", c_uint64)]


class Observer(Structure):
    _fields_ = [("struct_bytes", c_size_t), ("stage", ToldFn), ("device", ToldFn),
                ("done", ToldFn), ("user", c_void_p)]


# ---- functions ----

_error = POINTER(ErrorStruct)
_text = c_void_p  # handed over, for vmplug_text_free(): c_char_p would be a copy and lose it
_json = POINTER(_text)

FUNCTIONS: Dict[str, Tuple[Any, List[Any]]] = {
    # acpi.h
    "vmplug_ost_kind": (c_int, [c_uint32]),
    "vmplug_ost_outcome": (c_int, [c_uint32, c_uint32]),
    "vmplug_ost_source_name": (c_char_p, [c_uint32]),
    "vmplug_ost_meaning": (c_char_p, [c_uint32, c_uint32, c_char_p, c_size_t]),
    # agent.h
    "vmplug_agent_open": (c_void_p, [c_char_p, c_int, POINTER(AgentOptions), _error]),
    "vmplug_agent_free": (None, [c_void_p]),
    "vmplug_agent_pump": (c_void_p, [c_void_p]),
    "vmplug_agent_failure": (c_int, [c_void_p, _error]),
    "vmplug_agent_submit": (
        c_int64, [c_void_p, c_char_p, c_char_p, c_double, ToldFn, c_void_p, _error]),
    "vmplug_agent_cancel": (None, [c_void_p, c_int64]),
    "vmplug_agent_call": (_text, [c_void_p, c_char_p, c_char_p, c_double, _error]),
    # error.h
    "vmplug_error_name": (c_char_p, [c_int]),
    "vmplug_version": (c_char_p, []),
    "vmplug_text_free": (None, [_text]),
    # pump.h
    "vmplug_pump_fd": (c_int, [c_void_p]),
    "vmplug_pump_events": (c_short, [c_void_p]),
    "vmplug_pump_deadline_ms": (c_double, [c_void_p]),
    "vmplug_pump_timeout_ms": (c_int, [c_void_p]),
    "vmplug_pump_process": (c_int, [c_void_p, c_short]),
    "vmplug_pump_on_change": (None, [c_void_p, UserFn, c_void_p]),
    "vmplug_pump_run": (c_int, [POINTER(c_void_p), c_size_t, ConditionFn, c_void_p, c_double]),
    # qmp.h
    "vmplug_reply_error": (_error, [c_void_p]),
    "vmplug_reply_json": (c_char_p, [c_void_p, POINTER(c_size_t)]),
    "vmplug_event_name": (c_char_p, [c_void_p]),
    "vmplug_event_monotonic_ms": (c_double, [c_void_p]),
    "vmplug_event_json": (c_char_p, [c_void_p]),
    "vmplug_qmp_open": (c_void_p, [c_char_p, c_int, POINTER(QmpOptions), _error]),
    "vmplug_qmp_free": (None, [c_void_p]),
    "vmplug_qmp_pump": (c_void_p, [c_void_p]),
    "vmplug_qmp_is_ready": (c_int, [c_void_p]),
    "vmplug_qmp_failure": (c_int, [c_void_p, _error]),
    "vmplug_qmp_wait_ready": (c_int, [c_void_p, _error]),
    "vmplug_qmp_greeting": (_text, [c_void_p]),
    "vmplug_qmp_peer": (c_int, [c_void_p]),
    "vmplug_qmp_submit": (
        c_int64, [c_void_p, c_char_p, c_char_p, c_double, ToldFn, c_void_p, _error]),
    "vmplug_qmp_submit_fd": (
        c_int64, [c_void_p, c_char_p, c_char_p, c_int, c_double, ToldFn, c_void_p, _error]),
    "vmplug_qmp_cancel": (None, [c_void_p, c_int64]),
    "vmplug_qmp_subscribe": (c_uint, [c_void_p, ToldFn, c_void_p]),
    "vmplug_qmp_unsubscribe": (None, [c_void_p, c_uint]),
    "vmplug_qmp_call": (_text, [c_void_p, c_char_p, c_char_p, c_double, _error]),
    # vmm.h
    "vmplug_vm_open": (c_void_p, [POINTER(VmOptions), _error]),
    "vmplug_vm_free": (None, [c_void_p]),
    "vmplug_vm_pumps": (c_size_t, [c_void_p, POINTER(c_void_p)]),
    "vmplug_vm_qmp": (c_void_p, [c_void_p]),
    "vmplug_vm_agent": (c_void_p, [c_void_p]),
    "vmplug_look_start": (c_void_p, [c_void_p, c_int, c_double, LookFn, c_void_p, _error]),
    "vmplug_look_cancel": (None, [c_void_p]),
    "vmplug_status": (_text, [c_void_p, c_double, _error]),
    "vmplug_doctor": (_text, [c_void_p, c_double, _error]),
    "vmplug_audit": (_text, [c_void_p, c_double, _error]),
    "vmplug_level_name": (c_char_p, [c_int]),
    "vmplug_verdict_name": (c_char_p, [c_int]),
    "vmplug_verdict_is_success": (c_int, [c_int]),
    "vmplug_result_verdict": (c_int, [c_void_p]),
    "vmplug_result_id": (c_char_p, [c_void_p]),
    "vmplug_result_level": (c_int, [c_void_p]),
    "vmplug_result_asked": (c_uint64, [c_void_p]),
    "vmplug_result_done": (c_uint64, [c_void_p]),
    "vmplug_result_error": (_error, [c_void_p]),
    "vmplug_result_json": (c_char_p, [c_void_p]),
    "vmplug_operation_start": (c_void_p, [c_void_p, POINTER(Request), POINTER(Observer), _error]),
    "vmplug_operation_interrupt": (None, [c_void_p]),
    "vmplug_operation_free": (None, [c_void_p]),
    "vmplug_run": (c_int, [c_void_p, POINTER(Request), _json, _error]),
    "vmplug_cpu_add": (c_int, [c_void_p, c_uint, c_double, _json, _error]),
    "vmplug_cpu_set": (c_int, [c_void_p, c_uint, c_double, _json, _error]),
    "vmplug_cpu_remove": (c_int, [c_void_p, c_char_p, c_double, _json, _error]),
    "vmplug_memory_add": (c_int, [c_void_p, c_uint64, c_double, _json, _error]),
    "vmplug_memory_set": (c_int, [c_void_p, c_uint64, c_double, _json, _error]),
    "vmplug_memory_resize": (c_int, [c_void_p, c_char_p, c_uint64, c_double, _json, _error]),
    "vmplug_memory_remove": (c_int, [c_void_p, c_char_p, c_double, _json, _error]),
    "vmplug_disk_add": (c_int, [c_void_p, c_char_p, c_double, _json, _error]),
    "vmplug_disk_remove": (c_int, [c_void_p, c_char_p, c_double, _json, _error]),
    "vmplug_disk_resize": (c_int, [c_void_p, c_char_p, c_uint64, c_double, _json, _error]),
    "vmplug_cdrom_insert": (c_int, [c_void_p, c_char_p, c_char_p, c_double, _json, _error]),
    "vmplug_cdrom_eject": (c_int, [c_void_p, c_char_p, c_double, _json, _error]),
    "vmplug_wait": (c_int, [c_void_p, c_char_p, c_double, _json, _error]),
}

lib = load()
for _name, (_result, _arguments) in FUNCTIONS.items():
    _function = getattr(lib, _name)
    _function.restype = _result
    _function.argtypes = _arguments
