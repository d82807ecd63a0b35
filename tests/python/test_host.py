#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""vmplugd on its host: what systemd hears of it, what it logs where, and its command line."""
from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import unittest
from typing import List, Tuple

import support
from support import SOON
from test_vmplugd import VMPLUGD, VmplugdCase


class Systemd(VmplugdCase):
    """A socket in its place."""

    def setUp(self) -> None:
        super().setUp()
        self.systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.systemd.close)
        self.systemd.settimeout(SOON)
        self.systemd.bind(str(self.directory / "notify"))
        self.environment["NOTIFY_SOCKET"] = str(self.directory / "notify")

    def hear(self) -> List[str]:
        return self.systemd.recv(4096).decode().splitlines()

    def answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(SOON)
            client.connect(str(self.api))
            client.sendall(b"GET /v1/health HTTP/1.0\r\n\r\n")
            return b" 200 " in client.recv(64)

    def test_life(self) -> None:
        policy = self.directory / "policy.yaml"
        policy.write_text("rules: []")
        daemon = self.launch("--policy", str(policy))
        self.assertEqual(self.hear(), ["READY=1"])
        self.assertTrue(self.answers())
        self.assertEqual(self.hear(), ["STATUS=ready"])
        policy.write_text("rules: 1")
        daemon.process.send_signal(signal.SIGHUP)
        reloading, when = self.hear()
        self.assertEqual(reloading, "RELOADING=1")
        self.assertRegex(when, r"^MONOTONIC_USEC=\d+$")
        self.assertEqual(self.hear(), ["STATUS=ready"])
        status, = self.hear()
        self.assertIn(f"STATUS=the policy stays as it was: {policy}:1:8: rules: must be", status)
        self.assertEqual(self.hear(), ["READY=1"])
        daemon.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.hear(), ["STOPPING=1"])
        self.assertEqual(daemon.end(), 0)

    def test_watchdog(self) -> None:
        self.environment["WATCHDOG_USEC"] = "100000"
        daemon = self.launch()
        heard = [self.hear()[0] for _ in range(5)]
        self.assertGreaterEqual(heard.count("WATCHDOG=1"), 3, heard)
        os.kill(daemon.process.pid, signal.SIGSTOP)  # a loop that does not turn
        os.waitid(os.P_PID, daemon.process.pid, os.WSTOPPED)
        self.systemd.setblocking(False)
        with self.assertRaises(OSError):
            while True:  # what was on its way
                self.hear()
        self.systemd.settimeout(0.5)
        with self.assertRaises(OSError):
            self.hear()
        os.kill(daemon.process.pid, signal.SIGCONT)
        self.systemd.settimeout(SOON)
        self.assertEqual(self.hear(), ["WATCHDOG=1"])

    def test_nobody_there(self) -> None:
        """It does not depend on it."""
        self.environment["NOTIFY_SOCKET"] = str(self.directory / "nothing")
        self.launch()
        self.assertTrue(self.answers())


class Logs(VmplugdCase):
    def test_journal(self) -> None:
        """By its priorities, where stderr is the journal; here a pipe plays it."""
        reading, writing = os.pipe()
        pipe = os.fstat(writing)
        self.environment["JOURNAL_STREAM"] = f"{pipe.st_dev}:{pipe.st_ino}"
        with subprocess.Popen([VMPLUGD, "--api-socket", str(self.api)], stderr=writing,
                              env=self.environment) as process:
            os.close(writing)
            with open(reading, encoding="utf-8") as lines:
                self.assertTrue(lines.readline().startswith("<6>message=ready socket="))
                process.terminate()
                self.assertIn("<6>message=\"ending", lines.read())

    def test_audit_log(self) -> None:
        """Of what it does by itself."""
        audit_log = self.directory / "audit.log"
        self.start()
        self.write(3)
        daemon = self.launch("--audit-log", str(audit_log))
        daemon.await_condition("True", "Synchronized")
        lines = [json.loads(line) for line in audit_log.read_text().splitlines()]
        self.assertEqual([(line["vm"], line["action"], line["verdict"]) for line in lines],
                         [("vm", "reconcile", "begun"), ("vm", "reconcile", "online")])
        self.assertEqual({(line["uid"], line["pid"]) for line in lines},
                         {(os.geteuid(), daemon.process.pid)})
        self.assertEqual(stat.S_IMODE(audit_log.stat().st_mode) & ~0o640, 0)


class CommandLine(unittest.TestCase):
    def run_it(self, *arguments: str) -> Tuple[int, str, str]:
        run = subprocess.run([VMPLUGD, *arguments], capture_output=True, text=True, timeout=SOON,
                             check=False)
        return run.returncode, run.stdout, run.stderr

    def test_told(self) -> None:
        code, said, _ = self.run_it("--help")
        self.assertEqual((code, said[:15]), (0, "usage: vmplugd "))
        code, said, _ = self.run_it("--version")
        self.assertEqual((code, said[:7]), (0, "vmplug "))

    def test_wrong(self) -> None:
        help_ = "; see vmplugd --help"
        for wrong, why in ((["--no-such"], "--no-such: there is no such option" + help_),
                           (["-xy"], "-xy: there is no such option" + help_),
                           (["extra", "--no-such"], "extra: it takes nothing but options" + help_),
                           (["--policy"], "--policy: its value is missing" + help_),
                           (["--timeout", "0"], "--timeout: that is no number of seconds; write"),
                           (["--timeout", "1x"], "--timeout: that is no number of seconds; write"),
                           (["--event-bytes", "1"], "--event-bytes: that is no number from 4096;"),
                           (["--log-level", "x"], "--log-level: there is no such level; choose")):
            with self.subTest(wrong=wrong):
                code, said, complaint = self.run_it(*wrong)
                self.assertEqual((code, said), (2, ""))
                self.assertEqual(complaint.count("\n"), 1, complaint)
                self.assertTrue(complaint.startswith(f"vmplugd: {why}"), complaint)


if __name__ == "__main__":
    support.main()
