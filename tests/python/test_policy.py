#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who may do what through vmplugd: each route of its OpenAPI document as nobody and as a viewer,
each VM as its operator, by uid and by group; what is written down of it; and what the host's
settings switch off for everybody. Needs root, to be somebody else."""
from __future__ import annotations

import contextlib
import http.client
import json
import os
import resource
import signal
import socket
import subprocess
import unittest
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import support
from support import SOON
from test_vmplugd import Daemon, VmplugdCase

VMPLUG = os.environ.get("VMPLUG", "./vmplug")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
CH_ENDPOINTS = {"vm.resize": {"desired_vcpus": 3}, "vm.resize-disk": {"id": "a", "desired_size": 1},
                "vm.add-disk": {"path": "/a"}, "vm.remove-device": {"id": "a"},
                "vm.pause": None, "vm.resume": None}

#: Nobody's that is on this host.
VIEWER, OPERATOR, MEMBER, STRANGER, ADMINISTRATOR, NEIGHBOUR = range(2000001, 2000007)
SOCKET_GROUP, TEAM = 3000001, 3000002
SESSIONS = 384  # of one user with monitors, as daemon/v1_monitor.c has it

POLICY = f"""\
rules:
- {{role: viewer, users: [{VIEWER}]}}
- {{role: operator, users: [{OPERATOR}], vms: [vm]}}
- {{role: viewer, groups: [{TEAM}], vms: ["v?"]}}
- {{role: administrator, users: [{ADMINISTRATOR}]}}
- {{role: administrator, users: [{NEIGHBOUR}], vms: [other]}}
"""

VM = """\
apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata:
  name: {name}
  annotations: {{{annotations}}}
spec:
  template:
    spec:
      domain:
        cpu: {{sockets: {sockets}}}
"""

KUBEVIRT = """\
apiVersion: kubevirt.io/v1
kind: KubeVirt
metadata: {{name: kubevirt}}
spec: {{configuration: {{developerConfiguration: {{disabledFeatureGates: [{gate}]}}}}}}
"""


@contextlib.contextmanager
def acting(uid: int, groups: Sequence[int] = ()) -> Iterator[None]:
    """As this user, who may connect; of the whole process."""
    before = os.getgroups()
    os.setgroups([SOCKET_GROUP, *groups])
    os.setegid(uid + 1000000)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(before)


class Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket, as somebody; it is the kernel that remembers who connected."""

    def __init__(self, path: Path, uid: int, groups: Sequence[int]) -> None:
        super().__init__("localhost", timeout=SOON)
        self.path, self.uid, self.groups = path, uid, groups

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(SOON)
        with acting(self.uid, self.groups):
            self.sock.connect(str(self.path))


