#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A VM that is launched while vmplugd waits for it: the two don't get in each other's way, and the
disks that the daemon plugs have the same places at the next launch."""
from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path
from typing import Any

VMPLUG = os.path.abspath(os.environ.get("VMPLUG", "vmplug"))
#: Beside vmplug itself, which may be in libtool's directory.
VMPLUGD = os.path.join(os.path.dirname(VMPLUG).removesuffix("/.libs"), "vmplugd")
QEMU = os.environ.get("VMPLUG_QEMU", "qemu-system-x86_64")
SOON = 60
BUSES = {"a": "scsi", "b": "scsi", "c": "virtio"}

MANIFEST = """\
apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata:
  name: launched
  annotations: {{vmplug/qemu: {qemu}, vmplug/accel: tcg}}
spec:
  template:
    spec:
      domain:
        cpu: {{sockets: 2}}
        memory: {{guest: 256Mi, maxGuest: 1Gi}}
        devices:
          disks: [{disks}]
      volumes: [{volumes}]
"""
VOLUME = """\
---
apiVersion: v1
kind: PersistentVolume
metadata: {{name: {name}}}
spec: {{claimRef: {{name: {name}}}, local: {{path: {path}}}}}
"""


class Launched(unittest.TestCase):
    def setUp(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="vmplugd-"))
        self.addCleanup(shutil.rmtree, self.directory)
        (self.directory / "manifests").mkdir()
        self.environment = {**os.environ, "XDG_STATE_HOME": str(self.directory / "state"),
                            "XDG_RUNTIME_DIR": str(self.directory)}
        for name in BUSES:
            (self.directory / f"{name}.raw").touch()
            os.truncate(self.directory / f"{name}.raw", 1 << 20)

    def start(self) -> subprocess.Popen[str]:
        daemon = subprocess.Popen([VMPLUGD, "--manifests", self.directory / "manifests"],
                                  env=self.environment, stderr=subprocess.PIPE, text=True)
        too_long = threading.Timer(2 * SOON, daemon.kill)
        too_long.start()
        self.addCleanup(too_long.cancel)
        assert daemon.stderr is not None
        self.addCleanup(daemon.stderr.close)
        self.addCleanup(daemon.wait)
        self.addCleanup(daemon.kill)
        return daemon

    def await_line(self, daemon: subprocess.Popen[str], *parts: str) -> None:
        said = ""
        assert daemon.stderr is not None
        for line in daemon.stderr:
            said += line
            if all(part in line for part in parts):
                return
        self.fail(f"no {parts} in\n{said}")

    def manifest(self, names: str) -> str:
        return MANIFEST.format(
            qemu=shutil.which(QEMU),
            disks=", ".join(f"{{name: {name}, disk: {{bus: {BUSES[name]}}}}}" for name in names),
            volumes=", ".join(f"{{name: {name}, persistentVolumeClaim: "
                              f"{{claimName: {name}, hotpluggable: true}}}}" for name in names),
        ) + "".join(VOLUME.format(name=name, path=self.directory / f"{name}.raw")
                    for name in BUSES)

    def vmplug(self, *arguments: str, text: str = "") -> Any:
        """The last of the objects that it prints with --json."""
        run = subprocess.run([VMPLUG, *arguments, "--json"], input=text, text=True, check=False,
                             env=self.environment, capture_output=True, timeout=SOON)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        return json.loads(run.stdout.splitlines()[-1])

    def layout(self) -> Any:
        path = self.directory / "state/vmplug/layout/launched.json"
        return json.loads(path.read_text(encoding="utf-8"))["devices"]

    def test_launched(self) -> None:
        daemon = self.start()
        self.await_line(daemon, "message=ready")
        self.vmplug("launch", "--file", "-", text=self.manifest("a"))
        self.addCleanup(self.vmplug, "stop", "launched", "--grace", "0")
        self.await_line(daemon, "message=condition", "status=True")
        self.assertEqual(list(self.layout()), ["vmplug-vol-a"])
        (self.directory / "manifests/launched.yaml").write_text(self.manifest("abc"))
        self.await_line(daemon, "message=condition", "status=False", "reason=Progressing")
        self.await_line(daemon, "message=condition", "status=True")
        before = self.layout()
        self.assertEqual(sorted(before), ["vmplug-vol-a", "vmplug-vol-b", "vmplug-vol-c"])
        self.assertTrue(before["vmplug-vol-c"]["bus"])  # a port, that QEMU was asked for
        self.vmplug("stop", "launched", "--grace", "0")
        self.await_line(daemon, "message=state", "state=absent")
        self.vmplug("launch", "--vm", "launched")
        self.await_line(daemon, "message=condition", "status=True")
        self.assertEqual(self.layout(), before)
        status = self.vmplug("status", "--vm", "launched")
        self.assertEqual(len(status["disks"]), 3)


if __name__ == "__main__":
    if shutil.which(QEMU) is None or not os.access(VMPLUGD, os.X_OK):
        print("no QEMU, or no vmplugd")
        sys.exit(77)
    unittest.main(verbosity=2)
