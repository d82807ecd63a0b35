# SPDX-License-Identifier: MIT
"""What can be done to a VM: each action, once for those who wait and for those who await."""
from __future__ import annotations

import ctypes
import os
import re
from typing import (
    TYPE_CHECKING, Any, Callable, Dict, Generic, List, Optional, Sequence, TypedDict, TypeVar,
    Union)

from . import _abi, _errors
from ._abi import Action, Backend, Level
from ._result import Device
from ._sessions import milliseconds

if TYPE_CHECKING:
    from typing_extensions import Literal, Unpack

    LevelName = Literal["accepted", "realized", "acknowledged", "online"]
    Kind = Literal["dimm", "virtio-mem"]

R = TypeVar("R")

#: A number of bytes, or "512M", "2G": K, M, G, T and P are powers of 1024.
Size = Union[int, str]
Path = Union[str, "os.PathLike[str]"]


def size(value: Size) -> int:
    """The bytes of 512 or "512M" or "2G", "2GiB", "2GB": always powers of 1024. Invalid."""
    if isinstance(value, int):
        return value
    match = re.fullmatch(r"([0-9]+)(?:([KMGTP])(?:i?B)?|B)?", value, re.IGNORECASE | re.ASCII)
    if match is None:
        raise _errors.Invalid(f"'{value}' is not a size", "write it as 512M, 2G or a number")
    unit = (match[2] or "").upper()
    return int(match[1]) << (10 * ("KMGTP".index(unit) + 1) if unit else 0)


class Options(TypedDict, total=False):
    """What each action takes, by keyword, beside its own.

    wait       how far to go before a success is reported: "accepted", "realized",
               "acknowledged" or "online"; by default as far as this VM can prove
    timeout    of each device, in seconds; default 60
    force      do what is blocked as dangerous, and only that
    atomic     when one of several devices fails, take back those that were added
    dry_run    send nothing that changes anything; the result's JSON has what would be sent
    check      False: return the result of what is no success, too, instead of raising
    on_stage   called with a Device whenever it has reached a stage
    on_device  called with each Device that has come to its end
    """

    wait: LevelName
    timeout: float
    force: bool
    atomic: bool
    dry_run: bool
    check: bool
    on_stage: Callable[[Device], object]
    on_device: Callable[[Device], object]


def _number(value: int, what: str, at_least: int = 0, below: int = 1 << 63) -> int:
    if not at_least <= value < below:
        raise _errors.Invalid(f"{what} can't be {value}")
    return value


def _names(names: Sequence[Union[Path, int]]) -> List[bytes]:
    if not names:
        raise _errors.Invalid("nothing is named")
    return [str(name).encode() if isinstance(name, int) else os.fsencode(name) for name in names]


def request_of(action: Action, fields: Dict[str, Any], options: Options) -> _abi.Request:
    """The library's request. Fields that are None are left alone. Invalid, TypeError."""
    unknown = sorted(set(options) - set(Options.__annotations__))
    if unknown:
        raise TypeError(f"there is no option {', '.join(unknown)}: see vmplug.Options")
    request = _abi.Request(action=action, struct_bytes=ctypes.sizeof(_abi.Request))
    request.timeout_ms = milliseconds(options.get("timeout"))
    request.force = options.get("force", False)
    request.atomic = options.get("atomic", False)
    request.dry_run = options.get("dry_run", False)
    if "wait" in options:
        wait = options["wait"].upper()
        if wait not in Level.__members__ or wait == "HIGHEST":
            raise _errors.Invalid(f"there is no level '{options['wait']}'")
        request.level = Level[wait]
    names = fields.pop("names", None)
    if names is not None:
        request.names = (ctypes.c_char_p * len(names))(*names)
        request.name_count = len(names)
    for field, value in fields.items():
        if value is None:
            continue
        if field in ("node", "lun", "iops", "bps"):
            setattr(request, field + "_set", 1)
        setattr(request, field, os.fsencode(value) if hasattr(value, "__fspath__")
                else value.encode() if isinstance(value, str) else value)
    return request


