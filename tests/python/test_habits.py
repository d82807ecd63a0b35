#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What somebody tries who comes from kubectl, virtctl and virsh: nothing is claimed that is not so,
and what is refused says what to do."""
from __future__ import annotations

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
from typing import Any, Dict, List, Tuple

import support

VMPLUG = os.environ.get("VMPLUG", "vmplug")

VM = """\
apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata: {{name: {name}}}
spec: {{template: {{spec: {{domain: {{cpu: {{sockets: {sockets}}}}}}}}}}}
"""

VOLUME = """\
apiVersion: v1
kind: PersistentVolume
metadata: {name: data}
spec: {claimRef: {name: data}, hostPath: {path: /srv/data.img}}
"""


class Habits(support.FakeCase):
    def setUp(self) -> None:
        super().setUp()
        self.environment = {**os.environ, "XDG_STATE_HOME": str(self.directory / "state-home"),
                            "XDG_RUNTIME_DIR": str(self.directory)}
        for name in ("VMPLUG_QMP", "VMPLUG_AGENT", "VMPLUG_VM"):
            self.environment.pop(name, None)

    def run_vmplug(self, *arguments: str, text: str = "", code: int = 0) -> Tuple[str, str]:
        """What it prints on stdout and on stderr."""
        run = subprocess.run([VMPLUG, *arguments], input=text, text=True, env=self.environment,
                             capture_output=True, timeout=60, check=False)
        self.assertEqual(run.returncode, code, (arguments, run.stdout, run.stderr))
        return run.stdout, run.stderr

    def objects(self, *arguments: str, text: str = "", code: int = 0) -> List[Dict[str, Any]]:
        out, _ = self.run_vmplug(*arguments, "--json", text=text, code=code)
        return [json.loads(line) for line in out.splitlines()]

    def adopt(self, name: str = "vm1") -> None:
        self.run_vmplug("adopt", name, "--qmp", str(self.qmp), "--agent", str(self.agent))

    def test_adopt_that_fails_leaves_the_name(self) -> None:
        self.start()
        self.adopt()
        _, told = self.run_vmplug("adopt", "vm1", "--qmp", str(self.qmp), "--agent", "/nowhere",
                                  code=3)
        self.assertIn("cannot find /nowhere", told)
        self.run_vmplug("status", "--vm", "vm1")

    def test_not_installed(self) -> None:
        """Built without libtool's wrappers, or copied: its other programs are beside it."""
        built = pathlib.Path(VMPLUG).resolve().parent
        above = built.parent if built.name == ".libs" else built
        copy = shutil.copy(VMPLUG, self.directory)
        shutil.copy(above / "vmplug-manifest", self.directory)
        run = subprocess.run([copy, "plan", "-f", "-"], input="kind: ]", text=True,
                             env=self.environment, capture_output=True, timeout=60, check=False)
        self.assertRegex(run.stderr, r"^vmplug: stdin:\d+:\d+: ")

    def test_get_what_has_ended(self) -> None:
        """One that was adopted, and leaves its sockets: one of them is as all of them are."""
        fake = self.start()
        self.adopt()
        self.run_vmplug("apply", "-f", "-", text=VM.format(name="vm1", sockets=2))
        fake.kill()
        fake.wait()
        self.assertIn("vm1   Stopped  False", self.run_vmplug("get", "vm")[0])
        self.assertIn("vm1   Stopped  False", self.run_vmplug("get", "vm", "vm1")[0])
        _, told = self.run_vmplug("get", "vm", "vm1", "-q", str(self.qmp), code=3)
        self.assertIn("nobody listens there: QEMU has ended", told)

    def test_pending_no_more(self) -> None:
        """What nobody has seen the end of, and the guest has."""
        self.start("--fault", "agent guest-set-vcpus drop",
                   "--fault", "agent guest-set-memory-blocks#1 drop")
        self.adopt()
        for words, id_ in ((("cpu", "add"), "vmplug-cpu-2"),
                           (("memory", "add", "128M"), "vmplug-mem-0")):
            self.run_vmplug(*words, "-n", "vm1", "--timeout", "1", code=6)
            status, = self.objects("status", "-n", "vm1")
            self.assertEqual((status["cpus"]["online"], status["memory"]["online_bytes"] >> 20),
                             (3, 256 if words[0] == "cpu" else 384))
            self.assertEqual(status["pending"], [])
            self.run_vmplug("wait", id_, "-n", "vm1")

    def test_what_is_stored_is_said_and_no_more(self) -> None:
        both = VOLUME + "---\n" + VM.format(name="vm1", sockets=2)
        for kind in ("plan", "apply"):
            out, _ = self.run_vmplug(kind, "-f", "-", *(["--dry-run"] if kind == "apply" else []),
                                     text=both)
            self.assertNotRegex(out, "is stored|: stored")
        self.assertEqual(self.objects("get", "vm")[0]["items"], [])
        out, _ = self.run_vmplug("apply", "-f", "-", text=both)
        self.assertIn("PersistentVolume data: stored\nvm1 does not run: it is stored", out)
        self.assertEqual(len(self.objects("get", "vm")[0]["items"]), 1)

    def test_each_thing_that_is_blocked_has_an_object(self) -> None:
        self.start()
        self.adopt()
        text = (VM.format(name="vm1", sockets=3)
                .replace("{sockets: 3}", "{sockets: 3}, memory: {guest: 9Gi}")
                .replace("{domain: {", "{volumes: [{name: x, containerDisk: {image: y}}], "
                         "domain: {devices: {disks: [{name: x, disk: {}}]}, "))
        memory, volume, added, summary = self.objects("apply", "-f", "-", text=text, code=7)
        self.assertEqual((memory["verdict"], memory["path"], memory["restart_required"]),
                         ("blocked", "spec.template.spec.domain.memory.guest", True))
        self.assertEqual((volume["verdict"], volume["path"], volume["restart_required"]),
                         ("blocked", "spec.template.spec.volumes[0]", False))
        self.assertEqual((added["verdict"], summary["verdict"]), ("online", "blocked"))
        out, _ = self.run_vmplug("plan", "-n", "vm1", code=7)
        self.assertIn("vm1: nothing can be done while it runs", out)

    def test_patch_that_is_wrong(self) -> None:
        self.run_vmplug("apply", "-f", "-", text=VM.format(name="vm1", sockets=2))
        for kind, patch, why in (
                ("merge", "[]", "a merge patch is a part of the object, in { and }; for a list"),
                ("merge", '{"spec": {"template": 1}}', "see man vmplug-manifest"),
                ("json", '[{"op": "test", "path": "/kind", "value": 1}]', "see man vmplug")):
            _, told = self.run_vmplug("patch", "vm", "vm1", f"--type={kind}", f"-p={patch}",
                                      code=2)
            self.assertIn(why, told)

    def test_vm_is_no_namespace(self) -> None:
        _, told = self.run_vmplug("apply", "-n", "default", "-f", "-",
                                  text=VM.format(name="vm1", sockets=2), code=2)
        self.assertIn("--vm says 'default', and the manifest's VM is 'vm1'; leave out", told)
        self.assertEqual(self.objects("get", "vm")[0]["items"], [])
        self.run_vmplug("apply", "-n", "vm1", "-f", "-", text=VM.format(name="vm1", sockets=2))

    def test_forget_what_nobody_can_read(self) -> None:
        folder = self.directory / "state-home" / "vmplug" / "virtualmachine"
        folder.mkdir(parents=True, mode=0o700)
        (folder / "vm1.yaml").write_text("- ")
        self.run_vmplug("forget", "vm1")
        self.run_vmplug("forget", "vm1", code=7)

    def test_launch_above_its_own_ceilings(self) -> None:
        for domain, why in (
                ("cpu: {sockets: 2, maxSockets: 1}, memory: {guest: 64Mi}",
                 "cpu.sockets: 2 sockets are more than maxSockets allows: 1"),
                ("memory: {guest: 64Mi, maxGuest: 32Mi}",
                 "memory.guest: 64Mi is more than maxGuest allows: 32Mi")):
            text = VM.format(name="vm1", sockets=1).replace("cpu: {sockets: 1}", domain)
            _, told = self.run_vmplug("launch", "--print", "-f", "-", text=text, code=7)
            self.assertIn(why, told)
        out, _ = self.run_vmplug("launch", "--print", "-f", "-",
                                 text=text.replace("maxGuest: 32Mi", "maxGuest: 64Mi"))
        self.assertRegex(out, r"(?s)^\S*qemu-system-\S+ \\\n.*[^\n]\n\Z")

    def test_annotation_that_is_mistyped(self) -> None:
        text = VM.format(name="vm1", sockets=1).replace(
            "name: vm1", "name: vm1, annotations: {vmplug/acel: tcg, vmplug/accel: tcg, a/b: c}")
        _, told = self.run_vmplug("plan", "-f", "-", text=text)
        self.assertIn("metadata.annotations[vmplug/acel] is kept, and not acted on", told)
        self.assertEqual(told.count("is kept"), 1)

    def test_launch_of_volumes_alone(self) -> None:
        told, = self.objects("launch", "-f", "-", text=VOLUME, code=2)
        self.assertIn("no VirtualMachine", told["error"]["desc"])

    def test_memory_of_half_a_byte(self) -> None:
        text = VM.format(name="vm1", sockets=2).replace("cpu:", "memory: {guest: 512m}, cpu:")
        _, told = self.run_vmplug("plan", "-f", "-", text=text, code=2)
        self.assertIn("domain.memory.guest: must be at least 1Mi; write it as 512Mi", told)

    def test_volume_that_is_blocked_is_not_ready(self) -> None:
        text = (VM.format(name="vm1", sockets=2)
                .replace("{domain: {", "{volumes: [{name: x, persistentVolumeClaim: "
                         "{claimName: %s, hotpluggable: true}}], "
                         "domain: {devices: {disks: [{name: x, disk: {}}]}, "))
        self.start()
        self.adopt()
        self.run_vmplug("apply", "-f", "-", text=VOLUME.replace("/srv/data.img",
                                                                str(self.image())))
        for claim, code, phase in (("data", 0, "Ready"), ("none", 7, "Pending")):
            self.run_vmplug("apply", "-f", "-", text=text % claim, code=code)
            status = self.objects("get", "vmi", "vm1")[0]["status"]
            self.assertEqual([volume["phase"] for volume in status["volumeStatus"]], [phase])

    def test_volume_that_no_launch_could_have(self) -> None:
        text = (VM.format(name="vm1", sockets=2)
                .replace("{domain: {", "{volumes: [{name: x, containerDisk: {image: y}}], "
                         "domain: {devices: {disks: [{name: x, disk: {}}]}, "))
        plan, = self.objects("plan", "-f", "-", text=text, code=7)
        self.assertEqual([block["path"] for block in plan["blocked"]],
                         ["spec.template.spec.volumes[0]"])
        out, _ = self.run_vmplug("apply", "-f", "-", text=text, code=7)
        self.assertIn("it is stored", out)
        self.assertIn("a volume of kind containerDisk needs a cluster", out)

    def test_volumes_alone_print_an_object(self) -> None:
        done, = self.objects("apply", "-f", "-", text=VOLUME)
        self.assertEqual((done["summary"], done["verdict"], done["asked"]), (True, "done", 0))
        self.assertEqual(self.objects("plan", "-f", "-", text=VOLUME),
                         [{"operations": [], "blocked": []}])
        self.assertIn("nothing to do", self.run_vmplug("plan", "-f", "-", text=VOLUME)[0])

    def test_instances_are_listed_as_such(self) -> None:
        self.start()
        self.adopt()
        self.adopt("same")
        self.run_vmplug("apply", "-f", "-", text=VM.format(name="idle", sockets=2))
        listed, = self.objects("get", "vmi")
        one, = self.objects("get", "vmi", "vm1")
        self.assertEqual([vmi["metadata"]["name"] for vmi in listed["items"]], ["same", "vm1"])
        self.assertEqual(listed["items"][1], one)
        out, _ = self.run_vmplug("get", "vmi")
        self.assertRegex(out, r"(?s)^NAME  PHASE    SOCKETS  MEMORY\nsame  Running  2 .*\nvm1 ")

    def test_instance_whose_monitor_is_held(self) -> None:
        self.start()
        self.adopt()
        with socket.socket(socket.AF_UNIX) as other:
            other.connect(str(self.qmp))
            other.recv(1)
            listed, = self.objects("get", "vmi")
            self.assertEqual([vmi["status"] for vmi in listed["items"]], [{"phase": "Unknown"}])
            self.assertRegex(self.run_vmplug("get", "vmi")[0], r"vm1   Unknown  -        -")
            self.assertIn("vm1   Unknown  False", self.run_vmplug("get", "vm")[0])

    def test_vm_that_is_paused(self) -> None:
        self.start("--fault", 'qmp query-status answer {"status": "paused", "running": false}')
        self.adopt()
        self.assertIn("vm1   Paused  False", self.run_vmplug("get", "vm")[0])

    def test_launch_without_its_kernel(self) -> None:
        kernel = str(self.directory / "vmlinuz")
        text = (VM.format(name="vm1", sockets=1)
                .replace("{name: vm1}", f"{{name: vm1, annotations: {{vmplug/kernel: {kernel}}}}}")
                .replace("{domain: {", '{domain: {memory: {guest: 64Mi}, machine: {type: ""}, '))
        told, = self.objects("launch", "-f", "-", text=text, code=7)
        self.assertEqual(told["error"]["desc"], "metadata.annotations.vmplug/kernel: cannot read "
                         f"{kernel}: No such file or directory")

    def serve_monitor(self, *, heeds: bool) -> threading.Event:
        """A QEMU whose guest may heed the power button. Set: it was pressed."""
        pressed = threading.Event()
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(str(self.qmp))
        listener.listen()

        def serve() -> None:
            for _ in ("adopt", "stop"):
                connection, _ = listener.accept()
                with connection, connection.makefile("rw") as lines:
                    lines.write('{"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 0},'
                                ' "package": ""}, "capabilities": []}}\n')
                    lines.flush()
                    for line in lines:
                        request = json.loads(line)
                        lines.write(json.dumps({"return": {}, "id": request["id"]}) + "\n")
                        lines.flush()
                        if request["execute"] == "system_powerdown":
                            pressed.set()
                            if heeds:
                                break

        server = threading.Thread(target=serve, daemon=True)
        server.start()
        self.addCleanup(server.join, support.SOON)
        return pressed

    def test_stop_of_one_that_has_died(self) -> None:
        fake = self.start()
        self.adopt()
        fake.kill()
        fake.wait()
        _, told = self.run_vmplug("stop", "vm1", code=3)
        self.assertIn("Connection refused; vmplug forget takes its name away", told)

    def test_stop_by_the_power_button(self) -> None:
        pressed = self.serve_monitor(heeds=True)
        self.run_vmplug("adopt", "vm1", "--qmp", str(self.qmp))
        told, _ = self.run_vmplug("stop", "vm1")
        self.assertTrue(pressed.is_set())
        self.assertIn("it heeded the power button", told)

    def test_stop_that_is_interrupted(self) -> None:
        # A `make check &` of a script has it ignored, and vmplug heeds that.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        pressed = self.serve_monitor(heeds=False)
        self.run_vmplug("adopt", "vm1", "--qmp", str(self.qmp))
        with subprocess.Popen([VMPLUG, "stop", "vm1", "--json"], env=self.environment, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as stopping:
            self.assertTrue(pressed.wait(support.SOON))
            stopping.send_signal(signal.SIGTERM)  # SIGINT may be ignored
            out, told = stopping.communicate(timeout=support.SOON)
        self.assertEqual(stopping.returncode, 130)
        self.assertEqual(json.loads(out)["verdict"], "interrupted")
        self.assertIn("was asked to shut down, and still may", told)


if __name__ == "__main__":
    support.main()
