#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""vmplugd on a fake QEMU: a VM becomes what its manifest says, whenever that changes, and whoever
is killed meanwhile; what can't be had is said, and not asked for again and again."""
from __future__ import annotations

import json
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from typing import Any, List, Optional

import support
from applying import CLAIM
from support import SOON, FakeCase

VMPLUG = os.environ.get("VMPLUG", "vmplug")
VMPLUGD = os.environ.get("VMPLUGD", "./vmplugd")
MEBIBYTE = 1 << 20

VM = """\
apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata:
  name: vm
  annotations:
    vmplug/qmp-socket: {qmp}
    vmplug/agent-socket: {agent}
spec:
  template:
    spec:
      domain:
        cpu: {{sockets: {sockets}}}
        memory: {{guest: {memory}}}
        devices:
          disks: [{disks}]
      volumes: [{volumes}]
"""


class Daemon:
    """One that runs, and what it says."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: "queue.Queue[Optional[str]]" = queue.Queue()
        self.said: List[str] = []
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.put(line)
        self.lines.put(None)

    def next(self, seconds: float) -> str:
        line = self.lines.get(timeout=seconds)
        if line is None:
            raise EOFError("".join(self.said))
        self.said.append(line)
        return line

    def await_line(self, *parts: str, seconds: float = SOON) -> str:
        """The next line that has all of these in it."""
        until = time.monotonic() + seconds
        while True:
            try:
                line = self.next(until - time.monotonic())
            except (queue.Empty, ValueError):
                raise AssertionError(f"no {parts} in\n{''.join(self.said)}") from None
            if all(part in line for part in parts):
                return line

    def await_condition(self, status: str, reason: str) -> str:
        return self.await_line("message=condition", f"status={status} ", f"reason={reason}")

    def await_change(self) -> None:
        """It makes something of the VM, and all of it comes to be."""
        self.await_condition("False", "Progressing")
        self.await_condition("True", "Synchronized")

    def says_within(self, seconds: float, part: str) -> bool:
        try:
            self.await_line(part, seconds=seconds)
        except AssertionError:
            return False
        return True

    def kill(self) -> None:
        self.process.kill()
        self.end()

    def end(self) -> int:
        code = self.process.wait(SOON)
        self.reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code


class VmplugdCase(FakeCase):
    def setUp(self) -> None:
        super().setUp()
        self.manifests = self.directory / "manifests"
        self.manifests.mkdir()
        self.api = self.directory / "api"
        self.environment = {**os.environ, "XDG_STATE_HOME": str(self.directory / "state-home"),
                            "XDG_RUNTIME_DIR": str(self.directory)}
        self.environment.pop("NOTIFY_SOCKET", None)

    def launch(self, *options: str) -> Daemon:
        process = subprocess.Popen(
            [VMPLUGD, "--manifests", str(self.manifests), "--api-socket", str(self.api), *options],
            stderr=subprocess.PIPE, text=True, env=self.environment)
        daemon = Daemon(process)
        self.addCleanup(lambda: process.poll() is None and daemon.kill())
        daemon.await_line("message=ready")
        return daemon

    def disks(self, names: str) -> str:
        """The claims of disks, and files for them."""
        claims = ""
        for name in names:
            claims += CLAIM.format(name=name, path=self.image(f"{name}.raw"))
        return claims

    def write(self, sockets: int = 2, memory: str = "256Mi", names: str = "",
              file: str = "vm.yaml") -> None:
        disks = ", ".join(f"{{name: {name}, disk: {{bus: scsi}}}}" for name in names)
        volumes = ", ".join(f"{{name: {name}, persistentVolumeClaim: "
                            f"{{claimName: {name}, hotpluggable: true}}}}" for name in names)
        (self.manifests / file).write_text(self.disks(names) + VM.format(
            qmp=self.qmp, agent=self.agent, sockets=sockets, memory=memory, disks=disks,
            volumes=volumes))

    def vmplug(self, *arguments: str, code: int = 0) -> List[Any]:
        run = subprocess.run([VMPLUG, *arguments, "--json"], text=True, env=self.environment,
                             capture_output=True, timeout=60, check=False)
        self.assertEqual(run.returncode, code, (arguments, run.stdout, run.stderr))
        return [json.loads(line) for line in run.stdout.splitlines()]

    def check(self, sockets: int, mebibytes: int, names: str) -> None:
        """QEMU and the guest, once nobody else has the monitor."""
        sockets_of = ("--qmp", str(self.qmp), "--agent", str(self.agent))
        status, = self.vmplug("status", *sockets_of)
        self.assertEqual((status["cpus"]["present"], status["cpus"]["online"]), (sockets, sockets))
        self.assertEqual(status["memory"]["total_bytes"], mebibytes * MEBIBYTE)
        self.assertEqual(status["memory"]["online_bytes"], mebibytes * MEBIBYTE)
        self.assertEqual(sorted(disk["id"] for disk in status["disks"]),
                         [f"vmplug-vol-{name}" for name in names])
        audit, = self.vmplug("audit", *sockets_of)
        self.assertIs(audit["clean"], True, audit)


class Manifests(VmplugdCase):
    def test_followed(self) -> None:
        """What is there at the beginning, what changes, what comes by another file."""
        self.start()
        self.write(3, "512Mi", "ab")
        daemon = self.launch()
        daemon.await_condition("True", "Synchronized")
        self.write(4, "640Mi", "b")
        daemon.await_change()
        self.write(2, "512Mi", "bc", file="another.yml")
        daemon.await_change()
        daemon.kill()
        self.check(2, 512, "bc")

    def test_stored_by_somebody(self) -> None:
        self.start()
        self.write(2)
        daemon = self.launch()
        daemon.await_condition("True", "Synchronized")
        self.patch(3)
        daemon.await_change()
        daemon.kill()
        self.check(3, 256, "")

    def patch(self, sockets: int) -> None:
        """As somebody else stores it, who does not ask the daemon."""
        stored = self.directory / "state-home/vmplug/virtualmachine/vm.yaml"
        text = re.sub(r"(\n +sockets: )\d+", rf"\g<1>{sockets}", stored.read_text())
        new = stored.with_name(".vm.yaml.new")
        new.write_text(text)
        new.rename(stored)

    def test_not_taken_twice(self) -> None:
        """A file that says what it said is not taken again after a restart: what was stored since
        is kept."""
        self.start()
        self.write(2)
        daemon = self.launch()
        daemon.await_condition("True", "Synchronized")
        self.patch(3)
        daemon.await_change()
        daemon.kill()
        daemon = self.launch()
        daemon.await_condition("True", "Synchronized")
        daemon.kill()
        self.check(3, 256, "")

    def test_wrong(self) -> None:
        """A manifest that is wrong is said to be, and keeps no other from being taken."""
        self.start()
        (self.manifests / "a.yaml").write_text("kind: [\n")
        self.write(3)
        daemon = self.launch()
        daemon.await_line("level=error", "a manifest is not taken", "a.yaml")
        daemon.await_condition("True", "Synchronized")

    def test_leads_nowhere(self) -> None:
        """A link whose file is missing is there."""
        (self.manifests / "a.yaml").symlink_to(self.directory / "missing.yaml")
        daemon = self.launch()
        daemon.await_line("level=error", "a manifest is not taken", "a.yaml can't be read: No such")
        (self.manifests / "a.yaml").unlink()
        daemon.await_line("a manifest has gone")

    def test_spoilt(self) -> None:
        """What is stored is no manifest any more: the VM stays as it is, and that is said."""
        self.start()
        self.write(3)
        daemon = self.launch()
        daemon.await_condition("True", "Synchronized")
        stored = self.directory / "state-home/vmplug/virtualmachine/vm.yaml"
        text = stored.read_text()
        stored.write_text("kind: [\n")
        daemon.await_condition("False", "Blocked")
        stored.write_text(text)
        daemon.await_condition("True", "Synchronized")

    def test_file_goes(self) -> None:
        self.start()
        self.write(3)
        daemon = self.launch()
        daemon.await_condition("True", "Synchronized")
        (self.manifests / "vm.yaml").unlink()
        daemon.await_line("a manifest has gone")
        daemon.kill()
        self.check(3, 256, "")

    def test_directory_replaced(self) -> None:
        """By another one, at once or in a while."""
        self.start("--max-cpus", "8")
        self.write(2)
        daemon = self.launch()
        daemon.await_condition("True", "Synchronized")
        before = self.manifests
        self.manifests = self.directory / "new"
        for sockets in (3, 4):
            self.manifests.mkdir()
            self.write(sockets)
            before.rename(self.directory / f"old{sockets}")
            if sockets == 4:
                daemon.await_line("the directory of manifests can't be read")
            self.manifests.rename(before)
            daemon.await_change()
        self.manifests = before
        self.write(5)
        daemon.await_change()
        shutil.rmtree(self.manifests)
        daemon.await_line("the directory of manifests can't be read")
        self.manifests.mkdir()
        self.write(6)
        daemon.await_change()
        daemon.kill()
        self.check(6, 256, "")

    def test_reloaded(self) -> None:
        """The directory may be another one: that is followed from then on."""
        self.start()
        self.write(3)
        daemon = self.launch()
        daemon.await_condition("True", "Synchronized")
        self.manifests.rename(self.directory / "old")
        self.manifests.mkdir()
        self.write(4)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.await_change()
        self.write(4, "512Mi")
        daemon.await_change()
        daemon.kill()
        self.check(4, 512, "")

    def test_forgotten(self) -> None:
        """What is stored no more is let go of, as it is."""
        self.start()
        self.write(3)
        daemon = self.launch()
        daemon.await_condition("True", "Synchronized")
        (self.directory / "state-home/vmplug/virtualmachine/vm.yaml").unlink()
        daemon.await_line("forgotten")
        self.check(3, 256, "")
        self.assertIsNone(daemon.process.poll())

    def test_agent_comes_later(self) -> None:
        """What only QEMU says is not said to be more, until the guest can be asked."""
        self.start()
        self.write(3)
        manifest, later = self.manifests / "vm.yaml", self.directory / "later"
        manifest.write_text(manifest.read_text().replace(str(self.agent), str(later)))
        daemon = self.launch()
        self.assertIn("nobody could ask the guest", daemon.await_condition("True", "Unconfirmed"))
        later.symlink_to(self.agent)
        daemon.await_condition("True", "Synchronized")
        daemon.kill()
        self.check(3, 256, "")

    def test_claim_comes_later(self) -> None:
        """A volume without its claim is blocked, until that is there."""
        self.start()
        self.write(2, "256Mi", "a")
        text = (self.manifests / "vm.yaml").read_text()
        claims, vm = text[:text.rindex("---\n")], text[text.rindex("---\n"):]
        (self.manifests / "vm.yaml").write_text(vm)
        daemon = self.launch()
        daemon.await_condition("False", "Blocked")
        (self.manifests / "claims.yaml").write_text(claims)
        daemon.await_condition("True", "Synchronized")
        daemon.kill()
        self.check(2, 256, "a")


    def test_claim_changes(self) -> None:
        """A claim that means another file: a VM that was as it is to be gets that one."""
        self.start()
        self.write(2, "256Mi", "ab")
        daemon = self.launch()
        daemon.await_condition("True", "Synchronized")
        other = self.image("other.raw")
        (self.manifests / "claims.yaml").write_text(CLAIM.format(name="b", path=other))
        daemon.await_change()
        daemon.kill()
        self.check(2, 256, "ab")
        status, = self.vmplug("status", "--qmp", str(self.qmp))
        self.assertEqual({disk["id"]: disk["file"] for disk in status["disks"]}["vmplug-vol-b"],
                         str(other))


class Ends(VmplugdCase):
    def test_killed(self) -> None:
        """At each device's end, and before the first, upwards and downwards."""
        for nth in range(0, 5):
            fake = self.start()
            with self.subTest(nth=nth):
                for sockets, mebibytes, names in ((4, 512, "ab"), (2, 256, "")):
                    self.write(sockets, f"{mebibytes}Mi", names)
                    daemon = self.launch()
                    daemon.await_condition("False", "Progressing")
                    for _ in range(nth):
                        daemon.await_line("by the manifest", "operation=")
                    daemon.kill()
                    daemon = self.launch()
                    daemon.await_condition("True", "Synchronized")
                    daemon.kill()
                    self.check(sockets, mebibytes, names)
            fake.kill()
            fake.wait()

    def test_killed_in_the_middle(self) -> None:
        """While QEMU has it, and the guest has not."""
        self.start("--guest", "online-delay=400", "--guest", "ost-delay=200")
        self.write(4, "512Mi", "a")
        present = 2
        while present < 4:
            daemon = self.launch()
            present = self.await_more(present)
            daemon.kill()
        daemon = self.launch()
        daemon.await_condition("True", "Synchronized")
        daemon.kill()
        self.check(4, 512, "a")

    def await_more(self, before: int) -> int:
        """More vCPUs than before, in QEMU."""
        until = time.monotonic() + SOON
        while time.monotonic() < until:
            try:
                state = self.state()
            except ValueError:
                continue
            now = sum(1 for cpu in state["cpus"] if cpu["present"])
            if now > before:
                return now
            time.sleep(0.01)
        raise AssertionError("no vCPU came")

    def test_qemu_restarts(self) -> None:
        fake = self.start()
        self.write(3, "512Mi", "a")
        daemon = self.launch()
        daemon.await_condition("True", "Synchronized")
        fake.kill()
        fake.wait()
        daemon.await_line("state=absent")
        self.start()
        daemon.await_condition("True", "Synchronized")
        daemon.kill()
        self.check(3, 512, "a")

    def test_qemu_dies_midway(self) -> None:
        fake = self.start("--fault", "qmp device_add#2 die")
        self.write(4)
        daemon = self.launch()
        daemon.await_line("state=absent", "why=")
        fake.kill()
        fake.wait()
        self.start()
        daemon.await_condition("True", "Synchronized")
        daemon.kill()
        self.check(4, 256, "")

    def test_terminated(self) -> None:
        """The vCPU under way is finished, and no other begun; the next daemon does the rest."""
        self.start("--guest", "online-delay=300")
        self.write(4)
        daemon = self.launch()
        self.await_more(2)
        daemon.process.terminate()
        self.assertEqual(daemon.end(), 0)
        self.assertFalse(self.api.exists())
        self.assertEqual(list((self.directory / "vmplug/held").iterdir()), [])
        self.check(3, 256, "")
        daemon = self.launch()
        daemon.await_condition("True", "Synchronized")
        daemon.kill()
        self.check(4, 256, "")

    def test_terminated_twice(self) -> None:
        self.start("--guest", "ignores-adds")
        self.write(4)
        daemon = self.launch()
        daemon.await_condition("False", "Progressing")
        daemon.process.terminate()
        daemon.await_line("ending")
        daemon.process.terminate()
        self.assertEqual(daemon.end(), 0)

    def test_manifest_while_it_ends(self) -> None:
        """One that comes then is the next daemon's to take."""
        self.environment["MALLOC_PERTURB_"] = "85"
        self.start("--guest", "ignores-adds")
        self.write(4)
        daemon = self.launch()
        daemon.await_condition("False", "Progressing")
        daemon.process.terminate()
        daemon.await_line("ending")
        self.write(5, file="other.yaml")
        daemon.process.terminate()
        self.assertEqual(daemon.end(), 0)

    def test_no_directory(self) -> None:
        """What is stored already is let go of, too."""
        self.start()
        self.write()
        self.vmplug("apply", "--file", str(self.manifests / "vm.yaml"))
        run = subprocess.run([VMPLUGD, "--manifests", str(self.directory / "none")], text=True,
                             env=self.environment, capture_output=True, timeout=SOON, check=False)
        self.assertEqual(run.returncode, 1, run.stderr)
        self.assertIn("cannot begin", run.stderr)
        self.assertIn("none': No such file or directory\" fix=", run.stderr)

    def test_nothing_to_end(self) -> None:
        daemon = self.launch()
        daemon.process.terminate()
        self.assertEqual(daemon.end(), 0)