@unittest.skipUnless(os.geteuid() == 0 or os.environ.get("CI"), "needs root")
class PolicyCase(VmplugdCase):
    def setUp(self) -> None:
        super().setUp()
        os.chmod(self.directory, 0o755)
        self.policy = self.directory / "policy.yaml"
        self.policy.write_text(POLICY)
        self.audit_log = self.directory / "audit.log"
        self.ch = self.directory / "ch"

    def give(self, name: str = "vm", sockets: int = 2, **sockets_of: Path) -> None:
        """A manifest, into the directory that is followed."""
        annotations = ", ".join(f"vmplug/{key}-socket: {path}" for key, path in sockets_of.items())
        self.put(f"{name}.yaml", VM.format(name=name, sockets=sockets, annotations=annotations))

    def put(self, file: str, text: str) -> None:
        (self.directory / file).write_text(text)
        os.rename(self.directory / file, self.manifests / file)

    def begin(self, *options: str) -> Daemon:
        """A daemon that holds the VM vm, which is as its manifest says, and knows of another."""
        self.start()
        self.give(qmp=self.qmp, agent=self.agent, api=self.ch)
        self.give("other", qmp=self.directory / "nothing")
        daemon = self.launch("--policy", str(self.policy), "--socket-group", str(SOCKET_GROUP),
                             *(options or ("--audit-log", str(self.audit_log))))
        daemon.await_line("vm=vm ", "status=True ", "reason=Synchronized")
        return daemon

    def ask(self, uid: int, method: str, path: str, body: Any = None,
            type_: str = "application/json", groups: Sequence[int] = (),
            on: Optional[Path] = None) -> Tuple[int, Any]:
        """The answer's status, and its body."""
        connection = Connection(on or self.api, uid, groups)
        headers = {} if body is None else {"Content-Type": type_}
        if body is not None and not isinstance(body, str):
            body = json.dumps(body)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            # What goes on for ever is not read.
            if answer.getheader("Content-Type", "").startswith("text/event-stream"):
                return answer.status, None
            text = answer.read()
            with contextlib.suppress(ValueError):
                return answer.status, json.loads(text)
            return answer.status, text

    def forbidden(self, uid: int, method: str, path: str, body: Any = None,
                  **how: Any) -> None:
        status, answer = self.ask(uid, method, path, body, **how)
        self.assertEqual(status, 403, (method, path, answer))
        self.assertEqual(answer["error"]["code"], "forbidden", answer)
        self.assertIn(f"uid {uid} is", answer["error"]["message"])
        self.assertNotEqual(answer["error"]["fix"], "")

    def talk(self, uid: int, text: str, until: bytes, times: int = 1) -> bytes:
        """What is said back, up to there, for the n-th time."""
        connection = Connection(self.api, uid, ())
        connection.connect()
        with contextlib.closing(connection.sock) as client:
            client.sendall(text.encode())
            said = b""
            while said.count(until) < times:
                more = client.recv(65536)
                if not more:
                    break
                said += more
            return said

    def audited(self) -> List[Dict[str, Any]]:
        return [json.loads(line) for line in self.audit_log.read_text().splitlines()]

    def stored(self) -> Dict[str, str]:
        """All that the store has, file by file."""
        store = Path(self.environment["XDG_STATE_HOME"]) / "vmplug"
        return {str(path): path.read_text() for path in store.rglob("*.yaml")}

    def everything(self) -> Any:
        """What nobody but whoever may is to change."""
        return self.state()["cpus"], self.state().get("disks"), self.stored()

    def vcpus(self) -> int:
        return sum(cpu["present"] for cpu in self.state()["cpus"])

    def until(self, condition: Any) -> None:
        for _ in range(SOON * 1000):
            if condition():
                return
            os.sched_yield()
        self.fail()


def routes(operation: str = "1") -> List[Tuple[str, str]]:
    """Method and path of all that the document has, of the VM vm and of an operation."""
    document = json.loads((support.SOURCE / "doc" / "vmplugd-openapi.json").read_text())
    found = []
    for path, methods in document["paths"].items():
        where = path.replace("{name}", "vm").replace("{id}", operation)
        assert "{" not in where, path
        found += [(method.upper(), where) for method in methods if method.upper() in METHODS]
    assert len(found) > 20
    return found


#: Of what takes a body, one that would change something.
APPLIED = (VM.format(name="vm", sockets=3, annotations=""), "application/yaml")
PATCHED = ([{"op": "replace", "path": "/spec/template/spec/domain/cpu/sockets", "value": 3}],
           "application/json-patch+json")
BODIES = {
    ("POST", "/v1/vms/vm/operations"): ({"operation": "cpu-add"}, "application/json"),
    ("POST", "/v1/apply"): APPLIED,
    ("POST", "/v1/plan"): APPLIED,
    ("PATCH", "/v1/vms/vm"): PATCHED,
}
UPGRADES = {"/v1/vms/vm/qmp": "qmp", "/v1/vms/vm/agent": "qga"}


