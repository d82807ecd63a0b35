#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`vmplug serve` against a fake QEMU with a guest in it: each endpoint, code and body of Cloud
Hypervisor's API; clients that mean no good; how it begins, and how it ends."""
from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import threading
import time
import unittest
from typing import Any, Callable, List, Optional, Tuple

import support
from support import SOON, Connection, FakeCase

VMPLUG = os.environ.get("VMPLUG", "./vmplug")
SERVER = "Cloud Hypervisor API"
MEBIBYTE = 1 << 20
#: How long a request may take to arrive (daemon/http_server.h).
REQUEST_SECONDS = 10


class ServeCase(FakeCase):
    def setUp(self) -> None:
        super().setUp()
        self.api = str(self.directory / "api")

    def launch(self, *arguments: str, agent: bool = True) -> subprocess.Popen[str]:
        """The server, of a fake that is there."""
        command = [VMPLUG, "serve", "--qmp", str(self.qmp), "--api-socket", self.api, *arguments]
        server = subprocess.Popen(command + (["--agent", str(self.agent)] if agent else []),
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                  env={**os.environ, "XDG_RUNTIME_DIR": str(self.directory)})
        assert server.stdout is not None and server.stderr is not None
        self.addCleanup(server.stderr.close)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        return server

    def serve(self, *fake: str, options: Tuple[str, ...] = (),
              agent: bool = True) -> subprocess.Popen[str]:
        self.start(*fake)
        server = self.launch(*options, agent=agent)
        assert server.stdout is not None
        self.assertEqual(server.stdout.readline(), f"listening on {self.api}\n")
        return server

    def ask(self, method: str, name: str, body: Any = None) -> Tuple[int, Any]:
        """The answer's status, and its body; text and bytes are sent as they are."""
        connection = Connection(self.api)
        self.addCleanup(connection.close)
        if body is not None and not isinstance(body, (str, bytes)):
            body = json.dumps(body)
        connection.request(method, name if name.startswith("/") else f"/api/v1/{name}", body)
        answer = connection.getresponse()
        text = answer.read()
        self.assertEqual(answer.getheader("Server"), SERVER)
        if text:
            self.assertEqual(answer.getheader("Content-Type"), "application/json")
        connection.close()
        value = json.loads(text) if text else None
        if answer.status >= 400:
            self.assertIsInstance(value, list)
            self.assertGreaterEqual(len(value), 2, value)
            self.assertTrue(all(isinstance(line, str) and line for line in value), value)
        return answer.status, value

    def refused(self, status: int, words: str, method: str, name: str, body: Any = None) -> None:
        """An error that says so."""
        got, lines = self.ask(method, name, body)
        self.assertEqual(got, status, lines)
        self.assertIn(words, " ".join(lines))

    def resize(self, **desired: int) -> Tuple[int, Any]:
        return self.ask("PUT", "vm.resize", {f"desired_{key}": value
                                             for key, value in desired.items()})

    def client(self, data: bytes = b"") -> socket.socket:
        """One that has said so much, and says no more."""
        client = socket.socket(socket.AF_UNIX)
        self.addCleanup(client.close)
        client.settimeout(SOON)
        client.connect(self.api)
        client.sendall(data)
        return client

    def vcpus(self) -> int:
        """How many QEMU has."""
        return sum(cpu["present"] for cpu in self.state()["cpus"])

    def until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + SOON
        while not condition():
            self.assertLess(time.monotonic(), end)
            os.sched_yield()

    def is_served(self) -> None:
        self.assertEqual(self.ask("GET", "vmm.ping")[0], 200)
        self.assertEqual(self.ask("GET", "vm.info")[0], 200)