class Actions(Generic[R]):
    """All that can be done; R is a Result, or what gives one when it is awaited."""

    def _act(self, action: Action, fields: Dict[str, Any], options: Options) -> R:
        raise NotImplementedError

    def cpu_add(self, count: int = 1, *, id: Optional[str] = None,
                **options: Unpack[Options]) -> R:
        """So many vCPUs more."""
        return self._act(Action.CPU_ADD,
                         {"count": _number(count, "a number of vCPUs", 1), "id": id}, options)

    def cpu_set(self, count: int, **options: Unpack[Options]) -> R:
        """So many vCPUs in all, up or down."""
        return self._act(Action.CPU_SET, {"count": _number(count, "a number of vCPUs", 1)}, options)

    def cpu_remove(self, *ids: Union[str, int], **options: Unpack[Options]) -> R:
        """These vCPUs: ids, or numbers of slots."""
        return self._act(Action.CPU_REMOVE, {"names": _names(ids)}, options)

    def memory_add(self, bytes: Size, *, kind: Kind = "dimm", id: Optional[str] = None,
                   node: Optional[int] = None, backend: str = "ram", hugepages: bool = False,
                   movable: bool = False, **options: Unpack[Options]) -> R:
        """So much memory more, as a DIMM or a virtio-mem.

        node       of NUMA
        backend    "ram", "memfd", or "file:PATH" with an absolute path
        movable    onlined so that the guest can give it back
        """
        if kind not in ("dimm", "virtio-mem"):
            raise _errors.Invalid(f"there is no kind of memory '{kind}'")
        name, _, path = backend.partition(":")
        if name.upper() not in Backend.__members__ or (name == "file") != bool(path):
            raise _errors.Invalid(f"there is no backend '{backend}'",
                                  "it is ram, memfd or file:PATH")
        return self._act(
            Action.MEMORY_ADD,
            {"bytes": _number(size(bytes), "a size", 1), "id": id, "node": node,
             "virtio_mem": kind == "virtio-mem", "backend": Backend[name.upper()],
             "file": path or None, "hugepages": hugepages, "movable": movable}, options)

    def memory_set(self, bytes: Size, **options: Unpack[Options]) -> R:
        """So much memory in all, up or down; what the VM began with counts."""
        return self._act(Action.MEMORY_SET, {"bytes": _number(size(bytes), "a size", 1)}, options)

    def memory_resize(self, id: str, bytes: Size, **options: Unpack[Options]) -> R:
        """A virtio-mem, to so much, which may be 0."""
        return self._act(Action.MEMORY_RESIZE,
                         {"names": _names([id]), "bytes": _number(size(bytes), "a size")}, options)

    def memory_remove(self, *ids: str, **options: Unpack[Options]) -> R:
        """These DIMMs."""
        return self._act(Action.MEMORY_REMOVE, {"names": _names(ids)}, options)

    def disk_add(self, *files: Path, id: Optional[str] = None, serial: Optional[str] = None,
                 bus: Optional[str] = None, lun: Optional[int] = None,
                 format: Optional[str] = None, read_only: bool = False,
                 **options: Unpack[Options]) -> R:
        """These files as disks, or what nbd://host/export and nbd+unix:///export?socket=PATH name.

        bus     "scsi" (by default), "virtio", or a bus's id such as "scsi0.0"
        format  by default found by the file's name and content
        """
        return self._act(
            Action.DISK_ADD,
            {"names": _names(files), "id": id, "serial": serial, "bus": bus, "lun": lun,
             "format": format, "read_only": read_only}, options)

    def disk_remove(self, *ids: str, **options: Unpack[Options]) -> R:
        """These disks."""
        return self._act(Action.DISK_REMOVE, {"names": _names(ids)}, options)

    def disk_resize(self, id: str, bytes: Size, **options: Unpack[Options]) -> R:
        """A disk, to so much."""
        return self._act(Action.DISK_RESIZE,
                         {"names": _names([id]), "bytes": _number(size(bytes), "a size", 1)},
                         options)

    def disk_throttle(self, id: str, *, iops: Optional[int] = None, bps: Optional[Size] = None,
                      **options: Unpack[Options]) -> R:
        """A disk, to so many operations and bytes a second; 0: no limit, None: as it is."""
        return self._act(
            Action.DISK_THROTTLE,
            {"names": _names([id]), "iops": None if iops is None else _number(iops, "iops"),
             "bps": None if bps is None else _number(size(bps), "bps")}, options)

    def cdrom_insert(self, id: str, file: Path, **options: Unpack[Options]) -> R:
        """A medium into a drive."""
        return self._act(Action.CDROM_INSERT, {"names": _names([id]), "file": file}, options)

    def cdrom_eject(self, id: str, **options: Unpack[Options]) -> R:
        """The medium of a drive."""
        return self._act(Action.CDROM_EJECT, {"names": _names([id])}, options)

    def wait(self, id: str, **options: Unpack[Options]) -> R:
        """Takes up again what ended as Pending, and waits for its end."""
        return self._act(Action.WAIT, {"names": _names([id])}, options)
