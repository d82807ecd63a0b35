#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""vmplugd among monitors and agents that are silent, slow, endless or mad: every other VM is served
as before. (Its clients that are so: test_v1_clients.py.)"""
from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import threading
import time
import unittest
from pathlib import Path
from typing import Any, Callable, Dict, List

import support

VMPLUGD = os.environ.get("VMPLUGD", "./vmplugd")
FLEET = os.path.join(os.path.dirname(os.path.abspath(support.FAKE_QEMU)), "tests/fake/fleet")
GOOD = 8
#: What a good VM may take to become another one, and an answer to come, among bad ones. What
#: vmplugd has of patience with these begins with five seconds.
SOON = 3.0
#: What vmplugd may hold of them all.
RESIDENT_KIB = 128 << 10
BUNCH = 64

GREETING = (b'{"QMP": {"version": {"qemu": {"micro": 0, "minor": 2, "major": 7}, "package": ""}, '
            b'"capabilities": []}}\r\n')
EVENT = (b'{"timestamp": {"seconds": 1, "microseconds": 1}, "event": "RTC_CHANGE", '
         b'"data": {"offset": 1}}\r\n')

MANIFEST = """\
apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata:
  name: {name}
  annotations: {{{sockets}}}
spec:
  template:
    spec:
      domain:
        cpu: {{sockets: {cpus}}}
        memory: {{guest: 256Mi}}
        devices: {{}}
