#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The Python module on a real guest: what its results promise is what the guest says itself."""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import support

import vmplug

SCRIPTS = os.environ.get("VMPLUG_SCRIPTS", str(support.SOURCE / "scripts"))


class Guest(unittest.TestCase):
    directory: Path

    @classmethod
    def setUpClass(cls) -> None:
        cls.directory = Path(tempfile.mkdtemp(prefix="vmplug-python-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        cls.addClassCleanup(cls.script, "run-guest", "--dir", str(cls.directory), "--stop")
        cls.script("run-guest", "--dir", str(cls.directory))

    @classmethod
    def script(cls, name: str, *arguments: str) -> str:
        run = subprocess.run([f"{SCRIPTS}/{name}", *arguments], stdout=subprocess.PIPE, text=True,
                             check=True)
        return run.stdout

    def guest(self, command: str) -> str:
        """What a shell on its serial console says."""
        return self.script("guest-shell", str(self.directory), command).strip()

    def test_grows(self) -> None:
        disk = self.directory / "data.raw"
        disk.touch()
        os.truncate(disk, 8 << 20)
        with vmplug.VM(self.directory / "qmp", self.directory / "agent",
                       runtime_dir=self.directory / "run") as vm:
            blocks = "grep -lx online /sys/devices/system/memory/memory*/state | wc -l"
            before = int(self.guest(blocks))
            with vm.events() as events:
                cpu = vm.cpu_add()
                self.assertEqual(events.wait("ACPI_DEVICE_OST").data["info"]["slot-type"], "CPU")
            self.assertEqual(cpu.verdict, "online")
            self.assertEqual(self.guest("nproc"), "2")
            self.assertEqual(vm.memory_add("256M", movable=True).verdict, "online")
            self.assertEqual(int(self.guest(blocks)), before + 2)
            self.assertEqual(vm.disk_add(disk, serial="PY-1").verdict, "online")
            self.assertEqual(self.guest("cat /sys/block/sda/size"), str((8 << 20) // 512))
            self.assertEqual(vm.status()["cpus"]["online"], 2)
            self.assertEqual(len(vm.agent("guest-get-vcpus")), 2)
            self.assertEqual(vm.disk_remove("vmplug-disk-0").verdict, "removed")
            self.assertEqual(self.guest("ls /sys/block | grep '^sd' | wc -l"), "0")
            self.assertIs(vm.audit()["clean"], True)


if __name__ == "__main__":
    if shutil.which(os.environ.get("VMPLUG_QEMU", "qemu-system-x86_64")) is None:
        print("no QEMU")
        sys.exit(77)
    support.main()
