# SPDX-License-Identifier: MIT
"""What the tests of the module share: a fake QEMU, and a runner whose lines are cmocka's."""
from __future__ import annotations

import ctypes
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any, Dict

import vmplug

SOURCE = Path(__file__).resolve().parent.parent.parent
FAKE_QEMU = os.environ.get("VMPLUG_FAKE_QEMU", "./vmplug-fake-qemu")
#: A guest that is quick, on a QEMU that survives what it is asked.
QUICK = ("--accel", "kvm", "--guest", "online-delay=5", "--guest", "ost-delay=2")
SOON = 20

_libc = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


class Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=SOON)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(SOON)
        self.sock.connect(self.path)


class FakeCase(unittest.TestCase):
    """A test with a private directory, and what runs in it."""

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory(prefix="vmplug-python-")
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        self.qmp = self.directory / "qmp"
        self.agent = self.directory / "agent"

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Runs the fake until the end of the test, or its own."""
        fake = subprocess.Popen(
            [FAKE_QEMU, "--qmp", str(self.qmp), "--agent", str(self.agent),
             "--state", str(self.directory / "state"), *QUICK, *arguments],
            stdout=subprocess.PIPE, text=True,
            preexec_fn=lambda: _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM))
        assert fake.stdout is not None
        self.addCleanup(fake.stdout.close)
        self.addCleanup(fake.wait)
        self.addCleanup(fake.kill)
        self.assertEqual(fake.stdout.readline(), "ready\n")
        return fake

    def open(self, **options: Any) -> vmplug.VM:
        """A VM on the fake, closed at the test's end."""
        options.setdefault("runtime_dir", "")
        vm = vmplug.VM(self.qmp, self.agent, **options)
        self.addCleanup(vm.close)
        return vm

    def vm(self, *arguments: str, **options: Any) -> vmplug.VM:
        self.start(*arguments)
        return self.open(**options)

    def state(self) -> Dict[str, Any]:
        """What the fake QEMU holds and its guest has."""
        return dict(json.loads((self.directory / "state").read_text()))

    def image(self, name: str = "data.raw") -> Path:
        path = self.directory / name
        path.touch()
        os.truncate(path, 1 << 20)
        return path


class Told(unittest.TextTestResult):
    """One line a test, which scripts/test counts."""

    def _line(self, word: str, test: unittest.TestCase) -> None:
        self.stream.write(f"[{word:^10}] {test.id()}\n")
        self.stream.flush()

    def addSuccess(self, test: unittest.TestCase) -> None:
        unittest.TestResult.addSuccess(self, test)
        self._line("      OK", test)

    def addError(self, test: unittest.TestCase, err: Any) -> None:
        unittest.TestResult.addError(self, test, err)
        self._line("FAILED", test)

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:
        unittest.TestResult.addFailure(self, test, err)
        self._line("FAILED", test)

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        unittest.TestResult.addSkip(self, test, reason)
        self._line("SKIPPED", test)


def main() -> None:
    # What is not closed, never awaited, or raised where nobody sees it, fails the test.
    if not sys.warnoptions:
        os.execv(sys.executable, [sys.executable, "-Werror", "-Wdefault::ResourceWarning",
                                  *sys.argv])
    unittest.main(testRunner=unittest.TextTestRunner(resultclass=Told))
