#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the documents in tests/data/seeds tell their readers to write and to type is taken from
their text, and done on a real guest. `kubectl` and `virtctl` are vmplug; the `...` that stand for
what is left out are taken out, and spec.devices, which is not where the API has it, is read as
spec.domain.devices. Each manifest is asked of the guest itself."""
from __future__ import annotations

import fcntl
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import applying

SOURCE = Path(os.environ.get("VMPLUG_SCRIPTS", Path(__file__).parents[2] / "scripts")).parent
SCRIPTS = str(SOURCE / "scripts")
VMPLUG = os.path.abspath(os.environ.get("VMPLUG", "vmplug"))
SEEDS = SOURCE / "tests" / "data" / "seeds"
MEBIBYTE = 1 << 20


def document(beginning: str) -> str:
    """The one that begins so."""
    for path in sorted(SEEDS.iterdir()):
        text = path.read_text(encoding="utf-8")
        if text.startswith(beginning):
            return text
    raise LookupError(beginning)


def blocks(text: str) -> list[str]:
    """What stands between ```yaml and ```."""
    return re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)


def valid(manifest: str) -> str:
    """As it was meant: see the top."""
    lines = [line for line in manifest.splitlines() if line.strip() != "..."]
    out: list[str] = []
    inside: int | None = None
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if inside is not None and indent <= inside:
            inside = None
        if line.strip() == "devices:" and out and out[-1].strip() == "spec:":
            out.append(" " * indent + "domain:")
            inside = indent
        out.append("  " + line if inside is not None else line)
    return "\n".join(out) + "\n"


def command(text: str, tool: str) -> str:
    """The line that begins with this, and those that it goes on with."""
    match = re.search(rf"{tool}(?:[^\n\\]|\\\n)*", text)
    assert match is not None, tool
    return match.group().replace("\\\n", " ")


KUBEVIRT = "# KubeVirt Hotplug"
CPU = "# CPU Hotplug"
VEP = "# VEP #31"
NOTES = "Cosa è KubeVirt"
DOMAIN = "/spec/template/spec/domain"

CLAIM = """\
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: {name}}}
spec: {{volumeName: pv-{name}}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {{name: pv-{name}}}
spec: {{hostPath: {{path: {path}}}}}
---
"""


class Seeds(unittest.TestCase):
    directory: Path
    environment: dict[str, str]

    @classmethod
    def setUpClass(cls) -> None:
        cls.directory = Path(tempfile.mkdtemp(prefix="vmplug-seeds-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        for name, mebibytes in (("root", 16), ("data", 64), ("other", 32), ("medium", 8)):
            cls.image(name, mebibytes)
        cls.environment = {**os.environ, "XDG_STATE_HOME": str(cls.directory / "state"),
                           "XDG_RUNTIME_DIR": str(cls.directory),
                           "VMPLUG_QMP": str(cls.directory / "qmp"),
                           "VMPLUG_AGENT": str(cls.directory / "agent")}
        cls.addClassCleanup(cls.script, "run-guest", "--dir", str(cls.directory), "--stop")
        cls.script("run-guest", "--dir", str(cls.directory), "--",
                   "-smp", "2,sockets=16,cores=1,threads=1,maxcpus=16",
                   "-m", "256M,slots=8,maxmem=4G",
                   "-blockdev", f"driver=file,node-name=root,filename={cls.directory}/root.img",
                   "-device", "virtio-blk-pci,id=root,drive=root",
                   # Debian's kernel for clouds has no driver of SATA; the drive is the manifest's
                   # by its id.
                   "-device", "scsi-cd,id=cdrom")
        claims = "".join(CLAIM.format(name=name, path=cls.directory / f"{file}.img")
                         for name, file in (("root-disk", "root"), ("hotplugged-disk", "data"),
                                            ("hotplug-disk", "other"),
                                            ("hotplug-cdrom", "medium"), ("extra", "data")))
        cls.vmplug("apply", "-f", "-", text=claims)

    @classmethod
    def image(cls, name: str, mebibytes: int) -> None:
        with open(cls.directory / f"{name}.img", "wb") as file:
            file.truncate(mebibytes * MEBIBYTE)
            file.write(name.encode())

    @classmethod
    def script(cls, name: str, *arguments: str) -> str:
        return subprocess.run([f"{SCRIPTS}/{name}", *arguments], stdout=subprocess.PIPE,
                              text=True, check=True).stdout

    @classmethod
    def vmplug(cls, *arguments: str, text: str | None = None, code: int = 0) -> str:
        run = subprocess.run([VMPLUG, *arguments], input=text, text=True, env=cls.environment,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        assert run.returncode == code, (arguments, run.returncode, run.stdout, run.stderr)
        return run.stdout

    def apply(self, manifest: str, *arguments: str, code: int = 0) -> str:
        return self.vmplug("apply", "-f", "-", *arguments, text=manifest, code=code)

    def guest(self, line: str) -> str:
        """What a shell on its serial console says."""
        return self.script("guest-shell", str(self.directory), line).strip()

    def vmi(self, name: str, *arguments: str) -> dict:
        return json.loads(self.vmplug("get", "vmi", name, "-o", "json", *arguments))["status"]

    def conditions(self, name: str, *arguments: str) -> dict[str, dict]:
        return {condition["type"]: condition
                for condition in self.vmi(name, *arguments)["conditions"]}

    def patch(self, name: str, path: str, value: object, code: int = 0) -> str:
        operations = [{"op": "add", "path": path, "value": value}]
        return self.vmplug("patch", "vm", name, "--type=json", f"-p={json.dumps(operations)}",
                           code=code)

    def refusal(self, name: str, field: str, value: object, usual: object) -> str:
        """Why a restart is required for a value; it goes away with the value."""
        self.patch(name, f"{DOMAIN}/{field}", value, code=7)
        message = self.conditions(name)["RestartRequired"]["message"]
        self.patch(name, f"{DOMAIN}/{field}", usual)
        self.assertNotIn("RestartRequired", self.conditions(name))
        return str(message)

    def disks(self) -> list[str]:
        return self.guest("ls /sys/block | grep ^sd || true").split()

    # In this order: each begins with what the one before has left.

    def test_1_sockets_2_of_4(self) -> None:
        manifest = blocks(document(KUBEVIRT))[0]
        self.apply(manifest, "-n", "vm")
        self.assertEqual(self.guest("nproc"), "2")
        self.apply(manifest.replace("sockets: 2", "sockets: 4"), "-n", "vm")
        self.assertEqual(self.guest("nproc"), "4")
        self.assertEqual(self.vmi("vm")["currentCPUTopology"],
                         {"cores": 1, "sockets": 4, "threads": 1})
        self.assertIn('"asked":0', self.apply(manifest.replace("sockets: 2", "sockets: 4"),
                                              "-n", "vm", "--json"))
        # The VM's own limit, however much QEMU could have.
        self.assertIn("maxSockets allows: 4", self.refusal("vm", "cpu/sockets", 5, 4))

    def test_2_json_patch_4_to_5(self) -> None:
        text = document(CPU)
        line = command(text, "kubectl patch vm")
        words = shlex.split(line)[1:]
        self.assertEqual(words[2], "vm-cirros")
        self.apply("apiVersion: kubevirt.io/v1\nkind: VirtualMachine\n"
                   "metadata: {name: vm-cirros}\nspec: {template: {spec: {domain: {cpu: "
                   "{sockets: 4, cores: 1, threads: 1}}}}}\n")
        # The pipe holds no more than a page: vmplug waits for us in the middle of its questions.
        reading, writing = os.pipe()
        fcntl.fcntl(writing, applying.F_SETPIPE_SZ, applying.PAGE)
        with subprocess.Popen([VMPLUG, *words, "--trace", f"/dev/fd/{writing}"],
                              env=self.environment, pass_fds=[writing],
                              stdout=subprocess.DEVNULL) as patching:
            os.close(writing)
            with open(reading, encoding="utf-8") as trace:
                self.assertTrue(trace.readline())
                second = ("-q", str(self.directory / "qmp2"))
                self.assertEqual(self.conditions("vm-cirros", *second)["HotVCPUChange"]["status"],
                                 "True")
                self.assertEqual(self.vmi("vm-cirros", *second)["currentCPUTopology"]["sockets"],
                                 4)
                self.assertIn("device_add", trace.read())
            self.assertEqual(patching.wait(), 0)
        self.assertEqual(self.guest("nproc"), "5")
        self.assertEqual(self.vmi("vm-cirros")["currentCPUTopology"],
                         {"cores": 1, "sockets": 5, "threads": 1})
        self.assertNotIn("HotVCPUChange", self.conditions("vm-cirros"))

    def test_3_limits_and_their_precedence(self) -> None:
        fragments = blocks(document(CPU))
        for block in fragments:
            if "kind: KubeVirt" in block:
                self.apply(block)
        of_vm, = (block for block in fragments if "maxSockets" in block)
        value, = (block for block in fragments if "maxCpuSockets" in block)
        ratio, = (block for block in fragments if "maxHotplugRatio" in block)
        # As they are written, all come to 8: the VM has booted with two sockets.
        for block, by, name in ((ratio, "maxHotplugRatio", ()), (value, "maxCpuSockets", ()),
                                (of_vm, "maxSockets", ("-n", "vm-cirros"))):
            self.apply(block, *name)
            self.assertIn(f"{by} allows: 8", self.refusal("vm-cirros", "cpu/sockets", 9, 5))
        # The VM's value comes before the cluster's, and that before the ratio.
        self.apply(value.replace("8", "7") + "      maxHotplugRatio: 3\n")
        self.assertIn("maxSockets allows: 8", self.refusal("vm-cirros", "cpu/sockets", 9, 5))
        self.vmplug("patch", "vm", "vm-cirros", "--type=json",
                    f'-p=[{{"op": "remove", "path": "{DOMAIN}/cpu/maxSockets"}}]')
        self.assertIn("maxCpuSockets allows: 7", self.refusal("vm-cirros", "cpu/sockets", 8, 5))
        self.apply(ratio.replace("4", "3"))
        self.assertIn("maxHotplugRatio allows: 6", self.refusal("vm-cirros", "cpu/sockets", 7, 5))

    def test_4_memory_up_to_its_ceiling(self) -> None:
        self.assertIn("spec.domain.memory.guest", document(KUBEVIRT))
        self.patch("vm-cirros", f"{DOMAIN}/memory", {"guest": "256Mi", "maxGuest": "1Gi"})
        self.patch("vm-cirros", f"{DOMAIN}/memory/guest", "1Gi")
        memory = self.vmi("vm-cirros")["memory"]
        self.assertEqual(memory, {"guestAtBoot": "256Mi", "guestCurrent": "1Gi",
                                  "guestRequested": "1Gi"})
        blocks_online = self.guest(
            "cat /sys/devices/system/memory/memory*/state | grep -cx online")
        size = int(self.guest("cat /sys/devices/system/memory/block_size_bytes"), 16)
        self.assertEqual(int(blocks_online) * size, 1 << 30)
        self.assertIn("maxGuest allows: 1Gi",
                      self.refusal("vm-cirros", "memory/guest", "2Gi", "1Gi"))
        # What the notes call requests is the guest's size where memory.guest is not said.
        self.assertIn("domain.resources.requests.memory", document(NOTES))
        self.vmplug("patch", "vm", "vm-cirros", "--type=json",
                    f'-p=[{{"op": "remove", "path": "{DOMAIN}/memory/guest"}}]')
        self.assertIn("maxGuest allows: 1Gi",
                      self.refusal("vm-cirros", "resources", {"requests": {"memory": "2Gi"}},
                                   {"requests": {"memory": "1Gi"}}))

    def test_5_declarative_volumes(self) -> None:
        manifests = [valid(block) for block in blocks(document(VEP))]
        self.assertEqual(len(manifests), 8)
        before_add, after_add, before_remove, after_remove = manifests[:4]
        before_inject, after_inject, before_eject, after_eject = manifests[4:]
        self.apply(before_add)
        self.assertEqual(self.disks(), [])
        self.apply(after_add)
        disk, = self.disks()
        self.assertEqual(self.guest(f"head -c 4 /dev/{disk}"), "data")
        # The next one has the same volume from another claim: it is exchanged.
        self.apply(before_remove)
        disk, = self.disks()
        self.assertEqual(self.guest(f"head -c 5 /dev/{disk}"), "other")
        self.apply(after_remove)
        self.assertEqual(self.disks(), [])
        self.apply(before_inject)
        self.apply(after_inject)
        self.assertEqual(self.guest("head -c 6 /dev/sr0"), "medium")
        self.assertIn('"asked":0', self.apply(before_eject, "--json"))
        self.apply(after_eject)
        self.assertEqual(self.guest("head -c 6 /dev/sr0 2>/dev/null || true"), "")
        status = {volume["name"]: volume for volume in self.vmi("vm1")["volumeStatus"]}
        self.assertEqual(status["root"]["phase"], "Ready")

    def test_6_virtctl(self) -> None:
        for text in (document(NOTES), document(KUBEVIRT)):
            self.assertIn("virtctl addvolume", text)
        line = command(document(NOTES), "virtctl addvolume <")
        words = shlex.split(line.replace("<nome-vm>", "vm1").replace("<nome-pvc>", "extra"))[1:]
        self.assertEqual(words, ["addvolume", "vm1", "--volume-name=extra", "--persist"])
        for arguments, kept in ((words, True), (words[:-1], False)):
            self.vmplug(*arguments)
            disk, = self.disks()
            self.assertEqual(self.guest(f"head -c 4 /dev/{disk}"), "data")
            self.assertEqual("extra" in self.vmplug("get", "vm", "vm1", "-oyaml"), kept)
            self.assertIn('"asked":0', self.vmplug("apply", "-n", "vm1", "--json"))
            self.vmplug("removevolume", "vm1", "--volume-name=extra")
            self.assertEqual(self.disks(), [])

    def test_7_interrupted_and_in_quick_succession(self) -> None:
        manifests = [valid(block) for block in blocks(document(VEP))]
        added, removed = manifests[1], manifests[3]
        for _ in range(3):
            self.apply(added)
            self.apply(removed)
        self.assertEqual(self.disks(), [])
        # Ended without warning at one message after the other, and applied again.
        for messages in range(40, 200, 20):
            applying.end_at(messages, VMPLUG, added, self.environment, signal.SIGKILL)
            self.apply(added)
            self.assertEqual(len(self.disks()), 1)
            applying.end_at(messages, VMPLUG, removed, self.environment, signal.SIGKILL)
            self.apply(removed)
            self.assertEqual(self.disks(), [])
            self.assertIn('"clean":true', self.vmplug("audit", "--json"))


if __name__ == "__main__":
    if shutil.which(os.environ.get("VMPLUG_QEMU", "qemu-system-x86_64")) is None:
        print("no QEMU")
        sys.exit(77)
    unittest.main(verbosity=2)