class Routes(PolicyCase):
    """Every one of them."""

    def test_viewer_changes_nothing(self) -> None:
        self.begin()
        status, operation = self.ask(ADMINISTRATOR, "POST", "/v1/vms/vm/operations?wait=true",
                                     {"operation": "cpu-add"})
        self.assertEqual(status, 200, operation)
        before, lines, refused = self.everything(), self.audited(), 0
        for method, path in routes(operation["id"]):
            with self.subTest(method=method, path=path):
                if method == "GET":
                    status, answer = self.ask(VIEWER, method, path)
                    self.assertNotEqual(status, 403, answer)
                else:
                    self.try_to(VIEWER, method, path)
                    refused += 1
        self.assertGreaterEqual(refused, 8)
        self.assertEqual(self.everything(), before)
        new = self.audited()[len(lines):]
        self.assertEqual(len(new), refused)
        self.assertEqual({(line["uid"], line["gid"], line["pid"], line["verdict"])
                          for line in new},
                         {(VIEWER, VIEWER + 1000000, os.getpid(), "forbidden")})

    def try_to(self, uid: int, method: str, path: str) -> None:
        """With a body that would do it, and is refused."""
        body, type_ = BODIES.get((method, path), (None, ""))
        self.forbidden(uid, method, path, body, type_=type_)

    def test_bodies(self) -> None:
        """They would, indeed, so that it is no wonder of form that nothing changes."""
        self.begin()
        for (method, path), (body, type_) in BODIES.items():
            with self.subTest(method=method, path=path):
                status, answer = self.ask(ADMINISTRATOR, method, f"{path}", body, type_)
                self.assertIn(status, (200, 202), answer)
        self.assertEqual({(method, path) for method, path in routes()
                          if method in ("POST", "PUT", "PATCH")} - set(BODIES),
                         {("POST", "/v1/vms/vm/pause"), ("POST", "/v1/vms/vm/resume")})

    def test_viewer_by_any_method(self) -> None:
        """Also by what the document does not have."""
        self.begin()
        before = self.everything()
        bodies = {path: body for (_, path), body in BODIES.items()}
        for path in sorted({path for _, path in routes()}):
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                with self.subTest(method=method, path=path):
                    body, type_ = bodies.get(path, (None, ""))
                    status, answer = self.ask(VIEWER, method, path, body, type_)
                    self.assertIn(status, (403, 405), answer)
        self.assertEqual(self.everything(), before)

    def test_nobody_learns_nothing(self) -> None:
        self.begin()
        before = self.everything()
        for method, path in routes():
            with self.subTest(method=method, path=path):
                self.try_to(STRANGER, method, path)
        for path in ("/v1/vms/other", "/v1/vms/is-not-there", "/v1/vms/other/status", "/nothing"):
            self.forbidden(STRANGER, "GET", path)
        self.assertEqual(self.everything(), before)

    def test_raw_protocols(self) -> None:
        """A viewer looks, and no more; nobody does not even that."""
        self.begin()
        before = self.everything()
        for path, protocol in UPGRADES.items():
            with self.subTest(path=path):
                upgrade = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n" \
                          f"Upgrade: {protocol}\r\n\r\n"
                self.assertIn(b" 403 ", self.talk(STRANGER, upgrade, b"}}"))
                wanted = {"qmp": ("query-status", "device_add", "system_reset", "quit",
                                  "human-monitor-command", "qom-set", "cont", "stop"),
                          "qga": ("guest-info", "guest-shutdown", "guest-exec",
                                  "guest-set-vcpus", "guest-file-open")}[protocol]
                for command in wanted:
                    before_it = '{"execute": "qmp_capabilities"}\n' if protocol == "qmp" else ""
                    said = self.talk(VIEWER, upgrade + before_it +
                                     '{"execute": "%s", "id": "it"}\n' % command, b'"it"')
                    self.assertIn(b" 101 ", said)
                    self.assertEqual(b'"error"' in said, command != wanted[0], said)
        self.assertEqual(self.everything(), before)

    def test_crowd(self) -> None:
        """Whoever speaks the raw protocols with as many connections as there may be of one user
        leaves room for others."""
        self.begin()
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit[1], limit[1]))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, limit)
        upgrade = "GET /v1/vms/vm/qmp HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n" \
                  "Upgrade: qmp\r\n\r\n"
        with contextlib.ExitStack() as stack:
            for _ in range(SESSIONS):
                connection = Connection(self.api, VIEWER, ())
                connection.connect()
                client = stack.enter_context(contextlib.closing(connection.sock))
                client.sendall(upgrade.encode())
                self.assertIn(b" 101 ", client.recv(4096))
            self.assertIn(b" 503 ", self.talk(VIEWER, upgrade, b"}}"))
            self.assertIn(b" 101 ", self.talk(OPERATOR, upgrade, b"}}"))

    def test_cloud_hypervisor(self) -> None:
        self.begin()
        before = self.everything()
        for uid in (VIEWER, STRANGER):
            for name, body in CH_ENDPOINTS.items():
                with self.subTest(uid=uid, name=name):
                    status, answer = self.ask(uid, "PUT", f"/api/v1/{name}", body, on=self.ch)
                    self.assertEqual(status, 403, answer)
                    self.assertIn(f"uid {uid} is", answer[1])
        for name, wanted in (("vmm.ping", 200), ("vm.info", 200),
                             ("vm.counters", 500)):  # of which the fake knows nothing
            self.assertEqual(self.ask(VIEWER, "GET", f"/api/v1/{name}", on=self.ch)[0], wanted)
            self.assertEqual(self.ask(STRANGER, "GET", f"/api/v1/{name}", on=self.ch)[0], 403)
        self.assertEqual(self.everything(), before)
        self.assertEqual(self.ask(OPERATOR, "PUT", "/api/v1/vm.resize", CH_ENDPOINTS["vm.resize"],
                                  on=self.ch)[0], 204)
        self.assertEqual(self.vcpus(), 3)
        lines = [line for line in self.audited() if line["uid"] == OPERATOR]
        self.assertEqual([(line["vm"], line["action"], line["verdict"]) for line in lines],
                         [("vm", "vm.resize", "begun"), ("vm", "vm.resize", "online")])
        self.assertEqual(lines[0]["details"], {"desired_vcpus": 3})
        figures = self.ask(VIEWER, "GET", "/metrics")[1].decode()
        self.assertIn('vmplug_operations_total{operation="cpu-add",verdict="online"} 1\n', figures)
        self.assertIn(f"vmplug_forbidden_total {2 * len(CH_ENDPOINTS) + 3}\n", figures)