class Requests(ServeCase):
    def test_form(self) -> None:
        """Paths, methods and bodies, before anything is done."""
        self.serve()
        for status, method, path, body in (
                (200, "GET", "vmm.ping", None),
                (404, "GET", "vmm.pin", None),
                (404, "GET", "vmm.ping/", None),
                (404, "GET", "vmm.ping?x=1", None),
                (404, "GET", "/", None),
                (404, "GET", "/api/v2/vmm.ping", None),
                (404, "PUT", "vm.shutdown", None),
                (400, "PUT", "vmm.ping", None),
                (400, "POST", "vm.resize", "{}"),
                (400, "GET", "vm.resize", None),
                (400, "DELETE", "vm.info", None),
                (400, "GET", "vm.info", "{}"),
                (400, "PUT", "vm.pause", "{}"),
                (400, "PUT", "vm.resize", None),
                (400, "PUT", "vm.resize", "{"),
                (400, "PUT", "vm.resize", "{} {}"),
                (400, "PUT", "vm.resize", b"{}\0"),
                (400, "PUT", "vm.resize", b"{\"\xff\": 1}"),
                (400, "PUT", "vm.resize", "[]"),
                (400, "PUT", "vm.resize", "[" * 100000),
                (400, "PUT", "vm.resize", {"desired_vcpus": "8"}),
                (400, "PUT", "vm.resize", {"desired_vcpus": -1}),
                (400, "PUT", "vm.resize", {"desired_vcpus": 1.5}),
                (400, "PUT", "vm.resize", {"desired_vcpus": 1 << 32}),
                (400, "PUT", "vm.resize", {"desired_ram": 1 << 64}),
                (400, "PUT", "vm.resize", {"desired_balloon": True}),
                (204, "PUT", "vm.resize", {}),
                (204, "PUT", "vm.resize", {"desired_vcpus": None, "colour": "red"}),
                (400, "PUT", "vm.resize-disk", {}),
                (400, "PUT", "vm.resize-disk", {"id": "data"}),
                (400, "PUT", "vm.resize-disk", {"id": 1, "desired_size": 1}),
                (400, "PUT", "vm.add-disk", {}),
                (400, "PUT", "vm.add-disk", {"path": "/x\0"}),
                (400, "PUT", "vm.add-disk", {"path": "/x", "readonly": 1}),
                (400, "PUT", "vm.add-disk", {"path": "/x", "image_type": "raw"}),
                (400, "PUT", "vm.add-disk", {"path": "/x", "vhost_user": True}),
                (400, "PUT", "vm.remove-device", {})):
            with self.subTest(method=method, path=path, body=body):
                self.assertEqual(self.ask(method, path, body)[0], status)
        self.assertEqual(self.vcpus(), 2)

    def test_resize(self) -> None:
        self.serve("--cpus", "2", "--max-cpus", "8", "--memory", "256M")
        self.assertEqual(self.resize(vcpus=4, ram=768 * MEBIBYTE), (204, None))
        info = self.ask("GET", "vm.info")[1]
        self.assertEqual(info["config"]["cpus"], {"boot_vcpus": 4, "max_vcpus": 8})
        self.assertEqual(info["config"]["memory"]["size"], 256 * MEBIBYTE)
        self.assertEqual(info["config"]["memory"]["hotplugged_size"], 512 * MEBIBYTE)
        self.assertEqual(info["memory_actual_size"], 768 * MEBIBYTE)
        self.assertEqual(info["state"], "Running")
        self.assertIn("vmplug-mem-0", info["device_tree"])
        guest = self.state()["guest"]
        self.assertEqual([vcpu["online"] for vcpu in guest["cpus"]], [True] * 4)
        self.assertTrue(all(block["online"] for block in guest["blocks"]))
        self.assertEqual(self.resize(vcpus=1)[0], 204)
        self.assertEqual(len(self.state()["guest"]["cpus"]), 1)
        for desired in ({"vcpus": 9}, {"vcpus": 0}, {"ram": 769 * MEBIBYTE}, {"ram": 1 << 50},
                        {"ram": 128 * MEBIBYTE}, {"balloon": MEBIBYTE}):
            with self.subTest(desired=desired):
                self.assertEqual(self.resize(**desired)[0], 500)
        status, lines = self.resize(vcpus=2, ram=769 * MEBIBYTE)
        self.assertEqual(status, 500)
        self.assertIn("the vCPUs are as was asked for", lines[0])

    def test_no_agent(self) -> None:
        self.serve("--cpus", "1", agent=False)
        self.assertEqual(self.resize(vcpus=2)[0], 204)

    def test_guest_refuses(self) -> None:
        self.serve("--guest", "adds=1/0x81")
        status, lines = self.resize(ram=512 * MEBIBYTE)
        self.assertEqual(status, 500)
        self.assertIn("refused", " ".join(lines))

    def test_removal_pending(self) -> None:
        """As long as the guest does not answer, 429, and nothing else is removed."""
        self.serve("--cpus", "1", "--cpu", "vmplug-cpu-1", "--cpu", "vmplug-cpu-2", "--guest",
                   "ignores-removes", options=("--timeout", "1"))
        self.assertEqual(self.resize(vcpus=2)[0], 429)
        for vcpus in (1, 4):
            self.refused(429, "has not yet given it back", "PUT", "vm.resize",
                         {"desired_vcpus": vcpus})
        self.assertEqual(self.vcpus(), 3)

    def test_disks(self) -> None:
        pci = [{"bus": 0, "devices": [{"bus": 0, "slot": 3, "function": 0, "qdev_id": "scsi0"}]}]
        self.serve("--fault", f"qmp query-pci answer {json.dumps(pci)}")
        path = str(self.image())
        self.assertEqual(self.ask("PUT", "vm.add-disk", {"path": path, "id": "data"}),
                         (200, {"id": "data", "bdf": "0000:00:03.0"}))
        self.refused(409, "'data' is taken", "PUT", "vm.add-disk",
                     {"path": str(self.image("other.raw")), "id": "data"})
        os.symlink(path, self.directory / "link.raw")
        self.refused(409, "is the disk 'data'", "PUT", "vm.add-disk",
                     {"path": str(self.directory / "link.raw"), "id": "more"})
        self.refused(500, "No such file", "PUT", "vm.add-disk", {"path": "/nowhere.raw"})
        self.refused(400, "id", "PUT", "vm.add-disk",
                     {"path": str(self.directory / "other.raw"), "id": "a b"})
        for name, body in (("vm.remove-device", {"id": "nobody"}),
                           ("vm.resize-disk", {"id": "nobody", "desired_size": 1 << 30})):
            self.refused(404, "'nobody'", "PUT", name, body)
        self.refused(500, "cut off", "PUT", "vm.resize-disk", {"id": "data", "desired_size": 512})
        self.assertEqual(self.ask("PUT", "vm.resize-disk", {"id": "data", "desired_size": 1 << 27}),
                         (204, None))
        disk, = self.ask("GET", "vm.info")[1]["config"]["disks"]
        self.assertEqual(disk, {"id": "data", "path": path, "readonly": False, "serial": "data"})
        self.assertEqual(self.ask("PUT", "vm.remove-device", {"id": "data"}), (204, None))
        self.assertEqual(self.state()["nodes"], [])

    def test_disk_without_an_address(self) -> None:
        self.serve("--fault", "qmp query-pci reject no")
        status, device = self.ask("PUT", "vm.add-disk", {"path": str(self.image())})
        self.assertEqual((status, device), (200, {"id": "vmplug-disk-0"}))

    def test_pause_and_resume(self) -> None:
        running = 'answer {"status": "running", "running": true}'
        # Each line counts what those before it have left.
        paused = 'answer {"status": "paused", "running": false}'
        self.serve("--fault", "qmp stop answer {}", "--fault", "qmp cont answer {}",
                   "--fault", f"qmp query-status#1 {running}",
                   "--fault", f"qmp query-status#1-2 {paused}",
                   "--fault", f"qmp query-status#1-2 {running}",
                   "--fault", f"qmp query-status#1-3 {paused}",
                   "--fault", "qmp query-status reject no")
        self.assertEqual(self.ask("PUT", "vm.pause"), (204, None))
        self.assertEqual(self.ask("PUT", "vm.resume"), (204, None))
        self.refused(500, "runs already", "PUT", "vm.resume")
        self.refused(500, "paused already", "PUT", "vm.pause")
        self.refused(500, "paused", "PUT", "vm.resume")  # it does not go on
        self.refused(500, "no", "PUT", "vm.pause")

    def test_counters(self) -> None:
        figures = {"rd_bytes": 512, "wr_bytes": 0, "rd_operations": 1, "wr_operations": 0}
        stats = [{"qdev": "/machine/peripheral/data/virtio-backend", "stats": figures},
                 {"qdev": "boot", "stats": figures}, {"node-name": "unused", "stats": figures}]
        self.serve("--fault", f"qmp query-blockstats#1 answer {json.dumps(stats)}")
        counters = {"read_bytes": 512, "write_bytes": 0, "read_ops": 1, "write_ops": 0}
        self.assertEqual(self.ask("GET", "vm.counters"),
                         (200, {"data": counters, "boot": counters}))
        self.refused(500, "counters", "GET", "vm.counters")  # the fake knows none

    def test_balloon(self) -> None:
        def left(mebibytes: int) -> str:
            return f'answer {{"actual": {mebibytes * MEBIBYTE}}}'

        self.serve("--memory", "256M", "--fault", "qmp balloon answer {}",
                   "--fault", f"qmp query-balloon#1-2 {left(256)}",
                   "--fault", f"qmp query-balloon#1 {left(200)}",
                   "--fault", f"qmp query-balloon {left(192)}")
        self.assertEqual(self.resize(balloon=64 * MEBIBYTE), (204, None))
        self.assertEqual(self.ask("GET", "vm.info")[1]["memory_actual_size"], 192 * MEBIBYTE)
        self.refused(500, "all of", "PUT", "vm.resize", {"desired_balloon": 256 * MEBIBYTE})

    def test_one_after_the_other(self) -> None:
        """A change waits for the one before it, and nothing else does."""
        self.serve("--cpus", "1", "--max-cpus", "8", "--guest", "online-delay=1000")
        ends: List[Tuple[str, int]] = []

        def change(vcpus: int) -> None:
            ends.append((f"resize {vcpus}", self.resize(vcpus=vcpus)[0]))

        threads = [threading.Thread(target=change, args=[vcpus]) for vcpus in (4, 2)]
        for thread in threads:
            thread.start()
            self.until(lambda: self.vcpus() > 1)
        ends.append(("ping", self.ask("GET", "vmm.ping")[0]))
        ends.append(("info", self.ask("GET", "vm.info")[0]))
        for thread in threads:
            thread.join()
        self.assertEqual(ends[:2], [("ping", 200), ("info", 200)])
        self.assertEqual(sorted(ends[2:]), [("resize 2", 204), ("resize 4", 204)])
        self.assertEqual(self.vcpus(), 2)  # so that was the later one


