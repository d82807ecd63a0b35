# SPDX-License-Identifier: MIT
"""A client of vmplugd's /v1 for the tests: each of its answers is held against the document."""
from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any, Dict, Iterator, Optional, Tuple

from openapi import Document
from support import SOON, Connection
from test_vmplugd import Daemon, VmplugdCase

SOURCE = Path(os.environ.get("VMPLUG_SCRIPTS", "../scripts")).parent
DOCUMENT = SOURCE / "doc/vmplugd-openapi.json"


class Events:
    """One that follows /v1/events."""

    def __init__(self, api: str, query: str = "", headers: Optional[Dict[str, str]] = None) -> None:
        self.connection = Connection(api)
        self.connection.request("GET", f"/v1/events{query}", headers=headers or {})
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200, self.answer.read()
        assert self.answer.headers.get_content_type() == "text/event-stream"

    def __iter__(self) -> Iterator[Dict[str, str]]:
        """Each event's fields, that with which the stream greets among them."""
        fields: Dict[str, str] = {}
        for line in self.answer:
            name, colon, value = line.decode().rstrip("\n").partition(": ")
            if colon and name:
                fields[name] = value
            elif not name and fields:
                yield fields
                fields = {}

    def close(self) -> None:
        self.answer.close()
        self.connection.close()


class V1Case(VmplugdCase):
    def setUp(self) -> None:
        super().setUp()
        self.document = Document(DOCUMENT)
        self.environment["VMPLUG_OPENAPI"] = str(DOCUMENT)

    def hold(self, *fake: str, options: Tuple[str, ...] = (), **manifest: Any) -> Daemon:
        """The daemon, that holds the fake as `vm`, which is what its manifest says."""
        self.fake = self.start(*fake)
        self.write(**manifest)
        daemon = self.launch(*options)
        daemon.await_condition("True", "Synchronized")
        return daemon

    def answer(self, method: str, path: str, body: Any = None, content_type: str = "",
               api: Optional[str] = None) -> Tuple[int, Any, Any]:
        """Status, value and headers, all of which the document has."""
        connection = Connection(api or str(self.api))
        if body is not None and not isinstance(body, (str, bytes)):
            body = json.dumps(body)
        headers = {"Content-Type": content_type or "application/json"} if body is not None else {}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        self.assertEqual(answer.getheader("Server"), "vmplugd")
        value = self.document.check_answer(method, path, answer.status, answer.headers, text)
        return answer.status, value, answer.headers

    def ask(self, method: str, path: str, body: Any = None, content_type: str = "",
            status: int = 200) -> Any:
        """The answer's value, if it has this status."""
        got, value, _ = self.answer(method, path, body, content_type)
        self.assertEqual(got, status, value)
        return value

    def refused(self, status: int, words: str, method: str, path: str, body: Any = None,
                content_type: str = "") -> None:
        """An error that says so."""
        error = self.ask(method, path, body, content_type, status)["error"]
        self.assertIn(words, f"{error['code']}: {error['message']}; {error['fix']}")
        self.assertNotIn("\n", error["message"])
        self.assertNotEqual(error["fix"], "", error)

    def operate(self, status: int = 200, **change: Any) -> Any:
        """An operation that is waited for."""
        return self.ask("POST", "/v1/vms/vm/operations?wait=true", change, status=status)

    def events(self, query: str = "", **headers: str) -> Events:
        events = Events(str(self.api), query,
                        {name.replace("_", "-"): value for name, value in headers.items()})
        self.addCleanup(events.close)
        return events

    def client(self, data: bytes = b"") -> socket.socket:
        """One that has said so much, and says no more."""
        client = socket.socket(socket.AF_UNIX)
        self.addCleanup(client.close)
        client.settimeout(SOON)
        client.connect(str(self.api))
        client.sendall(data)
        return client

    def vcpus(self) -> int:
        return sum(cpu["present"] for cpu in self.state()["cpus"])