class Roles(PolicyCase):
    """Of one VM and not of another."""

    def test_operator(self) -> None:
        self.begin()
        status, answer = self.ask(OPERATOR, "POST", "/v1/vms/vm/operations?wait=true",
                                  {"operation": "cpu-add"})
        self.assertEqual(status, 200, answer)
        self.assertEqual(self.vcpus(), 3)
        lines = [line for line in self.audited() if line["uid"] == OPERATOR]
        self.assertEqual([(line["vm"], line["verdict"]) for line in lines],
                         [("vm", "begun"), ("vm", "online")])
        self.assertEqual({line["pid"] for line in lines}, {os.getpid()})
        self.assertEqual(len({line["action"] for line in lines}), 1, lines)

        before = self.everything()
        self.forbidden(OPERATOR, "POST", "/v1/vms/other/operations", {"operation": "cpu-add"})
        self.forbidden(OPERATOR, "GET", "/v1/vms/other")
        self.forbidden(OPERATOR, "GET", "/v1/vms/is-not-there")
        self.forbidden(OPERATOR, "DELETE", "/v1/vms/vm")
        self.forbidden(OPERATOR, "POST", "/v1/apply",
                       VM.format(name="new", sockets=1, annotations=""), type_="application/yaml")
        self.forbidden(OPERATOR, "POST", "/v1/apply", KUBEVIRT.format(gate="CPUHotplug"),
                       type_="application/yaml")
        self.assertEqual(self.everything(), before)

    def test_operator_keeps_to_the_vm(self) -> None:
        """Whose sockets are the VM's is not theirs to say: it might be another's."""
        self.begin()
        before = self.everything()
        elsewhere = f"vmplug/qmp-socket: {self.directory}/nothing"
        self.forbidden(OPERATOR, "POST", "/v1/apply",
                       VM.format(name="vm", sockets=2, annotations=elsewhere),
                       type_="application/yaml")
        self.forbidden(OPERATOR, "PATCH", "/v1/vms/vm",
                       {"metadata": {"annotations": {"vmplug/qmp-socket": "/nothing"}}},
                       type_="application/merge-patch+json")
        self.forbidden(OPERATOR, "PATCH", "/v1/vms/vm",
                       [{"op": "remove", "path": "/metadata/annotations"}],
                       type_="application/json-patch+json")
        self.assertEqual(self.everything(), before)
        status, answer = self.ask(OPERATOR, "PATCH", "/v1/vms/vm", *PATCHED)
        self.assertIn(status, (200, 202), answer)

    def test_shown(self) -> None:
        """Who is a viewer of some sees those."""
        self.begin()

        def names(uid: int, *groups: int) -> List[str]:
            status, answer = self.ask(uid, "GET", "/v1/vms", groups=groups)
            self.assertEqual(status, 200, answer)
            return sorted(vm["name"] for vm in answer["vms"])

        self.assertEqual(names(VIEWER), ["other", "vm"])
        self.assertEqual(names(OPERATOR), ["vm"])
        self.assertEqual(names(MEMBER, TEAM), ["vm"])
        self.forbidden(MEMBER, "GET", "/v1/vms")
        self.forbidden(MEMBER, "PATCH", "/v1/vms/vm", {}, type_="application/merge-patch+json",
                       groups=[TEAM])

    def test_told(self) -> None:
        """What happens to a VM is for those who may look at it."""
        self.begin()
        status, operation = self.ask(OPERATOR, "POST", "/v1/vms/vm/operations?wait=true",
                                     {"operation": "cpu-add"})
        self.assertEqual(status, 200, operation)
        path = f"/v1/operations/{operation['id']}"
        for uid, seen in ((VIEWER, 1), (OPERATOR, 1), (NEIGHBOUR, 0)):
            status, answer = self.ask(uid, "GET", "/v1/operations")
            self.assertEqual((status, len(answer["operations"])), (200, seen), answer)
        self.assertEqual(self.ask(VIEWER, "GET", path)[0], 200)
        self.forbidden(NEIGHBOUR, "GET", path)
        self.forbidden(NEIGHBOUR, "DELETE", path)
        self.forbidden(NEIGHBOUR, "GET", "/metrics")

        follow = "GET /v1/events?since=0 HTTP/1.1\r\nHost: x\r\n\r\n"
        before = self.talk(VIEWER, follow, operation["id"].encode()).count(b'"vm":"other"')
        self.ask(ADMINISTRATOR, "DELETE", "/v1/vms/other")
        self.ask(ADMINISTRATOR, "POST", "/v1/apply",
                 VM.format(name="other", sockets=1, annotations=""), "application/yaml")
        for uid, seen in ((VIEWER, True), (NEIGHBOUR, False)):
            said = self.talk(uid, follow, b'"vm":"other"', before + 1)
            self.assertIs(b'"vm":"vm"' in said, seen, said)
        status, operation = self.ask(OPERATOR, "POST", "/v1/vms/vm/operations?wait=true",
                                     {"operation": "cpu-add"})
        self.assertNotIn(b'"other"', self.talk(OPERATOR, follow, operation["id"].encode()))

    def test_reload(self) -> None:
        daemon = self.begin()
        self.policy.write_text("rules: [{role: chief, users: [0]}]")
        daemon.process.send_signal(signal.SIGHUP)
        line = daemon.await_line("the policy stays as it was")
        self.assertIn(f"{self.policy}:1:16: rules[0].role: must be viewer", line)
        self.assertEqual(self.ask(VIEWER, "GET", "/v1/vms")[0], 200)
        rotated = self.directory / "audit.log.1"
        self.audit_log.rename(rotated)
        self.policy.write_text(f"rules: [{{role: operator, users: [{STRANGER}]}}]")
        daemon.process.send_signal(signal.SIGHUP)
        self.until(self.audit_log.exists)
        self.until(lambda: self.ask(STRANGER, "GET", "/v1/vms")[0] == 200)
        self.forbidden(VIEWER, "GET", "/v1/vms")
        self.assertEqual(self.audited(), [])
        self.forbidden(VIEWER, "DELETE", "/v1/vms/vm")
        line, = self.audited()
        self.assertEqual((line["vm"], line["verdict"]), ("vm", "forbidden"))

    def test_reload_while_connected(self) -> None:
        """Who has a lower role by now goes on with no monitor."""
        daemon = self.begin()
        negotiate = "GET /v1/vms/vm/qmp HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n" \
                    'Upgrade: qmp\r\n\r\n{"execute": "qmp_capabilities"}\n'
        clients = {}
        for uid in (OPERATOR, VIEWER):
            connection = Connection(self.api, uid, ())
            connection.connect()
            clients[uid] = client = connection.sock
            self.addCleanup(client.close)
            client.settimeout(SOON)
            client.sendall(negotiate.encode())
            said = b""
            while b'"return"' not in said:
                said += client.recv(65536)
        self.policy.write_text(f"rules: [{{role: viewer, users: [{VIEWER}, {OPERATOR}]}}]")
        daemon.process.send_signal(signal.SIGHUP)
        self.assertEqual(clients[OPERATOR].recv(1), b"")
        clients[VIEWER].sendall(b'{"execute": "query-status"}\n')
        self.assertIn(b'"running"', clients[VIEWER].recv(65536))

    def test_written_down(self) -> None:
        """Each that has begun has its end, too, also where nothing came of it."""
        self.begin()
        merge = "application/merge-patch+json"
        for method, path, body, type_, wanted in (
                ("PATCH", "/v1/vms/vm", {"spec": 1}, merge, 400),
                ("PATCH", "/v1/vms/vm", "[", merge, 400),
                ("PATCH", "/v1/vms/other", {"metadata": {"labels": {"a": "b"}}}, merge, 200),
                ("PATCH", "/v1/vms/vm", {"metadata": {"labels": {"a": "b"}}}, merge, 200),
                ("POST", "/v1/vms/vm/operations", {"operation": "cpu-add"}, "application/json",
                 200),
                ("DELETE", "/v1/operations/", None, "", 409),
                ("POST", "/v1/vms/vm/pause", None, "", 500),  # of which the fake knows nothing
                ("POST", "/v1/apply", *APPLIED, 200),
                ("DELETE", "/v1/vms/other", None, "", 200)):
            path += "?wait=true" if body is not None else last if path.endswith("/") else ""
            status, answer = self.ask(ADMINISTRATOR, method, path, body, type_)
            last = answer.get("id", "")
            self.assertEqual(status, wanted, answer)
        lines = [(line["vm"], line["action"], line["verdict"]) for line in self.audited()
                 if line["uid"] == ADMINISTRATOR]
        self.assertEqual([line for line in lines if line[1] == "patch"],
                         [("vm", "patch", "begun"), ("vm", "patch", "error")] * 2 +
                         [("other", "patch", "begun"), ("other", "patch", "done"),
                          ("vm", "patch", "begun"), ("vm", "patch", "done")])
        begun = sorted(str(line[:2]) for line in lines if line[2] == "begun")
        ended = sorted(str(line[:2]) for line in lines if line[2] != "begun")
        self.assertEqual(begun, ended)
        self.assertGreaterEqual(len(begun), 8, lines)

    def test_not_written_down(self) -> None:
        """What can't be is not done."""
        daemon = self.begin("--audit-log", "/dev/full")
        before = self.everything()
        status, answer = self.ask(OPERATOR, "POST", "/v1/vms/vm/operations?wait=true",
                                  {"operation": "cpu-add"})
        self.assertEqual(status, 503, answer)
        self.assertIn("/dev/full", answer["error"]["message"])
        status, answer = self.ask(OPERATOR, "PUT", "/api/v1/vm.resize", {"desired_vcpus": 3},
                                  on=self.ch)
        self.assertEqual(status, 500, answer)
        self.assertEqual(self.everything(), before)
        daemon.await_line("a change is not in the audit log")

    def test_policy_of_others(self) -> None:
        """Nor does it begin with one that anybody could write."""
        self.policy.chmod(0o666)
        process = subprocess.run(
            [os.environ.get("VMPLUGD", "./vmplugd"), "--policy", str(self.policy),
             "--api-socket", str(self.api)],
            env=self.environment, stderr=subprocess.PIPE, text=True, timeout=SOON, check=False)
        self.assertEqual(process.returncode, 1)
        self.assertIn("others may write to it", process.stderr)