"""


# ---- what hostile peers do with a client, until it or the test ends ----

def say_nothing(client: socket.socket) -> None:
    while client.recv(4096):
        pass


def greet_only(client: socket.socket) -> None:
    negotiate(client)
    say_nothing(client)


def negotiate(client: socket.socket) -> None:
    client.sendall(GREETING)
    request = json.loads(client.recv(4096).splitlines()[0])
    client.sendall(json.dumps({"return": {}, "id": request.get("id")}).encode() + b"\r\n")


def flood(client: socket.socket) -> None:
    negotiate(client)
    flood_unasked(client)


def flood_unasked(client: socket.socket) -> None:
    while True:
        client.sendall(EVENT * BUNCH)


def begin_without_end(client: socket.socket) -> None:
    client.sendall(b'{"QMP": "')
    while True:
        client.sendall(b"a" * 65536)


def nest(client: socket.socket) -> None:
    while True:
        client.sendall(b'{"a": [' * BUNCH)


def drip(client: socket.socket) -> None:
    for byte in GREETING * 100:
        client.sendall(bytes([byte]))
        client.settimeout(1)
        try:
            if not client.recv(4096):
                return
        except socket.timeout:
            pass


def hang_up(client: socket.socket) -> None:
    del client


def talk_nonsense(client: socket.socket) -> None:
    while True:
        client.sendall(b"\xff\x00}{]\n" * BUNCH)


class Hostile:
    """A socket whose clients, one after the other, are treated so."""

    def __init__(self, path: Path, treat: Callable[[socket.socket], None]) -> None:
        self.treat = treat
        self.clients: List[socket.socket] = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client:
                self.clients = [client]
                try:
                    self.treat(client)
                except (OSError, IndexError):
                    pass

    def close(self) -> None:
        for one in (self.listener, *self.clients):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.thread.join()
        self.listener.close()


MONITORS: Dict[str, Callable[[socket.socket], None]] = {
    "silent": say_nothing,
    "greets-only": greet_only,
    "floods": flood,
    "endless": begin_without_end,
    "nests": nest,
    "drips": drip,
    "hangs-up": hang_up,
    "nonsense": talk_nonsense,
}
AGENTS: Dict[str, Callable[[socket.socket], None]] = {
    "agent-silent": say_nothing,
    "agent-floods": flood_unasked,
    "agent-endless": begin_without_end,
    "agent-hangs-up": hang_up,
    "agent-nonsense": talk_nonsense,
}


class Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=support.SOON)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(support.SOON)
        self.sock.connect(str(self.path))


class Daemon(support.FakeCase):
    def setUp(self) -> None:
        super().setUp()
        self.manifests = self.directory / "manifests"
        self.manifests.mkdir(mode=0o700)
        self.api = self.directory / "api"

    # ---- what there is ----

    def start_fleet(self, first: int, count: int, *agent: str) -> None:
        fleet = subprocess.Popen([FLEET, str(self.directory), str(first), str(count), "16", *agent],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert fleet.stdin is not None and fleet.stdout is not None
        self.addCleanup(fleet.wait)
        self.addCleanup(fleet.stdin.close)
        self.addCleanup(fleet.stdout.close)
        self.assertEqual(fleet.stdout.readline(), "ready\n")

    def start_good(self) -> None:
        self.start_fleet(0, GOOD, "agent")
        for number in range(GOOD):
            self.resize(number, 2)

    def start_bad(self) -> None:
        for name, treat in MONITORS.items():
            path = self.directory / f"{name}.qmp"
            self.addCleanup(Hostile(path, treat).close)
            self.write(name, 3, path)
        self.start_fleet(GOOD, len(AGENTS))
        for number, (name, treat) in enumerate(AGENTS.items(), GOOD):
            path = self.directory / f"{name}.agent"
            self.addCleanup(Hostile(path, treat).close)
            self.write(name, 3, self.directory / f"{number:05}.qmp", path)
        self.write("absent", 3, self.directory / "absent.qmp")

    def start_daemon(self) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "XDG_STATE_HOME": str(self.directory / "state-home"),
                       "XDG_RUNTIME_DIR": str(self.directory)}
        with open(self.directory / "log", "wb") as log:
            daemon = subprocess.Popen(
                [VMPLUGD, "--api-socket", str(self.api), "--manifests", str(self.manifests)],
                env=environment, stdout=subprocess.DEVNULL, stderr=log)
        self.addCleanup(daemon.wait)
        self.addCleanup(daemon.kill)
        return daemon

    def write(self, name: str, cpus: int, qmp: Path, *agent: Path) -> None:
        sockets = f"vmplug/qmp-socket: {qmp}"
        if agent:
            sockets += f", vmplug/agent-socket: {agent[0]}"
        new = self.directory / "new"
        new.write_text(MANIFEST.format(name=name, sockets=sockets, cpus=cpus))
        new.rename(self.manifests / f"{name}.yaml")

    # ---- what is asked of it ----

    def resize(self, number: int, cpus: int) -> None:
        self.write(f"good-{number}", cpus, self.directory / f"{number:05}.qmp",
                   self.directory / f"{number:05}.agent")

    def ask(self, path: str) -> Any:
        connection = Connection(self.api)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            text = answer.read()
            self.assertEqual(answer.status, 200, text)
            return json.loads(text)
        finally:
            connection.close()

    def subscribe_and_read_nothing(self) -> None:
        connection = Connection(self.api)
        self.addCleanup(connection.close)
        connection.request("GET", "/v1/events")

    def resident_kib(self, daemon: subprocess.Popen[bytes]) -> int:
        status = Path(f"/proc/{daemon.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])

    def await_cpus(self, number: int, cpus: int, seconds: float) -> None:
        latest = time.monotonic() + seconds
        seen = None
        while seen != cpus:
            if time.monotonic() >= latest:
                log = (self.directory / "log").read_text()[-4000:]
                self.fail(f"good-{number} has {seen} vCPUs, not {cpus}:\n{log}")
            try:
                began = time.monotonic()
                seen = self.ask(f"/v1/vms/good-{number}/status")["cpus"]["online"]
            except (AssertionError, OSError) as error:  # it is not held yet
                seen = error
            else:
                self.assertLess(time.monotonic() - began, SOON)

    def test_others_are_served_as_before(self) -> None:
        self.start_good()
        self.start_bad()
        daemon = self.start_daemon()
        for number in range(GOOD):
            self.await_cpus(number, 2, support.SOON)
        self.subscribe_and_read_nothing()
        for cpus in range(3, 8):
            for number in range(GOOD):
                self.resize(number, cpus)
                self.await_cpus(number, cpus, SOON)
        self.assertEqual(len(self.ask("/v1/vms")["vms"]), GOOD + len(MONITORS) + len(AGENTS) + 1)
        self.assertLess(self.resident_kib(daemon), RESIDENT_KIB)
        daemon.terminate()
        self.assertEqual(daemon.wait(support.SOON), 0, (self.directory / "log").read_text())


if __name__ == "__main__":
    support.main()