class Clients(ServeCase):
    def test_kept_alive(self) -> None:
        self.serve()
        connection = Connection(self.api)
        self.addCleanup(connection.close)
        for _ in range(3):
            connection.request("GET", "/api/v1/vmm.ping")
            self.assertEqual(json.loads(connection.getresponse().read())["features"], [])

    def test_too_much(self) -> None:
        self.serve()
        head = b"PUT /api/v1/vm.resize HTTP/1.1\r\nHost: x\r\n"
        announced = self.client(head + b"Content-Length: 1073741824\r\n\r\n")
        self.assertIn(b" 413 ", announced.recv(4096).split(b"\r\n")[0])
        sent = self.client(head + b"Content-Length: 4194305\r\n\r\n")
        with self.assertRaises((BrokenPipeError, ConnectionResetError)):
            while True:
                sent.sendall(b" " * 65536)
        self.assertIn(b" 413 ", sent.recv(4096).split(b"\r\n")[0])
        self.assertEqual(self.ask("PUT", "vm.resize", b" " * (4 * MEBIBYTE - 2) + b"{}")[0], 204)
        chunked = self.client(head + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(100):
            chunked.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
        chunked.sendall(b"0\r\n\r\n")
        self.assertIn(b" 413 ", chunked.recv(4096))
        endless = self.client(head + b"Transfer-Encoding: chunked\r\n\r\n")
        with self.assertRaises((BrokenPipeError, ConnectionResetError)):
            for _ in range(200):
                endless.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
        many = self.client(head + b"X: " + b"x" * 65536 + b"\r\n\r\n")
        self.assertIn(b" 4", many.recv(4096).split(b"\r\n")[0])
        self.is_served()

    def test_many_and_silent(self) -> None:
        """A hundred that say nothing, or half of it: the oldest give way."""
        self.serve()
        clients = [self.client(b"" if i % 2 == 0 else b"PUT /api/v1/vm.resize HTTP/1.1\r\nHo")
                   for i in range(100)]
        self.is_served()
        self.assertEqual(self.resize(vcpus=3)[0], 204)
        self.assertEqual(clients[0].recv(1), b"")
        last = clients[-2]  # and the youngest are still there
        last.sendall(b"GET /api/v1/vmm.ping HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertIn(b" 200 ", last.recv(4096))

    def test_slow(self) -> None:
        """A byte now and then keeps nobody waiting, and is not waited for either."""
        self.serve()
        slow = self.client(b"PUT /api/v1/vm.resize HTTP/1.1\r\n")
        slow.settimeout(0.2)
        begin = time.monotonic()
        try:
            while time.monotonic() < begin + SOON:
                slow.sendall(b"X")
                self.is_served()
                try:
                    if slow.recv(1) == b"":
                        break
                except socket.timeout:
                    pass
        except (BrokenPipeError, ConnectionResetError):
            pass
        self.assertLess(abs(time.monotonic() - begin - REQUEST_SECONDS), 3)
        self.is_served()

    def test_gone(self) -> None:
        """What a client has asked for is finished, although it has gone."""
        self.serve("--cpus", "1", "--guest", "online-delay=100")
        body = b'{"desired_vcpus": 3}'
        client = self.client(b"PUT /api/v1/vm.resize HTTP/1.1\r\nHost: x\r\n"
                             b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.until(lambda: self.vcpus() > 1)
        client.close()
        self.until(lambda: len(self.state()["guest"]["cpus"]) == 3)
        self.is_served()

    def test_reads_nothing(self) -> None:
        self.serve()
        client = self.client()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        client.setblocking(False)
        try:
            for _ in range(10000):
                client.send(b"GET /api/v1/vm.info HTTP/1.1\r\nHost: x\r\n\r\n")
        except BlockingIOError:
            pass
        self.is_served()


class Reboot(ServeCase):
    def test_put_online_again(self) -> None:
        """What is offline after a reset; before, nobody has asked for it."""
        reset = {"event": "RESET", "timestamp": {"seconds": 1, "microseconds": 0},
                 "data": {"guest": True, "reason": "guest-reset"}}
        server = self.serve("--cpus", "1", "--cpu", "vmplug-cpu-1",
                            "--fault", "agent guest-get-vcpus#1 answer "
                            '[{"logical-id": 0, "online": true, "can-offline": false},'
                            ' {"logical-id": 1, "online": false, "can-offline": true}]',
                            "--fault", f"qmp query-blockstats event-first {json.dumps(reset)}")
        assert server.stdout is not None
        too_long = threading.Timer(SOON, server.kill)
        self.addCleanup(too_long.cancel)
        too_long.start()
        self.assertEqual(self.ask("GET", "vm.counters")[0], 500)
        self.assertEqual(server.stdout.readline(),
                         "the guest has rebooted: 1 of its vCPUs and DIMMs put online again\n")


class Life(ServeCase):
    def end(self, server: subprocess.Popen[str]) -> Tuple[int, str]:
        _, words = server.communicate(timeout=SOON)
        return server.returncode, words

    def test_socket(self) -> None:
        first = self.serve()
        self.assertEqual(stat.S_IMODE(os.stat(self.api).st_mode), 0o600)
        code, words = self.end(self.launch())
        self.assertEqual(code, 1)
        self.assertIn("a server listens on", words)
        self.is_served()
        first.send_signal(signal.SIGKILL)
        first.wait()
        self.assertTrue(os.path.exists(self.api))
        second = self.launch()
        assert second.stdout is not None
        self.assertTrue(second.stdout.readline())
        self.is_served()
        second.terminate()
        self.assertEqual(self.end(second)[0], 0)
        self.assertFalse(os.path.exists(self.api))

    def test_no_socket(self) -> None:
        self.start()
        (self.directory / "api").write_text("mine")
        code, words = self.end(self.launch())
        self.assertEqual(code, 1)
        self.assertIn("is no socket", words)
        self.assertEqual((self.directory / "api").read_text(), "mine")
        self.api = str(self.directory / "nowhere" / "api")
        self.assertEqual(self.end(self.launch())[0], 1)
        self.api = "x" * 200
        self.assertEqual(self.end(self.launch())[0], 1)

    def test_no_qemu(self) -> None:
        code, words = self.end(self.launch())
        self.assertEqual(code, 3)
        self.assertIn(str(self.qmp), words)
        self.assertFalse(os.path.exists(self.api))

    def test_qemu_goes(self) -> None:
        """Who waits is told, and it ends."""
        server = self.serve("--fault", "qmp device_add die-after")
        self.assertEqual(self.resize(vcpus=3)[0], 500)
        self.assertEqual(self.end(server)[0], 9)
        self.assertFalse(os.path.exists(self.api))

    def terminated(self, server: subprocess.Popen[str], times: int) -> Tuple[int, Any]:
        """What a client is told whose resize is under way."""
        answer: List[Tuple[int, Any]] = []
        client = threading.Thread(target=lambda: answer.append(self.resize(vcpus=4)))
        client.start()
        self.until(lambda: self.vcpus() > 1)
        for _ in range(times):
            server.terminate()
            self.until(lambda: not os.path.exists(self.api))  # the signal has come
        client.join()
        self.assertEqual(self.end(server)[0], 0)
        return answer[0]

    def test_terminated(self) -> None:
        """The vCPU under way is finished, no other is begun, and the client is told."""
        server = self.serve("--cpus", "1", "--guest", "online-delay=500")
        status, lines = self.terminated(server, 1)
        self.assertEqual(status, 500)
        self.assertIn("told to end", " ".join(lines))
        vcpus = self.state()["guest"]["cpus"]
        self.assertEqual([vcpu["online"] for vcpu in vcpus], [True, True])

    def test_terminated_twice(self) -> None:
        server = self.serve("--cpus", "1", "--guest", "ignores-adds")
        self.assertEqual(self.terminated(server, 2)[0], 500)

    def test_terminated_while_others_wait(self) -> None:
        server = self.serve("--cpus", "1", "--guest", "online-delay=300")
        answers: List[Optional[int]] = []
        waiting = [threading.Thread(target=lambda: answers.append(self.resize(vcpus=4)[0]))
                   for _ in range(3)]
        for client in waiting:
            client.start()
        self.until(lambda: self.vcpus() > 1)
        self.is_served()
        server.terminate()
        for client in waiting:
            client.join()
        self.assertEqual(answers, [500, 500, 500])
        self.assertEqual(self.end(server)[0], 0)


if __name__ == "__main__":
    support.main()
