#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""vmplugd holds sixty QEMUs without a guest, and a real guest, and is killed fifty times while
their manifests change: in the end each VM is what its manifest says, and nothing is left beside it
or there twice. Of those without a guest vCPUs and memory only grow: nobody would let them go."""
from __future__ import annotations

import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SOURCE = Path(os.environ.get("VMPLUG_SCRIPTS", Path(__file__).parents[2] / "scripts")).parent
VMPLUG = os.path.abspath(os.environ.get("VMPLUG", "vmplug"))
#: Beside vmplug itself, which may be in libtool's directory.
VMPLUGD = os.path.join(os.path.dirname(VMPLUG).removesuffix("/.libs"), "vmplugd")
QEMU = os.environ.get("VMPLUG_QEMU", "qemu-system-x86_64")
#: Another one shows other moments.
SEED = int(os.environ.get("VMPLUGD_SEED", "8"))
KILLS = int(os.environ.get("VMPLUGD_KILLS", "50"))
BARE = 60
MEBIBYTE = 1 << 20
DIMM = 128
DISKS = ("a", "b", "c")
#: Between a change and the next one, and how long vmplugd lives at most.
PAUSE = 0.03
LIFE = 1.5
#: Until all is as it is to be.
PATIENCE = 120

MANIFEST = """\
apiVersion: v1
kind: List
items:
{claims}- apiVersion: kubevirt.io/v1
  kind: VirtualMachine
  metadata:
    name: {name}
    annotations: {{{sockets}}}
  spec:
    template:
      spec:
        domain:
          cpu: {{sockets: {cpus}, maxSockets: {max_cpus}}}
          memory: {{guest: {memory}Mi, maxGuest: {max_memory}Mi}}
          devices:
            disks: [{disks}]
        volumes: [{volumes}]
"""
CLAIM = """\
- apiVersion: v1
  kind: PersistentVolumeClaim
  metadata: {{name: {name}}}
  spec: {{volumeName: {name}}}
- apiVersion: v1
  kind: PersistentVolume
  metadata: {{name: {name}}}
  spec: {{local: {{path: {path}}}}}
"""


#: vCPUs, blocks of memory of 128 MiB, and disks, that the guest has online.
SEEN = ("echo $(nproc) $(cat /sys/devices/system/memory/memory*/state | grep -cx online) "
        "$(ls /sys/block | grep -c ^sd)")


class Monitor:
    """A second one, by which to see what QEMU has."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.lines = self.socket.makefile("r", encoding="utf-8")
        self.lines.readline()
        self.ask("qmp_capabilities")

    def ask(self, command: str, **arguments: Any) -> Any:
        self.socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())
        while True:
            answer = json.loads(self.lines.readline())
            if "event" not in answer:
                return answer["return"]

    def close(self) -> None:
        self.lines.close()
        self.socket.close()


