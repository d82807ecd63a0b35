#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""vmplug.AsyncVM against a fake QEMU."""
from __future__ import annotations

import asyncio
import unittest
from typing import Any, List

import support
from support import SOON, FakeCase

import vmplug


class Async(FakeCase, unittest.IsolatedAsyncioTestCase):
    def machine(self, *arguments: str, **options: Any) -> vmplug.AsyncVM:
        self.start(*arguments)
        return vmplug.AsyncVM(self.qmp, self.agent, runtime_dir=self.directory / "run", **options)

    async def test_together(self) -> None:
        async with self.machine("--cpus", "1", "--max-cpus", "4") as vm:
            told: List[str] = []
            events = vm.events()
            added, status, plain = await asyncio.gather(
                vm.cpu_add(2, on_stage=lambda device: told.append(device.stages[-1]["stage"])),
                vm.status(), vm.qmp("query-status"))
            self.assertEqual(len(await vm.agent("guest-get-vcpus")), 3)
            self.assertEqual(added.verdict, "online")
            self.assertEqual(told.count("online"), 2)
            self.assertEqual(status["cpus"]["max"], 4)
            self.assertTrue(plain["running"])
            self.assertEqual((await vm.status())["cpus"]["online"], 3)
            self.assertIs((await vm.doctor())["can"]["cpu_add"], True)
            self.assertIs((await vm.audit(timeout=SOON))["clean"], True)
            async for event in events:
                if event.name == "ACPI_DEVICE_OST":
                    break
            events.close()

    async def test_verdicts(self) -> None:
        async with self.machine("--cpus", "2", "--max-cpus", "2", check=False) as vm:
            self.assertEqual((await vm.cpu_add()).verdict, "blocked")
            with self.assertRaises(vmplug.Blocked):
                await vm.cpu_add(check=True)
            with self.assertRaises(vmplug.Invalid):
                await vm.cpu_add(timeout=-1)

    async def test_cancelled(self) -> None:
        """A task that runs out of time goes on when what was half-made is taken back, or stands."""
        async with self.machine("--cpus", "1", "--guest", "online-delay=1500") as vm:
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(vm.cpu_add(3), 0.5)
            self.assertEqual((await vm.status())["cpus"]["present"], 2)
            self.assertEqual((await vm.wait("vmplug-cpu-1")).verdict, "online")
            self.assertIs((await vm.audit())["clean"], True)

    async def test_raises(self) -> None:
        async with self.machine("--cpus", "1") as vm:
            with self.assertRaises(ZeroDivisionError):
                await vm.cpu_add(on_stage=lambda _: 1 // 0)
            await vm.status()

    async def test_left_while_running(self) -> None:
        """The end of the block awaits what runs, and its task is told."""
        async with self.machine("--cpus", "1", "--guest", "online-delay=60000") as vm:
            reached = asyncio.Event()
            task = asyncio.ensure_future(vm.cpu_add(3, on_stage=lambda _: reached.set()))
            await reached.wait()
        with self.assertRaises(vmplug.Interrupted):
            await task
        with self.assertRaisesRegex(vmplug.Invalid, "closed"):
            await vm.status()

    async def test_closed_while_running(self) -> None:
        async with self.machine("--cpus", "1", "--guest", "online-delay=60000") as vm:
            task = asyncio.ensure_future(vm.cpu_add())
            look = asyncio.ensure_future(vm.status())
            await vm.qmp("query-status")
            vm.close()
            for each in (task, look):
                with self.assertRaises(vmplug.Cancelled):
                    await each

    async def test_events_time(self) -> None:
        async with self.machine() as vm:
            events = vm.events()
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(events.__anext__(), 0.05)
            await vm.disk_add(self.image())
            await vm.disk_remove("vmplug-disk-0")
            event = await asyncio.wait_for(events.__anext__(), SOON)
            self.assertTrue(event.name)

    async def test_lost(self) -> None:
        async with self.machine("--fault", "qmp device_add die-after") as vm:
            with self.assertRaises(vmplug.Lost):
                await vm.cpu_add()
            with self.assertRaises(vmplug.Lost):
                await vm.qmp("query-status")
            with self.assertRaises(vmplug.Lost):
                vm.events()


if __name__ == "__main__":
    support.main()
