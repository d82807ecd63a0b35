#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""vmplugd's /v1 on a fake QEMU: every route, wrong requests, operations, manifests. Each answer is
held against doc/vmplugd-openapi.json, and that against the table of routes."""
from __future__ import annotations

import fcntl
import json
import re
import select
import time
from typing import Any, Dict, List

import support
from openapi import Mismatch
from support import SOON
from v1 import SOURCE, Connection, V1Case

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
YAML = "application/yaml"
RUNNING = 'answer {"status": "running", "running": true}'
#: The fake has no pause of its own.
PAUSES = ("--fault", "qmp stop answer {}", "--fault", "qmp cont answer {}")


def cpus(count: int) -> Dict[str, Any]:
    """A merge patch."""
    return {"spec": {"template": {"spec": {"domain": {"cpu": {"sockets": count}}}}}}


class Document(V1Case):
    def test_table(self) -> None:
        """Each route of the table is in the document with its role and parameters, and no other."""
        source = (SOURCE / "daemon/v1_routes.c").read_text()
        source = re.sub(r'(?<=, )VM( "|(?=,))', lambda found: '"/v1/vms/{name}'
                        + ("" if found.group(1) else '"'), source)
        lists = {name: re.findall(r'"(\w+)"', names) for name, names in re.findall(
            r"const char \*const (\w+)\[\] = \{([^}]*)\}", source)}
        routes = {(method, path): (name, role.lower(), lists.get(parameters, []))
                  for method, path, role, name, parameters in re.findall(
                      r'\{"(\w+)",\s+"(\S+)",\s+V1_\w+,\s+ROLE_(\w+),\s+"(\w+)",\s+\w+,\s+(\w+)',
                      source)}
        documented = {(method, path): (operation["operationId"], operation["x-vmplug-role"],
                                       [parameter["name"]
                                        for parameter in operation.get("parameters", [])
                                        if parameter["in"] == "query"])
                      for method, path, operation in self.document.operations()}
        self.assertGreater(len(routes), 20)
        self.assertEqual(len(routes), source.count('    {"'))
        self.maxDiff = None
        self.assertEqual(routes, documented)

    def test_examples(self) -> None:
        """Each example fits its schema."""
        seen = 0
        parts: List[Any] = [self.document.root]
        while parts:
            part = parts.pop()
            if isinstance(part, dict) and "schema" in part and "example" in part:
                self.document.check(part["example"], part["schema"])
                seen += 1
            if isinstance(part, (dict, list)):
                parts.extend(part.values() if isinstance(part, dict) else part)
        self.assertGreater(seen, 20)
        with self.assertRaises(Mismatch):
            self.document.check({"status": "ill"}, {"$ref": "#/components/schemas/Health"})

    def test_changes(self) -> None:
        """The operations are those that the daemon reads."""
        names = re.search(r"v1_change_names\[\] = \{([^}]*)\}",
                          (SOURCE / "daemon/v1_change.c").read_text())
        assert names is not None
        change = self.document.root["components"]["schemas"]["Change"]
        self.assertEqual(re.findall(r'"([\w-]+)"', names.group(1)),
                         list(change["discriminator"]["mapping"]))

    def test_every_operation(self) -> None:
        """Each that the document has answers, with what it says there; no other method does."""
        self.hold(*PAUSES)
        identity = self.operate(operation="cpu-set", count=2)["id"]
        for method, pattern, operation in self.document.operations():
            path = pattern.replace("{name}", "vm").replace("{id}", identity)
            if pattern in ("/v1/events", "/v1/vms/{name}/qmp", "/v1/vms/{name}/agent"):
                continue
            content = self.document.resolve(operation).get("requestBody", {}).get("content", {})
            bodies = [(content_type, part["example"]) for content_type, part in content.items()
                      if "example" in part] or [("", None)]
            for content_type, body in bodies:
                if operation["operationId"] == "forgetVm":
                    continue
                with self.subTest(method=method, path=path, content_type=content_type):
                    status, _, _ = self.answer(method, path, body, content_type)
                    self.assertLess(status, 501)
                    self.assertNotIn(status, (400, 403, 404, 415))
        for path in self.document.root["paths"]:
            for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
                path = path.replace("{name}", "vm").replace("{id}", identity)
                if method not in self.document.find(method, path)[0]:
                    with self.subTest(method=method, path=path):
                        self.refused(405, "use ", method, path)
        self.ask("DELETE", "/v1/vms/vm")

    def test_upgrade(self) -> None:
        """What speaks another protocol says so, and does once it is asked to."""
        self.hold()
        for name, protocol in (("qmp", "qmp"), ("agent", "qga")):
            self.refused(426, "upgrade-required", "GET", f"/v1/vms/vm/{name}")
            client = self.client(f"GET /v1/vms/vm/{name} HTTP/1.1\r\nHost: x\r\nConnection: "
                                 f"Upgrade\r\nUpgrade: {protocol}\r\n\r\n".encode())
            head = client.recv(4096).split(b"\r\n")
            self.assertIn(b" 101 ", head[0])
            self.assertIn(f"upgrade: {protocol}".encode(), [line.lower() for line in head])


class Requests(V1Case):
    def test_wrong(self) -> None:
        """Paths, methods, parameters, types and bodies, before anything is done."""
        self.hold()
        operations = "/v1/vms/vm/operations"
        for status, words, method, path, body, content_type in (
                (404, "there is no '/'", "GET", "/", None, ""),
                (404, "not-found", "GET", "/v1", None, ""),
                (404, "not-found", "GET", "/v1/vms/", None, ""),
                (404, "not-found", "GET", "/v1/vms/vm/", None, ""),
                (404, "not-found", "GET", "/v1/vms/vm/operations/1", None, ""),
                (404, "'nobody'", "GET", "/v1/vms/nobody", None, ""),
                (404, "not-found", "GET", "/v1/vms/a%2Fb", None, ""),
                (404, "not-found", "GET", "/v1/vms/" + "x" * 100, None, ""),
                (404, "none any more", "GET", "/v1/operations/1", None, ""),
                (404, "none any more", "DELETE", "/v1/operations/x", None, ""),
                (405, "use GET", "PUT", "/v1/health", None, ""),
                (400, "no parameter 'x'", "GET", "/v1/health?x=1", None, ""),
                (400, "no whole number", "GET", "/v1/vms?limit=x", None, ""),
                (400, "out of range", "GET", "/v1/vms?limit=0", None, ""),
                (400, "'since'", "GET", "/v1/events?since=-1", None, ""),
                (400, "neither true nor false", "POST", operations + "?wait=1",
                 {"operation": "cpu-add"}, ""),
                (400, "no body", "GET", "/v1/health", "{}", ""),
                (400, "no body", "POST", "/v1/vms/vm/pause", "{}", ""),
                (415, "application/yaml", "POST", "/v1/plan", "a: 1", "text/plain"),
                (415, "application/json-patch+json", "PATCH", "/v1/vms/vm", "{}", "text/x"),
                (415, "application/json", "POST", operations, "{}", "application/jsonx"),
                (400, "send one", "POST", operations, "", ""),
                (400, "column 1", "POST", operations, "{", ""),
                (400, "no text", "POST", operations, b"{}\0", ""),
                (400, "must be an object", "POST", operations, "[]", ""),
                (400, "nests", "POST", operations, "[" * 1000, ""),
                (413, "256 KiB", "POST", operations, " " * (1 << 19), ""),
                (400, "is missing", "POST", operations, {}, ""),
                (400, "no operation 'x'", "POST", operations, {"operation": "x"}, ""),
                (400, "the body:2:1", "POST", "/v1/plan", "a: [", YAML),
                (400, "kind", "POST", "/v1/apply", "a: 1", YAML),
                (400, "no name", "POST", "/v1/apply", "apiVersion: kubevirt.io/v1\n"
                 "kind: VirtualMachine\nspec: {}\n", YAML),
                (400, "patch[0]", "PATCH", "/v1/vms/vm",
                 [{"op": "remove", "path": "/nothing"}], JSON_PATCH),
                (400, "merge patch", "PATCH", "/v1/vms/vm", "[]", MERGE_PATCH),
                (404, "'nobody'", "PATCH", "/v1/vms/nobody", "{}", MERGE_PATCH)):
            with self.subTest(method=method, path=path, body=body):
                self.refused(status, words, method, path, body, content_type)
        self.assertEqual(self.vcpus(), 2)
        self.assertEqual(self.ask("GET", "/v1/operations")["operations"], [])

    def test_wrong_operations(self) -> None:
        """A member of the wrong type, out of range, unknown, missing, or at odds with another."""
        self.hold()
        for words, change in (
                ("count: must be", {"operation": "cpu-add", "count": "2"}),
                ("count: must be", {"operation": "cpu-add", "count": 1.5}),
                ("count: must be", {"operation": "cpu-add", "count": 4097}),
                ("count: must be", {"operation": "cpu-add", "count": True}),
                ("count: is missing", {"operation": "cpu-set"}),
                ("colour: cpu-add has no", {"operation": "cpu-add", "colour": "red"}),
                ("bytes: cpu-add has no", {"operation": "cpu-add", "bytes": 1}),
                ("timeout_ms: must be", {"operation": "cpu-add", "timeout_ms": 0}),
                ("wait: must be", {"operation": "cpu-add", "wait": "done"}),
                ("force: must be", {"operation": "cpu-add", "force": 1}),
                ("ids: is missing", {"operation": "cpu-remove"}),
                ("ids: must", {"operation": "cpu-remove", "ids": "a"}),
                ("ids: must name", {"operation": "cpu-remove", "ids": []}),
                ("ids[1]: must be", {"operation": "cpu-remove", "ids": ["a", 1]}),
                ("ids[0]: must have", {"operation": "cpu-remove", "ids": [""]}),
                ("bytes: is missing", {"operation": "memory-add"}),
                ("bytes: must be", {"operation": "memory-add", "bytes": -1}),
                ("bytes: must be", {"operation": "memory-add", "bytes": "1G"}),
                ("backend: must be", {"operation": "memory-add", "bytes": 1, "backend": "x"}),
                ("backend_path: is missing",
                 {"operation": "memory-add", "bytes": 1, "backend": "file"}),
                ("relative", {"operation": "memory-add", "bytes": 1, "backend_path": "x"}),
                ("hugepages: says nothing", {"operation": "memory-add", "bytes": 1,
                                             "backend_path": "/x", "hugepages": True}),
                ("id: ", {"operation": "memory-add", "bytes": 1, "id": "a b"}),
                ("relative", {"operation": "disk-add", "files": ["x.raw"]}),
                ("lun: must be", {"operation": "disk-add", "files": ["/x"], "lun": 16384}),
                ("serial: fits one", {"operation": "disk-add", "files": ["/x", "/y"],
                                      "serial": "S"}),
                ("iops: is missing", {"operation": "disk-throttle", "id": "a"}),
                ("bps: must be", {"operation": "disk-throttle", "id": "a", "bps": -1}),
                ("file: is missing", {"operation": "cdrom-insert", "id": "cd0"}),
                ("id: is missing", {"operation": "wait"})):
            with self.subTest(change=change):
                self.refused(400, words, "POST", "/v1/vms/vm/operations", change)
        self.assertEqual(self.vcpus(), 2)

    def test_looks(self) -> None:
        self.hold("--cpus", "2", "--max-cpus", "8", "--memory", "256M")
        self.assertEqual(self.ask("GET", "/v1/health")["vms"], 1)
        vm, = self.ask("GET", "/v1/vms")["vms"]
        self.assertEqual((vm["name"], vm["state"]), ("vm", "ready"))
        self.assertEqual(vm["conditions"][0]["reason"], "Synchronized")
        conditions = {condition["type"]: condition["status"]
                      for condition in self.ask("GET", "/v1/vms/vm")["status"]["conditions"]}
        self.assertEqual((conditions["Synchronized"], conditions["Ready"]), ("True", "True"))
        self.assertEqual(self.ask("GET", "/v1/vms/vm/status")["cpus"]["present"], 2)
        instance = self.ask("GET", "/v1/vms/vm/instance")
        self.assertEqual(instance["status"]["memory"]["guestCurrent"], "256Mi")
        self.assertEqual(self.ask("GET", "/v1/vms/vm/plan"),
                         {"operations": [], "blocked": [], "vm": "vm"})
        self.operate(operation="cpu-add")
        step, = self.ask("GET", "/v1/vms/vm/plan")["operations"]
        self.assertEqual(step["operation"], "cpu-remove")
        self.assertEqual(self.ask("GET", "/v1/openapi.json"), self.document.root)

    def test_pages(self) -> None:
        """Names in their order, and some at a time."""
        self.write(file="a.yaml")
        text = (self.manifests / "a.yaml").read_text()
        for name in ("c", "a", "b"):
            (self.manifests / f"{name}.yaml").write_text(
                text.replace("name: vm", f"name: {name}").replace(str(self.qmp), f"/no/{name}"))
        daemon = self.launch()
        for _ in range(3):
            daemon.await_line("a manifest is taken")
        page = self.ask("GET", "/v1/vms?limit=2")
        self.assertEqual([vm["name"] for vm in page["vms"]], ["a", "b"])
        page = self.ask("GET", f"/v1/vms?limit=2&after={page['after']}")
        self.assertEqual([vm["name"] for vm in page["vms"]], ["c"])
        self.assertNotIn("after", page)
        self.assertEqual(page["vms"][0]["state"], "absent")
        self.assertEqual(self.ask("GET", "/v1/vms/c")["status"]["printableStatus"], "Stopped")
        self.assertIs(self.ask("GET", "/v1/vms/c/plan")["running"], False)
        for path in ("status", "instance"):
            self.refused(503, "absent", "GET", f"/v1/vms/c/{path}")
        self.refused(503, "absent", "POST", "/v1/vms/c/operations", {"operation": "cpu-add"})

    def test_pause(self) -> None:
        # Each line counts what those before it have left.
        self.hold(*PAUSES, "--fault", f"qmp query-status#1-9 {RUNNING}")
        self.assertEqual(self.ask("POST", "/v1/vms/vm/resume"),
                         {"vm": "vm", "status": "running", "changed": False})
        self.refused(409, "'running'", "POST", "/v1/vms/vm/pause")

    def test_metrics(self) -> None:
        self.hold("--cpus", "2")
        self.operate(operation="cpu-add")
        lines = self.ask("GET", "/metrics").splitlines()
        for line in ('vmplug_operations_total{operation="cpu-add",verdict="online"} 1',
                     'vmplug_rung_seconds_count{operation="cpu-add",rung="online"} 1',
                     'vmplug_vms{state="ready"} 1', "vmplug_orphans 0",
                     f"vmplug_memory_online_bytes {256 << 20}"):
            self.assertIn(line, lines)
        names = [line.split(" ")[0] for line in lines if not line.startswith("#")]
        self.assertEqual(len(names), len(set(names)))
        for line in lines:
            self.assertRegex(line, r"^(# (HELP|TYPE) vmplug_\w+ .+|"
                                   r'vmplug_\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? [0-9.e+-]+)$')


    def test_metrics_of_what_others_change(self) -> None:
        """By an operation, or by a command line through the daemon: what there is then is seen."""
        self.hold("--cpus", "2", memory="256Mi")
        self.operate(operation="memory-add", bytes=128 << 20)
        self.await_figure("memory_online_bytes", 384 << 20)
        self.vmplug("qmp", "object-add", json.dumps(
            {"qom-type": "memory-backend-ram", "id": "vmplug-mem-9-backend", "size": 128 << 20}),
            "--qmp", str(self.qmp))
        self.await_figure("orphans", 1)
        self.vmplug("audit", "--clean", "--qmp", str(self.qmp), "--agent", str(self.agent))
        self.await_figure("orphans", 0)
        self.assertIn(f"vmplug_memory_requested_bytes {256 << 20}\n", self.ask("GET", "/metrics"))

    def await_figure(self, name: str, value: int) -> None:
        until = time.monotonic() + SOON
        while f"vmplug_{name} {value}\n" not in self.ask("GET", "/metrics"):
            self.assertLess(time.monotonic(), until, self.ask("GET", "/metrics"))
            time.sleep(0.02)


class Operations(V1Case):
    def test_waited_for(self) -> None:
        self.hold("--cpus", "2", "--max-cpus", "8")
        done = self.operate(operation="cpu-add", count=2)
        self.assertEqual((done["state"], done["verdict"], done["exit_code"]), ("done", "online", 0))
        self.assertEqual([result["verdict"] for result in done["results"]], ["online"] * 2)
        self.assertEqual((done["summary"]["asked"], done["summary"]["done"]), (2, 2))
        self.assertEqual(self.vcpus(), 4)
        self.assertEqual(self.ask("GET", f"/v1/operations/{done['id']}"), done)
        self.assertEqual(self.ask("GET", f"/v1/operations/{done['id']}?wait"), done)
        done = self.operate(operation="cpu-add", count=100)
        self.assertEqual((done["verdict"], done["error"]["code"]), ("partial", "blocked"))

    def test_asynchronous(self) -> None:
        self.hold("--cpus", "2", "--max-cpus", "8")
        ids = []
        for _ in range(3):
            status, begun, headers = self.answer("POST", "/v1/vms/vm/operations",
                                                 {"operation": "cpu-add"})
            self.assertEqual((status, headers["Location"]),
                             (202, f"/v1/operations/{begun['id']}"))
            ids.append(begun["id"])
        done = self.ask("GET", f"/v1/operations/{ids[2]}?wait=true")
        self.assertEqual(done["verdict"], "online")
        listed = self.ask("GET", "/v1/operations?vm=vm")["operations"]
        self.assertEqual([(one["id"], one["state"]) for one in listed],
                         [(identity, "done") for identity in reversed(ids)])
        listed = self.ask("GET", "/v1/operations?limit=1")["operations"]
        self.assertEqual([one["id"] for one in listed], ids[2:])
        self.assertEqual(self.ask("GET", "/v1/operations?vm=other")["operations"], [])
        self.assertEqual(self.vcpus(), 5)

    def test_forgotten(self) -> None:
        """Of those that are done so many are remembered."""
        self.hold()
        first = self.operate(operation="wait", id="x")["id"]
        for _ in range(1000):
            last = self.operate(operation="wait", id="x")["id"]
        self.refused(404, "none any more", "GET", f"/v1/operations/{first}")
        listed = self.ask("GET", "/v1/operations?limit=1000")["operations"]
        self.assertEqual((len(listed), listed[0]["id"]), (1000, last))

    def test_all_kinds(self) -> None:
        """What vmplug can be told by its command line."""
        self.hold("--cpus", "2", "--max-cpus", "8", "--memory", "256M")
        path = str(self.image())
        for change in (
                {"operation": "cpu-set", "count": 3},
                {"operation": "memory-add", "bytes": 128 << 20, "id": "m1", "movable": True},
                {"operation": "memory-remove", "ids": ["m1"]},
                {"operation": "memory-set", "bytes": 384 << 20},
                {"operation": "disk-add", "files": [path], "id": "d1", "serial": "D1"},
                {"operation": "disk-throttle", "id": "d1", "iops": 100},
                {"operation": "disk-resize", "id": "d1", "bytes": 1 << 27},
                {"operation": "disk-remove", "ids": ["d1"]},
                {"operation": "cpu-add", "dry_run": True},
                {"operation": "cpu-add", "wait": "realized", "timeout_ms": 5000},
                {"operation": "cpu-remove", "ids": ["2"]}):
            with self.subTest(change=change):
                done = self.operate(**change)
                self.assertEqual(done["exit_code"], 0, done)
                self.assertEqual(done["request"], change)
        self.assertEqual(self.vcpus(), 3)

    def test_interrupted(self) -> None:
        """The one under way is; the one that waits ends at once; the third goes on."""
        self.hold("--cpus", "2", "--max-cpus", "8", "--guest", "ignores-adds")
        change = {"operation": "cpu-add"}
        ids = [self.ask("POST", "/v1/vms/vm/operations", change, status=202)["id"]
               for _ in range(2)]
        self.assertEqual(self.ask("DELETE", f"/v1/operations/{ids[1]}")["verdict"], "interrupted")
        self.ask("DELETE", f"/v1/operations/{ids[0]}")
        done = self.ask("GET", f"/v1/operations/{ids[0]}?wait=true")
        self.assertEqual(done["verdict"], "interrupted")
        self.refused(409, "ended already", "DELETE", f"/v1/operations/{ids[0]}")

    def test_qemu_goes(self) -> None:
        """Who waits hears of it."""
        daemon = self.hold("--cpus", "2", "--max-cpus", "8", "--fault", "qmp device_add#1 die")
        self.assertEqual(self.operate(operation="cpu-add")["verdict"], "lost")
        self.assertEqual(self.ask("GET", "/v1/vms")["vms"][0]["state"], "absent")
        daemon.process.terminate()
        self.assertEqual(daemon.end(), 0)


class Manifests(V1Case):
    def test_patch(self) -> None:
        self.hold("--cpus", "2", "--max-cpus", "8")
        plan, = self.ask("PATCH", "/v1/vms/vm?dry_run", cpus(4), MERGE_PATCH)["plans"]
        self.assertEqual(plan["operations"][0]["target"], 4)
        self.assertEqual(self.ask("GET", "/v1/vms/vm/plan")["operations"], [])
        answer = self.ask("PATCH", "/v1/vms/vm?wait=true", cpus(4), MERGE_PATCH)
        operation = answer["vms"][0]["operation"]
        self.assertEqual((operation["operation"], operation["exit_code"]), ("patch", 0))
        self.assertEqual([result["verdict"] for result in operation["results"]], ["online"] * 2)
        answer = self.ask("PATCH", "/v1/vms/vm", [{"op": "replace", "value": 3, "path": "/spec/"
                          "template/spec/domain/cpu/sockets"}], JSON_PATCH, status=202)
        identity = answer["vms"][0]["operation"]["id"]
        self.assertEqual(self.ask("GET", f"/v1/operations/{identity}?wait")["exit_code"], 0)
        self.assertEqual(self.vcpus(), 3)
        self.refused(409, "not interrupted", "DELETE", "/v1/operations/"
                     + self.ask("PATCH", "/v1/vms/vm", cpus(4), MERGE_PATCH,
                                status=202)["vms"][0]["operation"]["id"])

    def test_apply(self) -> None:
        """What is new is held from then on; what is there follows; a plan stores nothing."""
        self.hold("--cpus", "2", "--max-cpus", "8")
        text = (self.manifests / "vm.yaml").read_text()
        more = text.replace("sockets: 2", "sockets: 4")
        plan, = self.ask("POST", "/v1/plan", more, YAML)["plans"]
        self.assertEqual(plan["operations"][0]["operation"], "cpu-add")
        self.assertEqual(self.ask("GET", "/v1/vms/vm/plan")["operations"], [])
        other = text.replace("name: vm", "name: other").replace(str(self.qmp), "/no/where")
        answer = self.ask("POST", "/v1/apply?wait", more + "---\n" + other, YAML)
        self.assertEqual([one["name"] for one in answer["stored"]], ["vm", "other"])
        first, second = answer["vms"]
        self.assertEqual(first["operation"]["exit_code"], 0)
        self.assertIsNone(second["operation"])
        self.assertEqual([vm["name"] for vm in self.ask("GET", "/v1/vms")["vms"]], ["other", "vm"])
        self.assertEqual(self.vcpus(), 4)
        self.ask("DELETE", "/v1/vms/other")
        self.refused(404, "'other'", "GET", "/v1/vms/other")

    def test_locked_store(self) -> None:
        """Somebody who stores something at the moment is waited for, and nobody else meanwhile."""
        self.hold("--cpus", "2", "--max-cpus", "8")
        with open(self.directory / "state-home/vmplug/lock", "r+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            waiting = Connection(str(self.api))
            waiting.request("PATCH", "/v1/vms/vm?wait", json.dumps(cpus(3)),
                            {"Content-Type": MERGE_PATCH})
            for _ in range(5):
                self.ask("GET", "/v1/vms/vm/plan")
            self.assertEqual(select.select([waiting.sock], [], [], 0.2)[0], [])
        self.assertEqual(waiting.getresponse().status, 200)
        waiting.close()
        self.assertEqual(self.vcpus(), 3)

    def test_end_while_locked(self) -> None:
        """Who waits for that does not keep the daemon from ending."""
        daemon = self.hold()
        with open(self.directory / "state-home/vmplug/lock", "r+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            client = self.client(b"DELETE /v1/vms/vm HTTP/1.1\r\nHost: x\r\n\r\n")
            self.ask("GET", "/v1/health")
            daemon.process.terminate()
            self.assertIn(b" 503 ", client.recv(4096))
            self.assertEqual(daemon.end(), 0)

    def test_blocked(self) -> None:
        """What can't be had is the operation's verdict, and the VM's condition."""
        self.hold("--cpus", "2", "--max-cpus", "4")
        answer = self.ask("PATCH", "/v1/vms/vm?wait", cpus(9), MERGE_PATCH)
        self.assertEqual(answer["vms"][0]["operation"]["verdict"], "blocked")
        vm, = self.ask("GET", "/v1/vms")["vms"]
        self.assertEqual(vm["conditions"][0]["status"], "False")


if __name__ == "__main__":
    support.main()
