#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""vmplugd's /v1 and its clients: those that follow events, those that come back, and those that
mean no good, beside which everybody else is served."""
from __future__ import annotations

import itertools
import json
import resource
import select
import socket
import threading
import time
from typing import Any, Dict, List

import support
from support import SOON
from v1 import Events, V1Case

#: How long a request may take to arrive, and an answer to be taken (daemon/http_server.h).
REQUEST_SECONDS = 10
#: Streams of one user at once (daemon/v1_events.c).
STREAMS = 192
OPERATIONS = "/v1/vms/vm/operations"


class Following(V1Case):
    def read(self, events: Events, count: int) -> List[Dict[str, Any]]:
        """So many events, each as the document has it, under its number and its type."""
        found = []
        for fields in itertools.islice((one for one in events if "data" in one), count):
            value = json.loads(fields["data"])
            self.document.check(value, {"$ref": "#/components/schemas/"
                                        + ("Gap" if fields["event"] == "gap" else "Event")})
            self.assertEqual(fields["event"], value["type"])
            self.assertEqual(int(fields["id"]), value.get("number", value.get("last")))
            found.append(value)
        return found

    def read_until(self, events: Events, kind: str, **data: Any) -> List[Dict[str, Any]]:
        """All up to the one of this type whose data has these members."""
        found: List[Dict[str, Any]] = []
        while not found or found[-1]["type"] != kind or any(
                found[-1]["data"].get(name) != value for name, value in data.items()):
            found += self.read(events, 1)
        return found

    def test_in_order(self) -> None:
        """What an operation does is told as it happens, each event with the next number."""
        self.hold("--cpus", "2", "--max-cpus", "8")
        events = self.events()
        done = self.operate(operation="cpu-add")
        told = self.read_until(events, "operation", id=done["id"], state="done")
        numbers = [event["number"] for event in told]
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + len(numbers))))
        kinds = [event["type"] for event in told]
        self.assertEqual([event["data"]["state"] for event in told
                          if event["type"] == "operation"], ["waiting", "running", "done"])
        self.assertIn("qmp", kinds)
        self.assertEqual([event["data"]["stage"] for event in told if event["type"] == "stage"],
                         ["accepted", "realized", "acknowledged", "online"])
        result, = [event["data"] for event in told if event["type"] == "result"]
        self.assertEqual([result], done["results"])
        self.assertTrue(all(event["vm"] == "vm" for event in told))

    def test_quick(self) -> None:
        """It is there at once, not at the next of some turns."""
        self.hold("--cpus", "2", "--max-cpus", "8")
        events = self.events()
        waits = []
        for _ in range(20):
            begun = self.ask("POST", OPERATIONS, {"operation": "cpu-add", "dry_run": True},
                             status=202)
            self.read_until(events, "operation", id=begun["id"], state="waiting")
            start = time.monotonic()
            self.ask("GET", f"/v1/operations/{begun['id']}?wait")
            self.read_until(events, "operation", id=begun["id"], state="done")
            waits.append(time.monotonic() - start)
        self.assertLess(sorted(waits)[10], 0.5)

    def test_at_once(self) -> None:
        """What one request brings about is told to others without anything else happening."""
        self.hold("--cpus", "2", "--max-cpus", "8", "--guest", "ignores-adds")
        ids = [self.ask("POST", OPERATIONS, {"operation": "cpu-add"}, status=202)["id"]
               for _ in range(2)]
        events = self.events("?since=0")
        self.read_until(events, "stage", stage="realized")
        waiting = self.client(f"GET /v1/operations/{ids[1]}?wait HTTP/1.1\r\nHost: x\r\n\r\n"
                              .encode())
        self.ask("GET", "/v1/health")
        start = time.monotonic()
        interrupting = self.client(f"DELETE /v1/operations/{ids[1]} HTTP/1.1\r\nHost: x\r\n\r\n"
                                   .encode())
        self.assertIn(b" 200 ", waiting.recv(4096))
        self.read_until(events, "operation", id=ids[1], state="done")
        self.assertLess(time.monotonic() - start, 5)
        self.assertIn(b" 200 ", interrupting.recv(4096))

    def test_coming_back(self) -> None:
        """Where it left off, by Last-Event-ID, and by `since`; of another VM there is nothing."""
        self.hold("--cpus", "2", "--max-cpus", "8")
        everything = self.events("?since=0")
        done = self.operate(operation="cpu-add")["id"]
        told = self.read_until(everything, "operation", id=done, state="done")
        self.assertEqual(told[0]["data"], {"state": "connecting"})
        for at in (0, 3, len(told) - 2):
            number = told[at]["number"]
            rest = len(told) - at - 1
            self.assertEqual(self.read(self.events(Last_Event_ID=str(number)), rest),
                             told[at + 1:])
            self.assertEqual(self.read(self.events(f"?since={number}"), rest), told[at + 1:])
            self.assertEqual(self.read(self.events(f"?since={number}&vm=vm"), rest),
                             told[at + 1:])
        self.assertEqual(self.read(self.events("?since=1", Last_Event_ID=str(number)), rest),
                         told[at + 1:])
        other = self.events("?since=0&vm=other")
        self.assertIn("retry", next(iter(other)))
        self.assertEqual(select.select([other.connection.sock or other.answer], [], [], 0.2)[0],
                         [])

    def test_gap(self) -> None:
        """Whoever comes back after the log has run over is told what is lost, and goes on."""
        self.hold("--cpus", "2", "--max-cpus", "8", options=("--event-bytes", "8192"))
        events = self.events()
        self.operate(operation="cpu-add", dry_run=True)
        last = self.read(events, 1)[0]["number"]
        events.close()
        for _ in range(20):
            done = self.operate(operation="cpu-add", dry_run=True)["id"]
        told = self.read_until(self.events(Last_Event_ID=str(last)), "operation", id=done,
                               state="done")
        gap, event = told[:2]
        self.assertEqual((gap["type"], gap["first"]), ("gap", last + 1))
        self.assertEqual(gap["last"] + 1, event["number"])
        self.assertEqual(event["number"] + len(told) - 2, told[-1]["number"])
        lines = self.ask("GET", "/metrics").splitlines()
        self.assertIn("vmplug_event_gaps_total 1", lines)

    def test_another_daemon(self) -> None:
        """Its numbers are higher: none is given twice, and what was missed is a gap."""
        daemon = self.hold("--cpus", "2")
        number = self.read(self.events("?since=0"), 1)[0]["number"]
        identity = self.operate(operation="cpu-add", dry_run=True)["id"]
        daemon.kill()
        self.launch().await_condition("True", "Synchronized")
        gap, event = self.read(self.events(Last_Event_ID=str(number)), 2)
        self.assertEqual((gap["type"], gap["last"] + 1), ("gap", event["number"]))
        self.refused(404, "none any more", "GET", f"/v1/operations/{identity}")

    def test_end(self) -> None:
        """The daemon's end is that of its streams."""
        daemon = self.hold()
        events = self.events()
        daemon.process.terminate()
        self.assertIn("retry", list(events)[0])
        self.assertEqual(daemon.end(), 0)

    def test_end_at_once(self) -> None:
        """The second signal leaves what is under way as it is; who waits for it hears so."""
        daemon = self.hold("--cpus", "2", "--max-cpus", "8", "--guest", "ignores-adds")
        events = self.events()
        self.ask("POST", OPERATIONS, {"operation": "cpu-add"}, status=202)
        self.read_until(events, "stage", stage="realized")
        waiting = self.client(b"POST /v1/vms/vm/operations?wait HTTP/1.1\r\nHost: x\r\n"
                              b"Content-Length: 24\r\n\r\n{\"operation\": \"cpu-add\"}")
        self.read_until(events, "operation", state="waiting")
        daemon.process.terminate()
        daemon.await_line("ending")
        self.assertIn(b'"verdict":"interrupted"', waiting.recv(65536))
        daemon.process.terminate()
        self.assertEqual(daemon.end(), 0)


