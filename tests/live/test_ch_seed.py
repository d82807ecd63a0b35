#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The commands that a document on Cloud Hypervisor (tests/data/seeds) tells its readers to type are
taken from its text, and run unmodified against `vmplug serve` on a real guest; nobody types in the
guest what it tells them to type there. The socket is the document's, so two of these can't run at
the same time. The newer QEMU is needed: the older one does not survive what the second asks for."""
from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

SOURCE = Path(os.environ.get("VMPLUG_SCRIPTS", Path(__file__).parents[2] / "scripts")).parent
SCRIPTS = str(SOURCE / "scripts")
VMPLUG = os.path.abspath(os.environ.get("VMPLUG", "vmplug"))
SEEDS = SOURCE / "tests" / "data" / "seeds"
GIBIBYTE = 1 << 30
REBOOT_SECONDS = 240


def document() -> str:
    for path in sorted(SEEDS.iterdir()):
        text = path.read_text(encoding="utf-8")
        if text.startswith("# Cloud Hypervisor Hot Plug"):
            return text
    raise LookupError("the document is not there")


TEXT = document()
COMMANDS = re.findall(r"^curl .*$", TEXT, re.MULTILINE)
SOCKET, = set(re.findall(r"--api-socket=([\w/-]+)", TEXT))


class Seed(unittest.TestCase):
    directory: Path
    server: subprocess.Popen[str]

    @classmethod
    def setUpClass(cls) -> None:
        cls.directory = Path(tempfile.mkdtemp(prefix="vmplug-ch-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        with open(cls.directory / "data.raw", "wb") as file:
            file.truncate(1 << 20)
            file.write(b"data")
        cls.addClassCleanup(cls.script, "run-guest", "--dir", str(cls.directory), "--stop")
        cls.script("run-guest", "--dir", str(cls.directory), "--qemu",
                   cls.script("fetch-qemu").strip(), "--",
                   "-smp", "4,sockets=64,cores=1,threads=1,maxcpus=64",
                   "-m", "1G,slots=8,maxmem=9G")
        cls.server = subprocess.Popen(
            [VMPLUG, "serve", "--qmp", str(cls.directory / "qmp"),
             "--agent", str(cls.directory / "agent"), "--api-socket", SOCKET],
            stdout=subprocess.PIPE, text=True,
            env={**os.environ, "XDG_RUNTIME_DIR": str(cls.directory)})
        assert cls.server.stdout is not None
        cls.addClassCleanup(cls.server.stdout.close)
        cls.addClassCleanup(cls.server.wait)
        cls.addClassCleanup(cls.server.terminate)
        line = cls.server.stdout.readline()
        assert line == f"listening on {SOCKET}\n", f"{line!r}: is {SOCKET} taken? see stderr"

    @classmethod
    def script(cls, name: str, *arguments: str) -> str:
        return subprocess.run([f"{SCRIPTS}/{name}", *arguments], stdout=subprocess.PIPE,
                              text=True, check=True).stdout

    def guest(self, line: str) -> str:
        """What a shell on its serial console says."""
        return self.script("guest-shell", str(self.directory), line).strip()

    def online_bytes(self) -> int:
        blocks = self.guest("cat /sys/devices/system/memory/memory*/state | grep -cx online")
        size = self.guest("cat /sys/devices/system/memory/block_size_bytes")
        return int(blocks) * int(size, 16)

    def curl(self, line: str) -> str:
        run = subprocess.run(["sh", "-c", line], stdout=subprocess.PIPE, text=True, check=True,
                             stderr=subprocess.DEVNULL)
        return run.stdout

    def ask(self, method: str, name: str, body: object = None) -> object:
        """An endpoint that the document does not have; None when there is no body."""
        data = f"-d '{json.dumps(body)}'" if body is not None else ""
        answer = self.curl(f"curl -sS --fail-with-body -X{method} --unix-socket {SOCKET} {data} "
                           f"http://localhost/api/v1/{name}")
        return json.loads(answer) if answer else None

    # In this order: each begins with what the one before has left.

    def test_1_its_commands(self) -> None:
        self.assertEqual(len(COMMANDS), 3)
        self.assertEqual(self.guest("nproc"), "4")
        for command, vcpus in zip(COMMANDS, ("8", "2", "4")):
            self.assertIn("HTTP/1.1 204 No Content\n", self.curl(command))
            self.assertEqual(self.guest("nproc"), vcpus)
        self.assertEqual(self.online_bytes(), 3 * GIBIBYTE)

    def test_2_info(self) -> None:
        info = self.ask("GET", "vm.info")
        assert isinstance(info, dict)
        self.assertEqual(info["config"]["cpus"], {"boot_vcpus": 4, "max_vcpus": 64})
        self.assertEqual(info["config"]["memory"]["size"], GIBIBYTE)
        self.assertEqual(info["memory_actual_size"], 3 * GIBIBYTE)

    def test_3_paused_and_resumed(self) -> None:
        for action, state in (("pause", "Paused"), ("resume", "Running")):
            self.assertIsNone(self.ask("PUT", f"vm.{action}"))
            info = self.ask("GET", "vm.info")
            assert isinstance(info, dict)
            self.assertEqual(info["state"], state)

    def test_4_a_disk_comes_grows_and_goes(self) -> None:
        path = str(self.directory / "data.raw")
        device = self.ask("PUT", "vm.add-disk", {"path": path, "id": "data"})
        assert isinstance(device, dict)
        self.assertEqual(device["id"], "data")
        self.assertRegex(device["bdf"], r"^0000:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$")
        self.assertEqual(self.guest("head -c 4 /dev/sda"), "data")
        self.ask("PUT", "vm.resize-disk", {"id": "data", "desired_size": 2 << 20})
        self.assertEqual(self.guest("cat /sys/block/sda/size"), "4096")
        counters = self.ask("GET", "vm.counters")
        assert isinstance(counters, dict)
        self.assertGreater(counters["data"]["read_bytes"], 0)
        self.ask("PUT", "vm.remove-device", {"id": "data"})
        self.assertEqual(self.guest("ls /sys/block | grep ^sd || true"), "")

    def test_5_after_a_reboot(self) -> None:
        subprocess.run([VMPLUG, "qmp", "--qmp", str(self.directory / "qmp2"), "system_reset"],
                       check=True, stdout=subprocess.DEVNULL)
        assert self.server.stdout is not None
        too_long = threading.Timer(REBOOT_SECONDS, self.server.kill)
        self.addCleanup(too_long.cancel)
        too_long.start()
        self.assertRegex(self.server.stdout.readline(), "^the guest has rebooted: ")
        self.assertEqual(self.guest("nproc"), "4")
        self.assertEqual(self.online_bytes(), 3 * GIBIBYTE)

    def test_6_the_end(self) -> None:
        self.server.terminate()
        self.assertEqual(self.server.wait(), 0)
        self.assertFalse(os.path.exists(SOCKET))


if __name__ == "__main__":
    if shutil.which("curl") is None:
        print("no curl")
        sys.exit(77)
    unittest.main(verbosity=2)
