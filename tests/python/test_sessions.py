#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""vmplug.QMP and vmplug.Agent against a fake QEMU, and the functions beside them."""
from __future__ import annotations

import os
import socket
import unittest

import support
from support import SOON, FakeCase

import vmplug


class Qmp(FakeCase):
    def test_commands(self) -> None:
        fake = self.start()
        with vmplug.QMP(self.qmp) as qmp:
            self.assertEqual(qmp("query-status")["status"], "running")
            self.assertIn("version", qmp.greeting)
            self.assertEqual(qmp.peer, fake.pid)
            with self.assertRaises(vmplug.Rejected) as raised:
                qmp("device_del", {"id": "nobody"}, timeout=SOON)
            self.assertEqual(raised.exception.class_name, "DeviceNotFound")
        with self.assertRaisesRegex(vmplug.Invalid, "closed"):
            qmp("query-status")
        qmp.close()

    def test_unanswered(self) -> None:
        self.start("--fault", "qmp query-status#1 ignore")
        with vmplug.QMP(self.qmp) as qmp:
            with self.assertRaises(vmplug.Timeout):
                qmp("query-status", timeout=0.05)
            self.assertTrue(qmp("query-status")["running"])

    def test_sockets(self) -> None:
        """A connected socket will do, and is taken over."""
        self.start()
        mine = socket.socket(socket.AF_UNIX)
        mine.connect(str(self.qmp))
        with vmplug.QMP(mine) as qmp:
            self.assertEqual(mine.fileno(), -1)
            self.assertTrue(qmp("query-status")["running"])

    def test_descriptor(self) -> None:
        """It is sent as a copy."""
        self.start()
        with vmplug.QMP(self.qmp) as qmp, open(os.devnull, encoding="ascii") as file:
            with self.assertRaises(vmplug.Rejected):  # the fake knows no getfd
                qmp("getfd", {"fdname": "null"}, fd=file.fileno())
            self.assertEqual(os.fstat(file.fileno()), os.stat(os.devnull))

    def test_failures(self) -> None:
        with self.assertRaises(vmplug.NotConnected):
            vmplug.QMP(self.qmp)
        self.start()
        with vmplug.QMP(self.qmp) as holder:
            with self.assertRaises(vmplug.Busy):
                vmplug.QMP(self.qmp, greeting_timeout=0.1)
            holder("query-status")

    def test_garbage(self) -> None:
        self.start("--fault", "qmp greeting garbage")
        with self.assertRaises(vmplug.ProtocolError):
            vmplug.QMP(self.qmp)

    def test_odd_texts(self) -> None:
        """Whatever QEMU answers: text, or an error of the module's own."""
        self.start("--fault", "qmp query-name bad-utf8", "--fault",
                   "qmp query-status answer {\"a\": \"\\ud83d\\ude00\"}")
        with vmplug.QMP(self.qmp) as qmp:
            self.assertEqual(qmp("query-status"), {"a": "\U0001f600"})
            with self.assertRaises(vmplug.Error):
                qmp("query-name", timeout=1)

    def test_two_sessions(self) -> None:
        """QMP alone and a VM on the agent's side do not get in each other's way."""
        self.start()
        with vmplug.QMP(self.qmp) as qmp, vmplug.Agent(self.agent) as agent:
            self.assertTrue(qmp("query-status")["running"])
            self.assertEqual(len(agent("guest-get-vcpus")), 2)
            self.assertTrue(qmp("query-status")["running"])


class Agents(FakeCase):
    def test_commands(self) -> None:
        self.start()
        with vmplug.Agent(self.agent) as agent:
            self.assertEqual([cpu["online"] for cpu in agent("guest-get-vcpus")], [True, True])
            with self.assertRaises(vmplug.Rejected):
                agent("guest-no-such-thing")
            with self.assertRaises(vmplug.Invalid):
                agent("guest-ping", timeout=0)

    def test_silent(self) -> None:
        self.start("--guest", "agent-hangs")
        with vmplug.Agent(self.agent) as agent, self.assertRaises(vmplug.Timeout):
            agent("guest-ping", timeout=0.1)

    def test_absent(self) -> None:
        with self.assertRaises(vmplug.NotConnected):
            vmplug.Agent("/nonexistent")


class Ost(unittest.TestCase):
    def test_meaning(self) -> None:
        self.assertEqual(vmplug.ost_meaning(1, 0), "success")
        self.assertEqual(vmplug.ost_meaning(3, 0x84), "ejection is in progress")
        self.assertEqual(vmplug.ost_source(3), "eject request")
        self.assertEqual((vmplug.ost_kind(3), vmplug.ost_kind(1)), ("ejection", "insertion"))
        self.assertEqual(vmplug.ost_outcome(3, 0x84), "in-progress")

    def test_version(self) -> None:
        self.assertRegex(vmplug.version(), r"^\d+\.\d+\.\d+$")


if __name__ == "__main__":
    support.main()