class Hostile(V1Case):
    def is_served(self) -> None:
        """Somebody else is, and soon."""
        start = time.monotonic()
        self.ask("GET", "/v1/health")
        self.ask("GET", "/v1/vms/vm/status")
        self.assertLess(time.monotonic() - start, 5)

    def memory(self, pid: int) -> int:
        """What the daemon has, in kilobytes."""
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))

    def test_a_gigabyte(self) -> None:
        """Announced it is refused at once; else it is read no further than it may be."""
        daemon = self.hold()
        before = self.memory(daemon.process.pid)
        head = b"POST /v1/apply HTTP/1.1\r\nHost: x\r\nContent-Type: application/yaml\r\n"
        client = self.client(head + b"Content-Length: 1073741824\r\n\r\n")
        self.assertIn(b" 413 ", client.recv(4096))
        endless = self.client(head + b"Transfer-Encoding: chunked\r\n\r\n")
        with self.assertRaises((BrokenPipeError, ConnectionResetError)):
            for _ in range(16384):
                endless.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
        self.is_served()
        self.assertLess(self.memory(daemon.process.pid) - before, 16384)

    def test_all_bodies(self) -> None:
        """Many at once have bodies that are almost there: not all of them fit."""
        daemon = self.hold()
        before = self.memory(daemon.process.pid)
        head = (b"POST /v1/apply HTTP/1.1\r\nHost: x\r\nContent-Type: application/yaml\r\n"
                b"Content-Length: 4194304\r\n\r\n")
        clients = [self.client(head) for _ in range(32)]
        for client in clients:
            for _ in range(63):
                client.sendall(b" " * 65536)
        self.is_served()
        self.assertLess(self.memory(daemon.process.pid) - before, 160 << 10)
        for client in clients:
            client.sendall(b" " * 65536)
        statuses = [client.recv(4096).split(b" ")[1] for client in clients]
        self.assertEqual(set(statuses), {b"400", b"503"})

    def test_a_byte_a_second(self) -> None:
        """Its time is over however lively it is; others' is not."""
        self.hold()
        client = self.client()
        start = time.monotonic()
        with self.assertRaises((BrokenPipeError, ConnectionResetError)):
            for byte in itertools.cycle(b"GET /v1/health HTTP/1.1\r\nX: "):
                client.sendall(bytes((byte,)))
                self.is_served()
                if select.select([client], [], [], 1)[0] and not client.recv(4096):
                    raise ConnectionResetError
                self.assertLess(time.monotonic() - start, 2 * REQUEST_SECONDS)

    def test_reads_nothing(self) -> None:
        """One that follows all that happens, and takes none of it, is cut, and costs nothing."""
        daemon = self.hold("--cpus", "2", options=("--event-bytes", "65536"))
        self.client(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
        self.client(b"GET /v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 30)
        end = time.monotonic() + 4 * REQUEST_SECONDS
        while "vmplug_event_subscribers 1" in self.ask("GET", "/metrics"):
            self.assertLess(time.monotonic(), end)
            self.is_served()
            for _ in range(8):
                self.operate(operation="cpu-add", dry_run=True)
        self.assertGreater(time.monotonic(), end - 3 * REQUEST_SECONDS)
        self.assertLess(self.memory(daemon.process.pid), 64 << 10)

    def test_long_answers(self) -> None:
        """That nobody takes are not kept beyond some; others are answered."""
        self.write()
        text = (self.manifests / "vm.yaml").read_text().replace(str(self.qmp), "/no/where")
        store = self.directory / "state-home/vmplug/virtualmachine"
        store.mkdir(0o700, parents=True)
        for number in range(2000):
            (store / f"vm-{number}.yaml").write_text(text.replace(": vm\n", f": vm-{number}\n"))
        daemon = self.launch()
        before = self.memory(daemon.process.pid)
        page = len(json.dumps(self.ask("GET", "/v1/vms?limit=10000")))
        count = (96 << 20) // page
        start = time.monotonic()
        clients = [self.client(b"GET /v1/vms?limit=10000 HTTP/1.1\r\nHost: x\r\n\r\n")
                   for _ in range(count)]
        answers = [client.recv(12) for client in clients]
        self.assertLessEqual(set(answers), {b"HTTP/1.1 200", b"HTTP/1.1 503", b""})
        if time.monotonic() - start < REQUEST_SECONDS:  # else the first have been cut
            self.assertIn(b"HTTP/1.1 503", answers)
            self.assertLess(answers.count(b"HTTP/1.1 200") * page, 80 << 20)
        self.assertLess(self.memory(daemon.process.pid) - before, 160 << 10)
        self.assertEqual(self.ask("GET", "/v1/health")["vms"], 2001)

    def test_five_hundred(self) -> None:
        """At once, and silent; then at once, and all with something to ask."""
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit[1], limit[1]))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, limit)
        self.hold()
        clients = [self.client() for _ in range(500)]
        self.is_served()
        for client in clients:
            client.sendall(b"GET /v1/health HTTP/1.1\r\nHost: x\r\n\r\n")
        for client in clients:
            self.assertIn(b" 200 ", client.recv(4096))
        self.is_served()

    def test_many_that_wait(self) -> None:
        """Who follows, or waits, leaves room for others."""
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit[1], limit[1]))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, limit)
        self.hold("--cpus", "2", "--max-cpus", "8", "--guest", "ignores-adds")
        clients = [self.client(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
                   for _ in range(STREAMS)]
        for client in clients:
            self.assertIn(b" 200 ", client.recv(4096))
        self.refused(503, "too many follow", "GET", "/v1/events")
        identity = self.ask("POST", OPERATIONS, {"operation": "cpu-add"}, status=202)["id"]
        waiting = [self.client(f"GET /v1/operations/{identity}?wait HTTP/1.1\r\nHost: x\r\n\r\n"
                               .encode()) for _ in range(1000)]
        self.assertIn(b" 503 ", waiting[-1].recv(4096))
        self.assertEqual(self.ask("GET", "/v1/health")["status"], "ok")
        self.ask("DELETE", f"/v1/operations/{identity}")
        self.assertIn(b" 200 ", waiting[0].recv(4096))
        for client in clients + waiting:
            client.close()
        self.is_served()

    def test_silent_qemu(self) -> None:
        """Who asks about it waits; who asks about anything else does not."""
        self.hold("--fault", "qmp query-hotpluggable-cpus#3+ drop")
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(
            self.answer("GET", "/v1/vms/vm/status")[0])) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(20):
            self.ask("GET", "/v1/health")
            self.ask("GET", "/v1/vms")
        self.fake.kill()
        for thread in threads:
            thread.join()
        self.assertTrue(set(answers) <= {200, 503}, answers)


if __name__ == "__main__":
    support.main()
