# SPDX-License-Identifier: MIT
"""An apply that is ended in the middle of what it says, and a claim for it to apply."""
from __future__ import annotations

import fcntl
import os
import signal
import subprocess

F_SETPIPE_SZ = 1031
PAGE = 4096
SOON = 20

CLAIM = """\
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: {name}}}
spec: {{volumeName: {name}}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {{name: {name}}}
spec: {{local: {{path: {path}}}}}
---
"""


def end_at(message: int, vmplug: str, manifest: str, environment: dict[str, str],
           how: signal.Signals) -> bool:
    """Applies the manifest, and sends the signal at this message. Was there one?"""
    reading, writing = os.pipe()
    # No more than a page fits: it waits for us, and can't be far ahead.
    fcntl.fcntl(writing, F_SETPIPE_SZ, PAGE)
    with subprocess.Popen([vmplug, "apply", "-f", "-", "--trace", f"/dev/fd/{writing}"],
                          env=environment, pass_fds=[writing], text=True, stdin=subprocess.PIPE,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as applying:
        os.close(writing)
        assert applying.stdin is not None
        applying.stdin.write(manifest)
        applying.stdin.close()
        with open(reading, encoding="utf-8") as trace:
            reached = sum(1 for _ in zip(range(message), trace)) == message
            applying.send_signal(how)
            trace.read()
        applying.wait(SOON)
    return reached