@dataclass
class VM:
    name: str
    directory: Path
    boot_memory: int
    cpus: int
    max_cpus: int
    dimms: int = 0
    max_dimms: int = 4
    disks: frozenset[str] = frozenset()
    agent: bool = False
    monitor: Monitor = field(init=False)

    def path(self, disk: str) -> Path:
        return self.directory / f"{disk}.raw"

    def look(self) -> None:
        for disk in DISKS:
            self.path(disk).touch()
            os.truncate(self.path(disk), MEBIBYTE)
        self.monitor = Monitor(self.directory / "qmp2")

    def change(self, dice: random.Random) -> None:
        """To be another one: of each kind of change one in some cases."""
        if dice.random() < 0.5:
            self.cpus = min(self.cpus + 1, self.max_cpus)
        if dice.random() < 0.3:
            self.dimms = min(self.dimms + 1, self.max_dimms)
        self.disks = frozenset(disk for disk in DISKS if dice.random() < 0.5)

    def manifest(self) -> str:
        names = {disk: f"{self.name}-{disk}" for disk in DISKS}
        sockets = f"vmplug/qmp-socket: {self.directory}/qmp"
        if self.agent:
            sockets += f", vmplug/agent-socket: {self.directory}/agent"
        return MANIFEST.format(
            name=self.name, sockets=sockets, cpus=self.cpus, max_cpus=self.max_cpus,
            memory=self.boot_memory + DIMM * self.dimms,
            max_memory=self.boot_memory + DIMM * self.max_dimms,
            claims="".join(CLAIM.format(name=names[disk], path=self.path(disk))
                           for disk in DISKS),
            disks=", ".join(f"{{name: {disk}, disk: {{bus: scsi}}}}"
                            for disk in sorted(self.disks)),
            volumes=", ".join(f"{{name: {disk}, persistentVolumeClaim: "
                              f"{{claimName: {names[disk]}, hotpluggable: true}}}}"
                              for disk in sorted(self.disks)))

    def wanted(self) -> dict[str, Any]:
        return {"cpus": self.cpus, "memory": DIMM * self.dimms,
                "disks": sorted(str(self.path(disk)) for disk in self.disks)}

    def there(self) -> dict[str, Any]:
        """As QEMU says it: each vCPU, and each disk as often as it is there."""
        cpus = self.monitor.ask("query-hotpluggable-cpus")
        memory = self.monitor.ask("query-memory-devices")
        blocks = self.monitor.ask("query-block")
        return {"cpus": sum("qom-path" in cpu for cpu in cpus),
                "memory": sum(device["data"]["size"] for device in memory) // MEBIBYTE,
                "disks": sorted(block["inserted"]["file"] for block in blocks
                                if "inserted" in block)}

    def beside(self) -> tuple[int, int]:
        """Backends and nodes that no device has."""
        objects = self.monitor.ask("qom-list", path="/objects")
        nodes = self.monitor.ask("query-named-block-nodes", flat=True)
        devices = self.monitor.ask("query-memory-devices")
        return (sum(item["name"].startswith("vmplug") for item in objects) - len(devices),
                sum(node["node-name"].startswith("vmplug") for node in nodes)
                - len(self.disks))


