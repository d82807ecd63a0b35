# SPDX-License-Identifier: MIT
"""What goes wrong, by what a test wants to tell apart."""
from __future__ import annotations

from typing import TYPE_CHECKING, Dict, Optional, Type

from . import _abi
from ._abi import ErrorCode, Verdict

if TYPE_CHECKING:
    from ._result import Result


class Error(Exception):
    """Something failed: str() is why, and what to do about it.

    Of an operation, `result` has all that is known of it; elsewhere it is None.
    """

    def __init__(self, why: str, fix: str = "", class_name: str = "",
                 result: Optional[Result] = None) -> None:
        super().__init__(f"{why}; {fix}" if fix else why)
        self.why = why
        self.fix = fix
        #: QEMU's own error class, such as "DeviceNotFound", or "".
        self.class_name = class_name
        self.result = result


class Invalid(Error, ValueError):
    """An argument is malformed; nothing was sent."""


class Blocked(Error):
    """A ceiling or a prerequisite forbids it; nothing was sent, and `fix` says what to change."""


class NotConnected(Error):
    """No such socket, no permission, or nobody listens."""


class Busy(Error):
    """Another client holds the monitor."""


class ProtocolError(Error):
    """The peer does not speak the protocol."""


class LimitExceeded(Error):
    """The peer sent more than is accepted, or too much is pending."""


class Rejected(Error):
    """QEMU, or the agent, answered with an error, whose words these are."""


class Timeout(Error):
    """No answer in time to a command: it may or may not have been carried out."""


class Lost(Error):
    """QEMU or the connection ended midway."""


class Cancelled(Error):
    """It was withdrawn from here, by closing what it ran on."""


class SystemFailure(Error):
    """A system call failed, or memory ran out."""


class Refused(Error):
    """The guest refused."""


class Pending(Error):
    """The time limit passed and the request still stands; wait() takes it up again."""


class Unproven(Error):
    """More was asked for than this VM can prove; nothing was sent."""


class Partial(Error):
    """Some of several devices succeeded; `result.devices` tells which."""


class Interrupted(Error):
    """Stopped from here. What was half-made is taken back, but what the guest has been asked for
    stands: its Device's `left` names it, and wait() takes it up again.

    It is the __cause__ of the KeyboardInterrupt, or whatever else stopped the operation.
    """


_BY_CODE: Dict[int, Type[Error]] = {
    ErrorCode.INVALID: Invalid,
    ErrorCode.BLOCKED: Blocked,
    ErrorCode.CONNECT: NotConnected,
    ErrorCode.BUSY: Busy,
    ErrorCode.PROTOCOL: ProtocolError,
    ErrorCode.LIMIT: LimitExceeded,
    ErrorCode.REJECTED: Rejected,
    ErrorCode.TIMEOUT: Timeout,
    ErrorCode.DISCONNECTED: Lost,
    ErrorCode.CANCELLED: Cancelled,
    ErrorCode.SYSTEM: SystemFailure,
}

_BY_VERDICT: Dict[int, Type[Error]] = {
    Verdict.REJECTED: Rejected,
    Verdict.REFUSED: Refused,
    Verdict.PENDING: Pending,
    Verdict.BLOCKED: Blocked,
    Verdict.UNPROVEN: Unproven,
    Verdict.LOST: Lost,
    Verdict.PARTIAL: Partial,
    Verdict.INTERRUPTED: Interrupted,
}


def from_struct(error: _abi.ErrorStruct, verdict: Optional[int] = None) -> Error:
    """The exception for an error of the library, or for how an operation ended."""
    kind = _BY_CODE.get(error.code, Error)
    if verdict is not None:
        kind = _BY_VERDICT.get(verdict, kind)
    return kind(error.why.decode(errors="replace"), error.fix.decode(errors="replace"),
                error.class_name.decode(errors="replace"))
