#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A VM that vmplugd holds, to vmplug: each subcommand says what it says of the same VM that nobody
holds, any number of them at once, and each who is not allowed to is told so."""
from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import unittest
from typing import Any, List, Optional, Sequence, Tuple

import support
from support import SOON
from test_vmplugd import Daemon, VmplugdCase

VMPLUG = os.environ.get("VMPLUG", "vmplug")
NOBODY = 65534
TRIES = 20  # of a command whose connections come to nothing

Run = Tuple[int, str, str]

MANIFEST = """\
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: claim}}
spec: {{volumeName: volume}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {{name: volume}}
spec: {{local: {{path: {directory}/claim.raw}}}}
---
apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata:
  name: vm
  annotations: {{vmplug/qmp-socket: {directory}/qmp, vmplug/agent-socket: {directory}/agent}}
spec:
  template:
    spec:
      domain:
        cpu: {{sockets: {sockets}}}
        memory: {{guest: 256Mi}}
        devices: {{disks: []}}
      volumes: []
"""

SOCKETS_4 = '{"spec": {"template": {"spec": {"domain": {"cpu": {"sockets": 4}}}}}}'

#: In this order, on one VM.
COMMANDS = """\
status
version
cpu list
cpu add
cpu set 4
cpu add
cpu remove vmplug-cpu-2
cpu remove nothing
cpu add --dry-run
cpu set 2
memory list
memory add 256M
memory set 640M
memory set 700M
memory remove vmplug-mem-0
memory set 256M
disk list
disk add {directory}/data.raw --serial ONE
disk add {directory}/data.raw
disk add {directory}/nothing.raw
disk throttle vmplug-disk-0 --iops 100
disk throttle vmplug-disk-0
disk resize vmplug-disk-0 2M
disk list
disk remove vmplug-disk-0
cdrom list
cdrom insert cd0 {directory}/cd.raw
cdrom eject cd0
doctor
audit
audit --clean
wait nothing
events --for 0.1
qmp query-status
qmp query-nothing
qmp qom-list {{"path":"/"}}
agent guest-get-vcpus
agent guest-nothing
plan -f {directory}/three.yaml
apply -f {directory}/three.yaml --dry-run
apply -f {directory}/three.yaml
apply -f {directory}/three.yaml
patch vm vm --type merge -p {four}
apply -f {directory}/two.yaml
get vm
get vm vm
get vmi
get vmi vm
addvolume vm --volume-name=claim
removevolume vm --volume-name=claim
addvolume vm --volume-name=claim --persist
plan --vm vm
removevolume vm --volume-name=claim
removevolume vm --volume-name=nothing
"""

#: How long something took, when it was, and the room that is left for that.
TIMES = re.compile(r' *"?\d+\.\d+( ms)|("[a-z_]*ms": ?)[0-9.]+|(Timestamp": )"[^"]*"|'
                   r'("(?:micro)?seconds": ?)\d+')


def timeless(text: str) -> str:
    return TIMES.sub(lambda found: next(word for word in found.groups() if word) + "TIME", text)


class ThroughCase(VmplugdCase):
    def setUp(self) -> None:
        super().setUp()
        for name in ("data.raw", "claim.raw", "cd.raw"):
            self.image(name)
        for name, sockets in (("two", 2), ("three", 3)):
            (self.directory / f"{name}.yaml").write_text(
                MANIFEST.format(directory=self.directory, sockets=sockets))

    def run_vmplug(self, *arguments: str, **options: Any) -> Run:
        command = arguments if arguments[0] in ("plan", "apply", "patch", "get", "addvolume",
                                                "removevolume") else (
            *arguments, "--qmp", str(self.qmp), "--agent", str(self.agent))
        run = subprocess.run([VMPLUG, *command], text=True, capture_output=True, timeout=60,
                             check=False, env={**self.environment, "COLUMNS": "200"}, **options)
        return run.returncode, run.stdout, run.stderr

    def hold(self, *options: str) -> Daemon:
        """A daemon that has the VM."""
        if not (self.directory / "state-home").exists():
            self.run_vmplug("apply", "-f", str(self.directory / "two.yaml"))
        daemon = self.launch(*options)
        daemon.await_condition("True", "Synchronized")
        return daemon

    def marks(self) -> int:
        """Of the monitor and of the agent."""
        held = self.directory / "vmplug/held"
        return len(list(held.iterdir())) if held.exists() else 0


class Same(ThroughCase):
    COMMANDS = COMMANDS.splitlines()
    FAKE: Sequence[str] = ("--cdrom", "cd0")
    MANIFEST = "two.yaml"

    def words(self, line: str, held: bool) -> List[str]:
        return [word.format(directory=self.directory, four=SOCKETS_4) for word in line.split(" ")]

    def world(self, held: bool, options: Sequence[str]) -> List[Run]:
        """What each command says, in a world of its own."""
        for name in ("state-home", "vmplug"):
            shutil.rmtree(self.directory / name, ignore_errors=True)
        os.truncate(self.directory / "data.raw", 1 << 20)
        fake = self.start(*self.FAKE)
        daemon: Optional[Daemon] = None
        self.run_vmplug("apply", "-f", str(self.directory / self.MANIFEST))
        if held:
            daemon = self.hold()
        runs = []
        for line in self.COMMANDS:
            runs.append(self.run_vmplug(*self.words(line, held), *options))
        self.assertEqual(self.marks(), 2 if held else 0)
        if daemon is not None:
            daemon.await_line("message=change", "verdict=begun")
            daemon.kill()
        fake.terminate()
        fake.wait(SOON)
        return runs

    def compare(self, *options: str) -> None:
        direct, through = self.world(False, options), self.world(True, options)
        for line, one, other in zip(self.COMMANDS, direct, through):
            with self.subTest(line):
                self.assertEqual(other[0], one[0], (one, other))
                self.assertEqual(timeless(other[1]), timeless(one[1]))
                self.assertEqual(timeless(other[2]), timeless(one[2]))
        self.assertGreater(len({run[0] for run in direct}), 1)

    def test_human(self) -> None:
        self.compare()

    def test_json(self) -> None:
        self.compare("--json")


class Unanswered(Same):
    """Requests that stand are on record of the same QEMU, whichever way they went."""

    COMMANDS = ["cpu remove vmplug-cpu-2 --timeout 3", "status", "wait vmplug-cpu-2 --timeout 1",
                "audit", "doctor"]
    FAKE = ("--guest", "ignores-removes", "--cpu", "vmplug-cpu-2")
    MANIFEST = "three.yaml"


class Remote(Same):
    """The same by --api-socket, where the manifests are the daemon's."""

    COMMANDS = [line for line in COMMANDS.splitlines()
                if line.startswith(("plan", "apply", "patch", "get")) and "--dry-run" not in line]

    def test_json(self) -> None:
        """Of a VM it says more: how it comes to what its manifest says."""
        self.COMMANDS = [line for line in self.COMMANDS if not line.startswith("get vm")
                         or line.startswith("get vmi")]
        super().test_json()

    def words(self, line: str, held: bool) -> List[str]:
        return super().words(line, held) + (["--api-socket", str(self.api)] if held else [])


class Several(ThroughCase):
    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [VMPLUG, *arguments, "--qmp", str(self.qmp), "--agent", str(self.agent)], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment)
        assert process.stdout is not None and process.stderr is not None
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def end(self, process: subprocess.Popen[str]) -> str:
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, (out, err))
        return out

    def test_changes(self) -> None:
        """One after the other, and each has its own."""
        self.start("--slots", "4")
        self.hold()
        both = [self.begin("memory", "add", "256M", "--json") for _ in range(3)]
        ids = sorted(json.loads(self.end(process))["id"] for process in both)
        self.assertEqual(ids, ["vmplug-mem-0", "vmplug-mem-1", "vmplug-mem-2"])

    def test_looks(self) -> None:
        """Each has the answer to what it asked, of QEMU and of the agent."""
        self.start()
        self.hold()
        asked = (("qmp", "query-status", '"running"'), ("qmp", "query-name", '"name"'),
                 ("agent", "guest-get-vcpus", '"logical-id"'),
                 ("agent", "guest-get-memory-block-info", '"size"'))
        for _ in range(3):
            processes = [self.begin(*words[:2]) for words in asked * 3]
            for process, words in zip(processes, asked * 3):
                self.assertIn(words[2], self.end(process))

    def test_events(self) -> None:
        """They come to one that only listens, while another changes the VM."""
        self.start()
        daemon = self.hold()
        listener = self.begin("events", "--until", "ACPI_DEVICE_OST", "--json", "-v")
        assert listener.stderr is not None
        for line in listener.stderr:
            if "qmp_capabilities" in line:
                break
        while listener.poll() is None:
            self.assertEqual(self.run_vmplug("cpu", "set", "3")[0], 0)
            self.assertEqual(self.run_vmplug("cpu", "set", "2")[0], 0)
        self.assertIn('"ACPI_DEVICE_OST"', self.end(listener))
        daemon.kill()

    def test_one_that_is_killed(self) -> None:
        """It leaves its place to others, with what it had begun."""
        self.start("--guest", "ignores-adds")
        daemon = self.hold()
        waiting = self.begin("cpu", "add")
        daemon.await_line("action=qmp:device_add", "verdict=accepted")
        other = self.begin("memory", "add", "256M", "--wait", "realized")
        waiting.send_signal(signal.SIGKILL)
        self.assertIn("vmplug-mem-0", self.end(other))

    def test_interrupted(self) -> None:
        """It ends as it would by itself, and others go on."""
        self.start("--guest", "ignores-adds")
        daemon = self.hold()
        waiting = self.begin("cpu", "add", "--json")
        daemon.await_line("action=qmp:device_add", "verdict=accepted")
        waiting.send_signal(signal.SIGTERM)  # SIGINT may be ignored
        out, _ = waiting.communicate(timeout=60)
        self.assertEqual(waiting.returncode, 130, out)
        self.assertEqual(json.loads(out)["verdict"], "interrupted")
        self.assertEqual(self.run_vmplug("disk", "add", f"{self.directory}/data.raw",
                                         "--wait", "realized")[0], 0)

    def test_the_daemon_waits(self) -> None:
        """What a command has begun the daemon leaves to it, though it is stored."""
        self.start()
        daemon = self.hold()
        code, out, _ = self.run_vmplug("apply", "-f", str(self.directory / "three.yaml"), "--json")
        self.assertEqual(code, 0)
        self.assertEqual(json.loads(out.splitlines()[-1])["done"], 1)
        daemon.await_line("action=qmp:device_add", "verdict=accepted")
        daemon.kill()
        self.assertFalse([line for line in daemon.said if "action=reconcile" in line])

    def test_the_daemon_is_killed(self) -> None:
        """Then there is nobody to go by, and it goes without."""
        self.start()
        daemon = self.hold()
        through = self.run_vmplug("status", "--json")
        daemon.kill()
        self.assertEqual(self.marks(), 2)
        self.assertEqual(self.run_vmplug("status", "--json"), through)
        self.assertEqual(self.run_vmplug("cpu", "add")[0], 0)


