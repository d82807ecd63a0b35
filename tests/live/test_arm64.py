#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What KubeVirt does not do on arm64: memory that comes and goes while the VM runs. From a manifest
to the end, by the command alone."""
from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SCRIPTS = os.environ.get("VMPLUG_SCRIPTS", str(Path(__file__).parents[2] / "scripts"))
VMPLUG = os.path.abspath(os.environ.get("VMPLUG", "vmplug"))
QEMU = os.environ.get("VMPLUG_QEMU", "qemu-system-x86_64").replace("x86_64", "aarch64")
MEBIBYTE = 1 << 20

MANIFEST = """\
apiVersion: v1
kind: PersistentVolume
metadata: {{name: data}}
spec: {{local: {{path: {directory}}}, claimRef: {{name: data}}}}
---
apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata:
  name: arm
  annotations:
    vmplug/qemu: {qemu}
    vmplug/accel: tcg
    vmplug/kernel: {guest}/vmlinuz
    vmplug/initrd: {guest}/initramfs
    vmplug/cmdline: console=ttyAMA0 quiet loglevel=0 panic=-1
spec:
  runStrategy: Always
  template:
    spec:
      architecture: arm64
      domain:
        cpu: {{sockets: 2, model: "max,pauth-impdef=on"}}
        memory: {{guest: 256Mi, maxGuest: 1Gi}}
"""


class Arm64(unittest.TestCase):
    def setUp(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="vmplug-arm64-"))
        self.addCleanup(shutil.rmtree, self.directory)
        self.vm_directory = self.directory / "vmplug" / "vm" / "arm"
        self.environment = {**os.environ, "XDG_RUNTIME_DIR": str(self.directory),
                            "XDG_STATE_HOME": str(self.directory / "state")}
        with open(self.directory / "disk.img", "wb") as image:
            image.truncate(32 * MEBIBYTE)

    def vmplug(self, *arguments: str, text: str = "", code: int = 0) -> str:
        run = subprocess.run([VMPLUG, *arguments], input=text, text=True, env=self.environment,
                             capture_output=True, check=False)
        self.assertEqual(run.returncode, code, (arguments, run.stdout, run.stderr))
        return run.stdout

    def script(self, name: str, *arguments: str) -> str:
        return subprocess.run([f"{SCRIPTS}/{name}", *arguments], stdout=subprocess.PIPE,
                              text=True, check=True).stdout.strip()

    def await_ready(self, process: int) -> None:
        with subprocess.Popen(["tail", "-n", "+1", "-f", f"--pid={process}",
                               str(self.vm_directory / "console.log")],
                              stdout=subprocess.PIPE, text=True, errors="replace") as tail:
            assert tail.stdout is not None
            self.assertTrue(any("vmplug-guest: ready" in line for line in tail.stdout))
            tail.kill()

    def patch_memory(self, size: str) -> dict:
        patch = {"spec": {"template": {"spec": {"domain": {"memory": {"guest": size}}}}}}
        self.vmplug("patch", "vm", "arm", "--type=merge", f"-p={json.dumps(patch)}")
        vmi = json.loads(self.vmplug("get", "vmi", "arm", "-o", "json"))
        return vmi["status"]["memory"]

    def total(self) -> int:
        """What the guest itself has, in MiB: less than it was given by what its kernel takes."""
        kibibytes = self.script("guest-shell", str(self.vm_directory),
                                "awk '/^MemTotal/ { print $2 }' /proc/meminfo")
        return int(kibibytes) >> 10

    def test_memory_comes_and_goes(self) -> None:
        guest = self.script("build-guest", "--arch", "arm64")
        manifest = MANIFEST.format(directory=self.directory, qemu=QEMU, guest=guest)
        launched = json.loads(self.vmplug("launch", "-f", "-", "--json", text=manifest))
        self.addCleanup(subprocess.run, [VMPLUG, "stop", "arm", "--grace", "0"],
                        env=self.environment, check=False, capture_output=True)
        self.await_ready(launched["pid"])
        before = self.total()
        self.assertEqual(self.patch_memory("768Mi"),
                         {"guestAtBoot": "256Mi", "guestCurrent": "768Mi",
                          "guestRequested": "768Mi"})
        self.assertGreater(self.total(), before + 480)
        # Not all of it: the guest's kernel may keep some of what it has once had.
        self.assertEqual(self.patch_memory("512Mi")["guestCurrent"], "512Mi")
        self.assertLess(self.total(), before + 272)
        self.vmplug("addvolume", "arm", "--volume-name=data", "--persist")
        self.assertEqual(self.script("guest-shell", str(self.vm_directory),
                                     "cat /sys/block/sda/size"), str(32 * MEBIBYTE // 512))
        # vCPUs are what they were at the launch, and that is said.
        patch = {"spec": {"template": {"spec": {"domain": {"cpu": {"sockets": 3}}}}}}
        self.vmplug("patch", "vm", "arm", "--type=merge", f"-p={json.dumps(patch)}", code=7)
        self.assertIn("RestartRequired", self.vmplug("get", "vm", "arm", "-o", "yaml"))
        self.assertIn("agent", self.vmplug("stop", "arm", "--json"))


if __name__ == "__main__":
    if shutil.which(QEMU) is None:
        print(f"no {QEMU}")
        sys.exit(77)
    unittest.main(verbosity=2)
