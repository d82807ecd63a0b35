# SPDX-License-Identifier: MIT
"""What came of an operation."""
from __future__ import annotations

from typing import Any, Dict, List, Optional

from ._abi import lib
from ._errors import Error

Json = Dict[str, Any]


def verdict_word(verdict: int) -> str:
    word: bytes = lib.vmplug_verdict_name(verdict)
    return word.decode()


class Device:
    """How one device stands, or ended. `json` is what the command prints of it with --json."""

    def __init__(self, json: Json) -> None:
        self.json = json

    @property
    def operation(self) -> str:
        """"cpu-add", "memory-remove", …"""
        return str(self.json["operation"])

    @property
    def id(self) -> str:
        """"" when none was chosen yet."""
        return str(self.json.get("id") or "")

    @property
    def verdict(self) -> str:
        return str(self.json["verdict"])

    @property
    def stages(self) -> List[Json]:
        """What was reached, lowest first: [{"stage": "accepted", "ms": 1.9}, …]."""
        return list(self.json.get("stages", []))

    @property
    def missing(self) -> List[str]:
        """What could not be asked: "agent", "ost", …"""
        return list(self.json.get("missing", []))

    @property
    def left(self) -> List[str]:
        """What stays of what is no success: devices, backends, …"""
        return list(self.json.get("left", []))

    def __repr__(self) -> str:
        stage = self.stages[-1]["stage"] if self.stages else "nothing"
        return f"<vmplug.Device {self.operation} {self.id!r}: {self.verdict}, reached {stage}>"


class Result:
    """How an operation on one or several devices ended.

    verdict  "online", "removed", "done", "unconfirmed", "rejected", "refused", "pending", …: the
             word of `vmplug` (see its manual page)
    success  whether that is a success
    devices  each device's end
    summary  of the whole: {"summary": true, "verdict": …, "asked": 2, "done": 2, …}
    error    the exception that stands for it, None for a success
    """

    def __init__(self, verdict: int, devices: List[Device], summary: Json,
                 error: Optional[Error]) -> None:
        self.verdict = verdict_word(verdict)
        self.success = bool(lib.vmplug_verdict_is_success(verdict))
        self.devices = devices
        self.summary = summary
        self.error = error

    @property
    def device(self) -> Device:
        """The only device. ValueError when there were several, or none."""
        if len(self.devices) != 1:
            raise ValueError(f"{len(self.devices)} devices, not one: see devices and ids")
        return self.devices[0]

    @property
    def ids(self) -> List[str]:
        return [device.id for device in self.devices]

    @property
    def id(self) -> str:
        """The only device's."""
        return self.device.id

    @property
    def stages(self) -> List[Json]:
        """The only device's."""
        return self.device.stages

    @property
    def json(self) -> List[Json]:
        """Each device's object, as the command prints them with --json."""
        return [device.json for device in self.devices]

    def check(self) -> Result:
        """Itself, or raises what stands for its verdict."""
        if self.error is not None:
            raise self.error
        return self

    def __repr__(self) -> str:
        return f"<vmplug.Result {self.verdict}: {', '.join(self.ids) or 'no device'}>"