class Monitors(VmplugdCase):
    def test_busy(self) -> None:
        """Another client's monitor is waited for, and that is said."""
        self.start()
        self.write(3)
        with socket.socket(socket.AF_UNIX) as other:
            other.connect(str(self.qmp))
            other.recv(1)
            daemon = self.launch()
            daemon.await_line("state=busy", "why=")
            daemon.await_condition("Unknown", "MonitorBusy")
        daemon.await_condition("True", "Synchronized")
        daemon.kill()
        self.check(3, 256, "")

    def test_comes_later(self) -> None:
        self.write(3)
        daemon = self.launch()
        daemon.await_line("a manifest is taken")
        self.start()
        daemon.await_condition("True", "Synchronized")

    def test_marked(self) -> None:
        """Who looks for the monitor finds the daemon."""
        self.start()
        self.write(3)
        daemon = self.launch()
        daemon.await_condition("True", "Synchronized")
        found = os.stat(self.qmp)
        mark = self.directory / f"vmplug/held/{found.st_dev:x}-{found.st_ino:x}"
        self.assertEqual(os.readlink(mark), f"{self.api} vm")
        daemon.process.terminate()
        self.assertEqual(daemon.end(), 0)
        self.assertFalse(os.path.lexists(mark))

    def test_sockets_change(self) -> None:
        """A manifest that names another QEMU's is followed there."""
        self.start()
        self.write(3)
        daemon = self.launch()
        daemon.await_condition("True", "Synchronized")
        self.qmp, self.agent = self.directory / "qmp2", self.directory / "agent2"
        self.start()
        self.write(4)
        daemon.await_condition("True", "Synchronized")
        daemon.kill()
        self.check(4, 256, "")