@unittest.skipUnless(os.geteuid() == 0, "nobody else's programs can be started")
class OtherUsers(ThroughCase):
    def vm_state(self) -> Any:
        return {key: value for key, value in self.state().items() if key != "commands"}

    def let_in(self, role: str) -> Daemon:
        self.start()
        policy = self.directory / "policy.yaml"
        policy.write_text(f"rules: [{{role: {role}, users: [{NOBODY}]}}]\n")
        runtime = self.directory / "vmplug"
        runtime.mkdir(mode=0o755)
        os.chmod(self.directory, 0o755)
        daemon = self.hold("--policy", str(policy))
        os.chmod(self.api, 0o666)
        return daemon

    def test_operator(self) -> None:
        """Whose own store is none of the daemon's: it is asked to store."""
        self.let_in("operator")
        own = self.directory / "own"
        own.mkdir(mode=0o777)
        os.chmod(own, 0o777)
        self.environment["XDG_STATE_HOME"] = str(own)
        words = ("apply", "-f", str(self.directory / "three.yaml"))
        code, _, error = self.run_vmplug(*words, user=NOBODY)
        self.assertEqual(code, 7, error)
        self.assertIn(f"add --api-socket {self.api}", error)
        patch = ("patch", "vm", "vm", "--type", "merge", "-p", SOCKETS_4, "--json")
        code, out, error = self.run_vmplug(*patch, "--api-socket", str(self.api), user=NOBODY)
        self.assertEqual(code, 0, error)
        self.assertEqual(json.loads(out.splitlines()[-1])["done"], 2)
        self.assertEqual(self.run_vmplug("cpu", "remove", "vmplug-cpu-2", user=NOBODY)[0], 0)

    def test_viewer(self) -> None:
        """A viewer sees what there is, and changes nothing by any subcommand."""
        daemon = self.let_in("viewer")
        before = self.vm_state()
        for words in ("status", "cpu list", "memory list", "disk list", "audit", "doctor",
                      "qmp query-status", "agent guest-get-vcpus", "events --for 0.1"):
            own = self.run_vmplug(*words.split(" "), "--json")
            self.assertEqual(self.run_vmplug(*words.split(" "), "--json", user=NOBODY), own, words)
        for words in ("cpu add", "cpu set 3", "memory add 256M",
                      f"disk add {self.directory}/data.raw --read-only", "qmp stop", "qmp quit",
                      "agent guest-shutdown", "agent guest-file-open {\"path\":\"/etc/shadow\"}"):
            code, out, error = self.run_vmplug(*words.split(" "), user=NOBODY)
            self.assertEqual(code, 4, (words, out, error))
            self.assertIn("forbidden", error)
        for words in ("apply -f {}/three.yaml", "patch vm vm --type merge -p {{}}"):
            code, out, error = self.run_vmplug(*words.format(self.directory).split(" "),
                                               "--api-socket", str(self.api), user=NOBODY)
            self.assertNotEqual(code, 0, (words, out))
            self.assertIn("uid 65534 is", error)
        self.assertEqual(self.vm_state(), before)
        daemon.await_line("uid=65534", "verdict=forbidden", "qmp:device_add")


