#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""plan, apply, get, patch, addvolume and removevolume, as a user has them, on the fake QEMU: what
they print, how they exit, and what QEMU has afterwards."""
from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import support

VMPLUG = os.environ.get("VMPLUG", "vmplug")
DOMAIN = "/spec/template/spec/domain"

VM = """\
apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata: {{name: {name}}}
spec:
  template:
    spec:
      domain: {{{domain}}}
"""
CLAIM = """\
apiVersion: v1
kind: PersistentVolume
metadata: {{name: pv-{name}}}
spec: {{claimRef: {{name: {name}}}, hostPath: {{path: {path}}}}}
---
"""


def vm_of(domain: str, name: str = "vm") -> str:
    return VM.format(name=name, domain=domain)


class Manifest(support.FakeCase):
    def setUp(self) -> None:
        super().setUp()
        self.environment = {**os.environ, "XDG_STATE_HOME": str(self.directory / "state-home"),
                            "XDG_RUNTIME_DIR": str(self.directory),
                            "VMPLUG_QMP": str(self.qmp), "VMPLUG_AGENT": str(self.agent)}

    def run_it(self, *arguments: str, text: str = "", code: int = 0) -> tuple[str, str]:
        """What it prints, and says on stderr."""
        run = subprocess.run([VMPLUG, *arguments], input=text, text=True, env=self.environment,
                             capture_output=True, timeout=60, check=False)
        self.assertEqual(run.returncode, code, (arguments, run.stdout, run.stderr))
        return run.stdout, run.stderr

    def vmplug(self, *arguments: str, text: str = "", code: int = 0) -> list[Any]:
        out, _ = self.run_it(*arguments, "--json", text=text, code=code)
        return [json.loads(line) for line in out.splitlines()]

    def claims(self, *names: str) -> None:
        self.vmplug("apply", "-f", "-",
                    text="".join(CLAIM.format(name=name, path=self.image(f"{name}.raw"))
                                 for name in names))

    def stored(self, kind: str) -> list[str]:
        folder = Path(self.environment["XDG_STATE_HOME"]) / "vmplug" / kind
        return sorted(os.listdir(folder)) if folder.exists() else []

    def vmi(self) -> Any:
        return self.vmplug("get", "vmi", "vm")[0]

    def conditions(self) -> dict[str, str]:
        return {condition["type"]: condition["status"]
                for condition in self.vmi()["status"]["conditions"]}

    def disks(self) -> list[str]:
        status, = self.vmplug("status")
        return sorted(disk["id"] for disk in status["disks"] + status["cdroms"])

    # ---- plan ----

    def test_plan_changes_nothing(self) -> None:
        self.start()
        text = vm_of("cpu: {sockets: 4}, memory: {guest: 9Gi}")
        plan, = self.vmplug("plan", "-f", "-", text=text, code=7)
        self.assertEqual(plan["vm"], "vm")
        self.assertEqual([step["operation"] for step in plan["operations"]], ["cpu-add"])
        self.assertEqual([block["restart_required"] for block in plan["blocked"]], [True])
        out, _ = self.run_it("plan", "-f", "-", text=text, code=7)
        self.assertIn("1 change to make", out)
        self.assertIn("restart required", out)
        self.vmplug("plan", "-f", "-", text=vm_of("cpu: {sockets: 4}"), code=11)
        plan, = self.vmplug("plan", "-f", "-", text=vm_of("cpu: {sockets: 2}"))
        self.assertEqual((plan["operations"], plan["blocked"]), ([], []))
        self.assertEqual(self.stored("virtualmachine"), [])
        self.assertEqual(self.vmplug("status")[0]["cpus"]["present"], 2)

    def test_vm_that_does_not_run(self) -> None:
        del self.environment["VMPLUG_QMP"], self.environment["VMPLUG_AGENT"]
        text = vm_of("cpu: {sockets: 4}")
        plan, = self.vmplug("plan", "-f", "-", text=text)
        self.assertEqual((plan["running"], plan["operations"]), (False, []))
        self.vmplug("apply", "-f", "-", text=text)
        self.assertEqual(self.stored("virtualmachine"), ["vm.yaml"])
        vm, = self.vmplug("get", "vm", "vm")
        self.assertEqual(vm["status"]["printableStatus"], "Stopped")
        self.run_it("get", "vmi", "vm", code=7)

    def test_monitor_that_is_not_there(self) -> None:
        _, err = self.run_it("plan", "-f", "-", text=vm_of("cpu: {sockets: 4}"), code=3)
        self.assertIn(str(self.qmp), err)

    def test_bad_manifest(self) -> None:
        self.start()
        for command in ("plan", "apply"):
            _, err = self.run_it(command, "-f", "-", text=vm_of("cpu: {sockets: many}"), code=2)
            self.assertIn("stdin:7:31: spec.template.spec.domain.cpu.sockets: must be a whole", err)
        self.assertEqual(self.stored("virtualmachine"), [])

    def test_several_vms(self) -> None:
        """One QEMU is not several VMs, neither by --qmp nor by the environment."""
        self.start()
        both = vm_of("cpu: {sockets: 3}", "a") + "---\n" + vm_of("cpu: {sockets: 4}", "b")
        _, err = self.run_it("apply", "-f", "-", "--qmp", str(self.qmp), text=both, code=2)
        self.assertIn("--qmp is one VM's, and there are 2", err)
        results = self.vmplug("apply", "-f", "-", text=both)
        self.assertEqual([result["running"] for result in results], [False, False])
        self.assertEqual(self.vmplug("status")[0]["cpus"]["present"], 2)
        listed, = self.vmplug("get", "vm")
        self.assertEqual([(vm["metadata"]["name"], vm["status"]["printableStatus"])
                          for vm in listed["items"]], [("a", "Stopped"), ("b", "Stopped")])

    # ---- apply ----

    def test_apply_twice(self) -> None:
        self.start()
        text = vm_of("cpu: {sockets: 3}, memory: {guest: 512Mi}")
        self.assertEqual(self.vmplug("apply", "-f", "-", text=text)[-1]["verdict"], "online")
        self.assertEqual(self.vmplug("apply", "-f", "-", text=text)[-1]["asked"], 0)
        self.assertEqual(self.vmplug("apply", "-n", "vm")[-1]["asked"], 0)
        vmi = self.vmi()
        self.assertEqual(vmi["status"]["currentCPUTopology"]["sockets"], 3)
        self.assertEqual(vmi["status"]["memory"], {"guestAtBoot": "256Mi", "guestCurrent": "512Mi",
                                                   "guestRequested": "512Mi"})
        self.assertNotIn("HotVCPUChange", self.conditions())

    def test_dry_run_stores_nothing(self) -> None:
        self.start()
        self.vmplug("apply", "--dry-run", "-f", "-", text=vm_of("cpu: {sockets: 3}"))
        self.assertEqual(self.stored("virtualmachine"), [])
        self.assertEqual(self.vmplug("status")[0]["cpus"]["present"], 2)

    def test_notes_are_told_once(self) -> None:
        self.start()
        text = vm_of("cpu: {sockets: 2}, clock: {utc: {}}")
        _, err = self.run_it("apply", "-f", "-", text=text)
        self.assertEqual(err.count("domain.clock is kept, and not acted on"), 1)
        _, err = self.run_it("apply", "-n", "vm")
        self.assertNotIn("clock", err)
        _, err = self.run_it("patch", "vm", "vm", "--type=merge", "-p={\"spec\": {\"x\": 1}}")
        self.assertEqual(err.count("spec.x is kept, and not acted on"), 1)
        self.assertNotIn("clock", err)

    # ---- patch ----

    def test_patches(self) -> None:
        self.start()
        self.vmplug("apply", "-f", "-", text=vm_of("cpu: {sockets: 2}"))
        self.vmplug("patch", "vm", "vm", "--type=json",
                    f"-p=[{{'op': 'replace', 'path': '{DOMAIN}/cpu/sockets', 'value': 3}}]"
                    .replace("'", '"'))
        self.assertEqual(self.vmplug("status")[0]["cpus"]["present"], 3)
        for patch in ('{"metadata": {"name": "other"}}', '{"kind": "Pod"}', '{"spec": 5}',
                      '{"kind": "PersistentVolume", "apiVersion": "v1"}', "[1]", "{"):
            self.run_it("patch", "vm", "vm", "--type=merge", f"-p={patch}", code=2)
        self.assertEqual(self.stored("virtualmachine"), ["vm.yaml"])
        self.run_it("patch", "vm", "none", "--type=merge", "-p={}", code=7)
        self.run_it("patch", "vm", "../vm", "--type=merge", "-p={}", code=2)
        self.assertEqual(self.vmplug("apply", "-n", "vm")[-1]["asked"], 0)

    # ---- volumes ----

    def test_volume_without_a_manifest(self) -> None:
        self.start()
        self.claims("data")
        self.vmplug("addvolume", "vm", "--volume-name=data")
        self.assertEqual(self.disks(), ["vmplug-tmp-data"])
        _, err = self.run_it("addvolume", "vm", "--volume-name=data", code=7)
        self.assertIn("has a volume 'data' already", err)
        self.run_it("addvolume", "vm", "--volume-name=none", code=7)
        self.run_it("addvolume", "vm", "--volume-name=../x", code=2)
        self.vmplug("removevolume", "vm", "--volume-name=data")
        self.assertEqual(self.disks(), [])
        self.run_it("removevolume", "vm", "--volume-name=data", code=7)

    def test_volume_that_persists(self) -> None:
        self.start("--cdrom", "drive")
        self.claims("data", "drive")
        # Null is as good as not there.
        self.vmplug("apply", "-f", "-",
                    text=vm_of("devices: {disks: [{name: drive, cdrom: {}}]}") + "      volumes:\n")
        self.vmplug("addvolume", "vm", "--volume-name=data", "--persist")
        self.assertEqual(self.disks(), ["drive", "vmplug-vol-data"])
        self.assertEqual(self.vmplug("apply", "-n", "vm")[-1]["asked"], 0)
        self.vmplug("addvolume", "vm", "--volume-name=drive", "--persist")
        drive, = (disk for disk in self.vmplug("status")[0]["cdroms"])
        self.assertEqual(drive["file"], str(self.directory / "drive.raw"))
        self.vmplug("removevolume", "vm", "--volume-name=drive")  # the drive stays
        self.vmplug("removevolume", "vm", "--volume-name=data")
        self.assertEqual(self.disks(), ["drive"])
        vm, = self.vmplug("get", "vm", "vm")
        spec = vm["spec"]["template"]["spec"]
        self.assertEqual([disk["name"] for disk in spec["domain"]["devices"]["disks"]], ["drive"])
        self.assertEqual(spec["volumes"], [])

    def test_volume_that_came_before_its_manifest(self) -> None:
        """It goes with it all the same: who removes a volume has it no more."""
        self.start()
        self.claims("data")
        self.vmplug("addvolume", "vm", "--volume-name=data")
        self.vmplug("apply", "-f", "-",
                    text=vm_of("devices: {disks: [{name: data}]}")
                    + "      volumes: [{name: data, persistentVolumeClaim: {claimName: data, "
                      "hotpluggable: true}}]\n")
        self.assertEqual(self.disks(), ["vmplug-tmp-data"])
        self.vmplug("removevolume", "vm", "--volume-name=data")
        self.assertEqual(self.disks(), [])

    # ---- what is stored ----

    def test_tampered_store(self) -> None:
        self.start()
        self.vmplug("apply", "-f", "-", text=vm_of("cpu: {sockets: 2}"))
        path = Path(self.environment["XDG_STATE_HOME"]) / "vmplug/virtualmachine/vm.yaml"
        for text in ("", "5\n", "kind: VirtualMachine\n", vm_of("", "other"), "a: [\n"):
            path.write_text(text, encoding="utf-8")
            _, err = self.run_it("get", "vm", "vm", code=2)
            self.assertIn(str(path), err)


if __name__ == "__main__":
    support.main()