class Failures(VmplugdCase):
    def begun(self, daemon: Daemon) -> float:
        daemon.await_line("action=reconcile", "verdict=begun")
        return time.monotonic()

    def test_refused(self) -> None:
        """What the guest has refused is asked for again once somebody has changed something."""
        self.start("--guest", "adds=1/0x81")
        self.write(2, "384Mi")
        daemon = self.launch()
        daemon.await_condition("False", "Refused")
        self.assertFalse(daemon.says_within(2.5, "verdict=begun"))
        self.write(2, "512Mi")
        self.begun(daemon)

    def test_blocked(self) -> None:
        """A ceiling: what can be done is, and what it would take is said."""
        self.start()
        self.write(9, "512Mi")
        daemon = self.launch()
        line = daemon.await_condition("False", "RestartRequired")
        self.assertIn("9 sockets", line)
        self.assertFalse(daemon.says_within(1.5, "verdict=begun"))
        daemon.kill()
        self.check(2, 512, "")

    def test_pending(self) -> None:
        """A guest that does not answer is asked no second time, and looked at less and less."""
        self.start("--guest", "ignores-adds")
        self.write(3)
        daemon = self.launch("--timeout", "0.3")
        times = [self.begun(daemon) for _ in range(3)]
        daemon.await_condition("False", "Pending")
        self.assertGreater(times[1] - times[0], 1)
        self.assertGreater(times[2] - times[1], 2)
        self.assertEqual([cpu["id"] for cpu in self.state()["cpus"]
                          if cpu.get("id")], ["vmplug-cpu-2"])

    def test_rejected(self) -> None:
        self.start("--fault", "qmp device_add reject no")
        self.write(3)
        daemon = self.launch()
        daemon.await_condition("False", "Rejected")
        self.assertFalse(daemon.says_within(1.5, "verdict=begun"))

    def test_rebooted(self) -> None:
        """What the guest's reboot has left offline is put online again."""
        reset = {"event": "RESET", "timestamp": {"seconds": 1, "microseconds": 0},
                 "data": {"guest": True, "reason": "guest-reset"}}
        offline = ('[{"logical-id": 0, "online": true, "can-offline": false},'
                   ' {"logical-id": 1, "online": false, "can-offline": true}]')
        self.start("--cpus", "1", "--cpu", "vmplug-cpu-1",
                   "--fault", f"qmp query-hotpluggable-cpus#1 event-first {json.dumps(reset)}",
                   "--fault", f"agent guest-get-vcpus#2 answer {offline}")
        self.write(2)
        daemon = self.launch()
        daemon.await_line("message=change", "action=reboot", "verdict=begun")
        daemon.await_line("message=change", "action=reboot", "verdict=done")
        daemon.await_line("the guest has rebooted", "changed=true")
        daemon.kill()
        self.check(2, 256, "")


if __name__ == "__main__":
    support.main()