class Gates(PolicyCase):
    """What is switched off is so for everybody."""

    def test_operations(self) -> None:
        daemon = self.begin()
        before = self.everything()[:2]
        self.put("kubevirt.yaml", KUBEVIRT.format(gate="CPUHotplug, HotplugVolumes"))
        daemon.await_line("a manifest is taken", "kubevirt.yaml")
        for operation in ({"operation": "cpu-add"},
                          {"operation": "disk-add", "files": [str(self.image())]}):
            status, answer = self.ask(ADMINISTRATOR, "POST", "/v1/vms/vm/operations?wait=true",
                                      operation)
            self.assertEqual(status, 403, answer)
            self.assertIn("the feature gate ", answer["error"]["message"])
        for name, body, gate in (("vm.resize", {"desired_vcpus": 3}, "CPUHotplug"),
                                 ("vm.resize", {"desired_vcpus": 3, "desired_ram": 1 << 29},
                                  "CPUHotplug"),
                                 ("vm.add-disk", {"path": str(self.image())}, "HotplugVolumes")):
            status, answer = self.ask(ADMINISTRATOR, "PUT", f"/api/v1/{name}", body, on=self.ch)
            self.assertEqual(status, 403, answer)
            self.assertEqual(answer[1], f"the feature gate {gate} is disabled")
        self.assertEqual(self.everything()[:2], before)
        status, answer = self.ask(ADMINISTRATOR, "POST", "/v1/vms/vm/operations?wait=true",
                                  {"operation": "wait", "id": "vmplug-disk-1"})
        self.assertEqual((status, answer["verdict"]), (200, "blocked"), answer)
        self.put("kubevirt.yaml", KUBEVIRT.format(gate="LiveUpdate"))
        daemon.await_line("a manifest is taken", "kubevirt.yaml")
        for body in ({"desired_ram": 1 << 29}, {"desired_balloon": 1 << 20}):
            status, answer = self.ask(ADMINISTRATOR, "PUT", "/api/v1/vm.resize", body, on=self.ch)
            self.assertEqual((status, answer[1]),
                             (403, "the feature gate LiveUpdate is disabled"), answer)
        self.put("kubevirt.yaml", KUBEVIRT.format(gate=""))
        daemon.await_line("a manifest is taken", "kubevirt.yaml")
        self.assertEqual(self.ask(ADMINISTRATOR, "PUT", "/api/v1/vm.resize", {"desired_vcpus": 3},
                                  on=self.ch)[0], 204)

    def test_removals(self) -> None:
        """A device_del is of the kind that its device is, and is written down so."""
        daemon = self.begin()
        for operation in ({"operation": "memory-add", "bytes": 128 << 20},
                          {"operation": "disk-add", "files": [str(self.image())]}):
            status, answer = self.ask(ADMINISTRATOR, "POST", "/v1/vms/vm/operations?wait=true",
                                      operation)
            self.assertEqual((status, answer["verdict"]), (200, "online"), answer)
        self.put("kubevirt.yaml", KUBEVIRT.format(gate="HotplugVolumes"))
        daemon.await_line("a manifest is taken", "kubevirt.yaml")
        said = self.remove("vmplug-disk-0", "/machine/peripheral/vmplug-disk-0", "nothing",
                           "vmplug-mem-0")
        self.assertEqual(said.count(b"the feature gate HotplugVolumes is disabled"), 2, said)
        self.assertIn(b"Device 'nothing' not found", said)
        self.until(lambda: self.state()["dimms"] == [])
        self.assertEqual([node["device"] for node in self.state()["nodes"]], ["vmplug-disk-0"])
        lines = [(line["details"]["driver"], line["verdict"]) for line in self.audited()
                 if line["action"] == "qmp:device_del"]
        self.assertEqual(lines, [("", "begun"), ("", "rejected"),
                                 ("pc-dimm", "begun"), ("pc-dimm", "accepted")])
        self.put("kubevirt.yaml", KUBEVIRT.format(gate="LiveUpdate"))
        daemon.await_line("a manifest is taken", "kubevirt.yaml")
        self.assertNotIn(b"error", self.remove("vmplug-disk-0"))

    def remove(self, *ids: str) -> bytes:
        """What is said to a device_del of each, at once."""
        text = "GET /v1/vms/vm/qmp HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n" \
               'Upgrade: qmp\r\n\r\n{"execute": "qmp_capabilities", "id": "answer"}\n'
        for device in ids:
            text += json.dumps({"execute": "device_del", "arguments": {"id": device},
                                "id": "answer"}) + "\n"
        return self.talk(ADMINISTRATOR, text, b'"answer"', len(ids) + 1)


if __name__ == "__main__":
    support.main()
