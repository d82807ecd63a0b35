#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A manifest that is applied, interrupted or killed at any message, and applied again: in the end
the VM is what the manifest says, and nothing is left beside it."""
from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import Any

import applying
import support
from applying import CLAIM

VMPLUG = os.environ.get("VMPLUG", "vmplug")
MEBIBYTE = 1 << 20
#: Between the messages at which it is ended; the whole of it is some three hundred.
STRIDE = 23

VM = """\
apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata:
  name: vm
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


def manifest(sockets: int, memory: str, names: list[str]) -> str:
    disks = ", ".join(f"{{name: {name}, disk: {{bus: scsi}}}}" for name in names)
    volumes = ", ".join(f"{{name: {name}, persistentVolumeClaim: "
                        f"{{claimName: {name}, hotpluggable: true}}}}" for name in names)
    return VM.format(sockets=sockets, memory=memory, disks=disks, volumes=volumes)


class Apply(support.FakeCase):
    names = ["a", "b", "c"]

    def setUp(self) -> None:
        super().setUp()
        self.environment = {**os.environ, "XDG_STATE_HOME": str(self.directory / "state-home"),
                            "XDG_RUNTIME_DIR": str(self.directory),
                            "VMPLUG_QMP": str(self.qmp), "VMPLUG_AGENT": str(self.agent)}
        claims = ""
        for name in self.names:
            path = self.directory / f"{name}.raw"
            path.touch()
            os.truncate(path, MEBIBYTE)
            claims += CLAIM.format(name=name, path=path)
        self.vmplug("apply", "-f", "-", text=claims)

    def vmplug(self, *arguments: str, text: str = "", code: int = 0) -> list[Any]:
        """The objects that it prints with --json."""
        run = subprocess.run([VMPLUG, *arguments, "--json"], input=text, text=True,
                             env=self.environment, capture_output=True, timeout=60, check=False)
        self.assertEqual(run.returncode, code, (arguments, run.stdout, run.stderr))
        return [json.loads(line) for line in run.stdout.splitlines()]

    def apply(self, text: str) -> Any:
        """The summary."""
        return self.vmplug("apply", "-f", "-", text=text)[-1]

    def end_at(self, message: int, text: str, how: signal.Signals) -> bool:
        return applying.end_at(message, VMPLUG, text, self.environment, how)

    def check(self, sockets: int, mebibytes: int, names: list[str]) -> None:
        status, = self.vmplug("status")
        self.assertEqual(status["cpus"]["present"], sockets)
        self.assertEqual(status["cpus"]["online"], sockets)
        self.assertEqual(status["memory"]["total_bytes"], mebibytes * MEBIBYTE)
        self.assertEqual(status["memory"]["online_bytes"], mebibytes * MEBIBYTE)
        self.assertEqual(sorted(disk["id"] for disk in status["disks"]),
                         [f"vmplug-vol-{name}" for name in names])
        audit, = self.vmplug("audit")
        self.assertIs(audit["clean"], True, audit)

    def run_ended(self, how: signal.Signals, first: int) -> None:
        more, less = manifest(4, "512Mi", self.names), manifest(2, "256Mi", [])
        message, reached = first, True
        while reached:
            fake = self.start()
            with self.subTest(message=message):
                reached = self.end_at(message, more, how)
                self.apply(more)
                self.check(4, 512, self.names)
                self.assertEqual(self.apply(more)["asked"], 0)
                self.end_at(message, less, how)
                self.apply(less)
                self.check(2, 256, [])
            fake.kill()
            fake.wait()
            message += STRIDE
        self.assertGreater(message, 100)

    def test_killed(self) -> None:
        self.run_ended(signal.SIGKILL, 1)

    def test_interrupted(self) -> None:
        self.run_ended(signal.SIGINT, 12)

    def test_what_is_blocked_keeps_nothing_from_being_done(self) -> None:
        self.start()
        text = manifest(9, "512Mi", ["a", "missing"])
        results = self.vmplug("apply", "-f", "-", text=text, code=7)
        self.assertEqual(results[-1]["verdict"], "blocked")
        self.assertEqual((results[-1]["asked"], results[-1]["done"]), (4, 2))
        self.check(2, 512, ["a"])
        vm, = self.vmplug("get", "vm", "vm")
        restart, = (condition for condition in vm["status"]["conditions"]
                    if condition["type"] == "RestartRequired")
        self.assertIn("9 sockets", restart["message"])
        self.assertNotIn("missing", restart["message"])  # no restart would bring it
        vmi, = self.vmplug("get", "vmi", "vm")
        missing, = (volume for volume in vmi["status"]["volumeStatus"]
                    if volume["name"] == "missing")
        self.assertEqual((missing["phase"], missing["reason"]), ("Pending", "Blocked"))
        self.assertIn("no PersistentVolumeClaim 'missing'", missing["message"])
        self.apply(manifest(2, "512Mi", ["a"]))
        vm, = self.vmplug("get", "vm", "vm")
        self.assertNotIn("RestartRequired",
                         [condition["type"] for condition in vm["status"]["conditions"]])


if __name__ == "__main__":
    support.main()