class Killed(unittest.TestCase):
    directory: Path
    environment: dict[str, str]
    vms: list[VM]

    @classmethod
    def setUpClass(cls) -> None:
        cls.directory = Path(tempfile.mkdtemp(prefix="vmplugd-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        for name in ("manifests", "guest"):
            (cls.directory / name).mkdir(mode=0o700)
        guest = cls.directory / "guest"
        cls.addClassCleanup(cls.script, "run-guest", "--dir", str(guest), "--stop")
        with subprocess.Popen([SOURCE / "scripts" / "run-guest", "--dir", guest, "--",
                               "-smp", "1,sockets=4,cores=1,threads=1,maxcpus=4"],
                              stdout=subprocess.DEVNULL) as booting:
            cls.vms = [cls.start_bare(number) for number in range(BARE)]
            assert booting.wait() == 0, "the guest did not come up"
        cls.vms.append(VM("guest", guest, 256, 1, 4, agent=True))
        cls.environment = {**os.environ, "XDG_STATE_HOME": str(cls.directory / "state"),
                           "XDG_RUNTIME_DIR": str(cls.directory)}
        for vm in cls.vms:
            vm.look()
            cls.addClassCleanup(vm.monitor.close)

    @classmethod
    def script(cls, name: str, *arguments: str) -> str:
        return subprocess.run([SOURCE / "scripts" / name, *arguments], stdout=subprocess.PIPE,
                              text=True, check=True).stdout

    @classmethod
    def start_bare(cls, number: int) -> VM:
        directory = cls.directory / f"{number:02}"
        directory.mkdir(mode=0o700)
        arguments = [QEMU, "-S", "-nodefaults", "-no-user-config", "-display", "none",
                     "-accel", "tcg", "-machine", "q35", "-m", "128M,slots=8,maxmem=2G",
                     "-smp", "1,sockets=16,cores=1,threads=1,maxcpus=16",
                     "-device", "virtio-scsi-pci,id=scsi0",
                     "-daemonize", "-pidfile", f"{directory}/pid"]
        for name in ("qmp", "qmp2"):
            arguments += ["-qmp", f"unix:{directory}/{name},server=on,wait=off"]
        subprocess.run(arguments, check=True)
        cls.addClassCleanup(os.kill, int((directory / "pid").read_text()), 9)
        return VM(f"bare-{number:02}", directory, 128, 1, 16)

    def start(self) -> subprocess.Popen[bytes]:
        daemon = subprocess.Popen(
            [VMPLUGD, "--api-socket", self.directory / "api",
             "--manifests", self.directory / "manifests"],
            env=self.environment, stdout=subprocess.DEVNULL, stderr=self.log)
        self.addCleanup(daemon.wait)
        self.addCleanup(daemon.kill)
        return daemon

    def write(self, vm: VM) -> None:
        path = self.directory / "manifests" / f"{vm.name}.yaml"
        new = path.with_suffix(".new")
        new.write_text(vm.manifest())
        new.rename(path)

    def live_and_die(self, dice: random.Random) -> None:
        daemon = self.start()
        end = time.monotonic() + dice.uniform(0.02, LIFE)
        while (left := end - time.monotonic()) > 0:
            vm = dice.choice(self.vms)
            vm.change(dice)
            self.write(vm)
            try:
                self.assertIsNone(daemon.wait(min(PAUSE, left)), "vmplugd ended by itself")
            except subprocess.TimeoutExpired:
                pass
        daemon.kill()
        daemon.wait()

    def await_all(self) -> None:
        latest = time.monotonic() + PATIENCE
        for vm in self.vms:
            while vm.there() != vm.wanted() and time.monotonic() < latest:
                time.sleep(0.1)  # QEMU's events tell of devices that go, and of none that come
            self.assertEqual(vm.there(), vm.wanted(), f"{vm.name}\n{self.said_of(vm)}")

    def said_of(self, vm: VM) -> str:
        log = (self.directory / "log").read_text(encoding="utf-8")
        return "\n".join([line for line in log.splitlines() if vm.name in line][-20:])

    def guest(self, line: str) -> str:
        """What a shell on its serial console says."""
        return self.script("guest-shell", str(self.directory / "guest"), line).strip()

    def check_guest(self) -> None:
        """The guest itself has all online, too."""
        vm = self.vms[-1]
        wanted = f"{vm.cpus} {(vm.boot_memory + DIMM * vm.dimms) // DIMM} {len(vm.disks)}"
        latest = time.monotonic() + PATIENCE
        while (seen := self.guest(SEEN)) != wanted and time.monotonic() < latest:
            time.sleep(1)
        self.assertEqual(seen, wanted)

    def audit(self, vm: VM) -> None:
        run = subprocess.run([VMPLUG, "audit", "--json", "--qmp", vm.directory / "qmp"],
                             env=self.environment, capture_output=True, text=True, check=False)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        self.assertEqual(json.loads(run.stdout)["findings"], [])

    def test_killed_fifty_times(self) -> None:
        dice = random.Random(SEED)
        self.log = open(self.directory / "log", "wb")
        self.addCleanup(self.log.close)
        for vm in self.vms:
            self.write(vm)
        for _ in range(KILLS):
            self.live_and_die(dice)
        log = (self.directory / "log").read_text(encoding="utf-8")
        ended = log.count("action=reconcile") - log.count("action=reconcile verdict=begun")
        self.assertGreater(log.count("action=reconcile verdict=begun") - ended, KILLS,
                           "hardly any change was cut short")
        daemon = self.start()
        self.await_all()
        self.check_guest()
        daemon.terminate()
        self.assertEqual(daemon.wait(PATIENCE), 0)
        for vm in self.vms:
            with self.subTest(vm=vm.name):
                self.assertEqual(vm.there(), vm.wanted())
                self.assertEqual(vm.beside(), (0, 0))
                self.audit(vm)


if __name__ == "__main__":
    if shutil.which(QEMU) is None or not os.access(VMPLUGD, os.X_OK):
        print("no QEMU, or no vmplugd")
        sys.exit(77)
    unittest.main(verbosity=2)