class Answers(ThroughCase):
    """What may stand at the other end of a mark."""

    def serve(self, answer: Optional[bytes], times: int) -> None:
        """So many connections, then nobody listens. None: they are not answered."""
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(self.directory / "other"))
        server.listen()
        done = threading.Event()

        def answer_one(connection: socket.socket) -> None:
            while b"\r\n\r\n" not in connection.recv(4096):
                pass
            if answer is None:
                done.wait(SOON)
            with contextlib.suppress(OSError):  # it may have heard enough
                for at in range(len(answer or b"")):
                    connection.sendall(answer[at:at + 1] if answer else b"")

        def run() -> None:
            for number in range(times):
                try:
                    connection, _ = server.accept()
                except OSError:  # fewer have come
                    return
                with connection:
                    answer_one(connection)
                    if number == times - 1:
                        server.close()

        def end() -> None:
            done.set()
            with contextlib.suppress(OSError), server:
                server.shutdown(socket.SHUT_RDWR)
            thread.join()

        thread = threading.Thread(target=run)
        thread.start()
        self.addCleanup(end)

    def mark(self) -> None:
        status = os.stat(self.qmp)
        held = self.directory / "vmplug/held"
        held.mkdir(parents=True)
        (held / f"{status.st_dev:x}-{status.st_ino:x}").symlink_to(f"{self.directory}/other vm")

    def claim(self, answer: Optional[bytes], code: int, words: str, times: int = 1,
              seconds: int = SOON) -> None:
        self.start()
        self.serve(answer, times)
        self.mark()
        got, _, error = self.run_vmplug("status", "--timeout", str(seconds))
        self.assertEqual(got, code, error)
        self.assertIn(words, error)

    @staticmethod
    def error(status: str, message: str, fix: str) -> bytes:
        body = json.dumps({"error": {"code": "x", "message": message, "fix": fix}}).encode()
        return (f"HTTP/1.1 {status}\r\nServer: x\r\ncontent-length: {len(body)}\r\n\r\n".encode()
                + body)

    def test_forbidden(self) -> None:
        self.claim(self.error("403 Forbidden", "you are nobody", "be somebody"), 3,
                   "vmplug: status: you are nobody; be somebody")

    def test_too_many(self) -> None:
        self.claim(self.error("503 Service Unavailable", "it is busy", "wait"), 3,
                   "it is busy; wait")

    def test_held_no_more(self) -> None:
        self.claim(self.error("404 Not Found", "there is none", ""), 0, "")

    def test_another_protocol(self) -> None:
        self.claim(b"SSH-2.0-x\r\n\r\n", 3, "speaks no HTTP")

    def test_no_answer(self) -> None:
        self.claim(b"", 3, "gave no answer", TRIES)

    def test_just_killed(self) -> None:
        """Its socket takes one more client, and lets go of it."""
        self.claim(b"", 0, "")

    def test_broken_off(self) -> None:
        self.claim(b"HTTP/1.1 ", 3, "broke off its answer")

    def test_silence(self) -> None:
        self.claim(None, 3, "did not answer in time", seconds=1)

    def test_no_end(self) -> None:
        self.claim(b"HTTP/1.1 200 OK\r\n" + b"A: " + b"a" * 8000, 3, "broke off its answer")


if __name__ == "__main__":
    support.main()
