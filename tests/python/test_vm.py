#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""vmplug.VM against a fake QEMU with a guest in it."""
from __future__ import annotations

import gc
import os
import signal
import time
import unittest
import warnings
from types import FrameType
from typing import Any, Callable, List, Optional

import support
from support import SOON, FakeCase

import vmplug


class Looks(FakeCase):
    def test_looks(self) -> None:
        vm = self.vm("--cpus", "2")
        self.assertEqual(vm.status()["cpus"]["present"], 2)
        self.assertEqual(vm.status()["cpus"]["online"], 2)
        self.assertIs(vm.doctor(timeout=SOON)["can"]["cpu_add"], True)
        self.assertIs(vm.audit()["clean"], True)
        self.assertEqual(vm.qmp("query-status")["status"], "running")
        self.assertEqual(len(vm.agent("guest-get-vcpus")), 2)

    def test_no_agent(self) -> None:
        self.start()
        with vmplug.VM(self.qmp, runtime_dir="") as vm:
            self.assertIsNone(vm.status()["cpus"]["online"])
            with self.assertRaises(vmplug.NotConnected):
                vm.agent("guest-ping")
            result = vm.cpu_add()
            self.assertEqual(result.verdict, "unconfirmed")
            self.assertEqual(result.device.missing, ["agent"])
            with self.assertRaises(vmplug.Unproven):
                vm.cpu_add(wait="online")

    def test_nobody_there(self) -> None:
        with self.assertRaisesRegex(vmplug.NotConnected, "qmp") as raised:
            vmplug.VM(self.qmp)
        self.assertIsNone(raised.exception.result)

    def test_qemu_ends(self) -> None:
        fake = self.start()
        vm = self.open()
        vm.status()
        fake.kill()
        with self.assertRaises(vmplug.Lost):
            vm.status()
        with self.assertRaises(vmplug.Lost):
            vm.cpu_add()

    def test_closed(self) -> None:
        vm = self.vm()
        events = vm.events()
        vm.close()
        vm.close()
        with self.assertRaisesRegex(vmplug.Invalid, "closed"):
            vm.status()
        with self.assertRaisesRegex(vmplug.Invalid, "closed"):
            vm.cpu_add()
        with self.assertRaisesRegex(vmplug.Invalid, "closed"):
            vm.qmp("query-status")
        with self.assertRaises(vmplug.Cancelled):
            next(events)
        events.close()

    def test_forgotten(self) -> None:
        """What nobody holds any more is closed, and said to have been forgotten."""
        fake = self.start()
        with self.assertWarns(ResourceWarning):
            vmplug.VM(self.qmp)
            gc.collect()
        with vmplug.QMP(self.qmp) as qmp:  # which has but one client at a time
            qmp("query-status")
        self.assertIsNone(fake.poll())


class Actions(FakeCase):
    def test_cpus(self) -> None:
        vm = self.vm("--cpus", "1", "--max-cpus", "4")
        result = vm.cpu_add(timeout=SOON)
        self.assertTrue(result.success)
        self.assertEqual((result.verdict, result.id, result.ids),
                         ("online", "vmplug-cpu-1", ["vmplug-cpu-1"]))
        self.assertEqual([stage["stage"] for stage in result.stages],
                         ["accepted", "realized", "acknowledged", "online"])
        self.assertEqual(result.json[0]["operation"], "cpu-add")
        two = vm.cpu_set(3 + 1)
        self.assertEqual((len(two.devices), two.summary["done"]), (2, 2))
        with self.assertRaisesRegex(ValueError, "2 devices"):
            two.id
        self.assertEqual(vm.cpu_remove("vmplug-cpu-2", 3).verdict, "removed")
        self.assertEqual(vm.status()["cpus"]["online"], 2)
        self.assertEqual(vm.cpu_set(2).devices, [])

    def test_memory(self) -> None:
        vm = self.vm("--memory", "256M", "--max-memory", "4G", "--port", "port1")
        self.assertEqual(vm.memory_add("256M", movable=True).id, "vmplug-mem-0")
        self.assertEqual(vm.memory_add(128 << 20, backend="memfd", id="mine").id, "mine")
        self.assertEqual(vm.status()["memory"]["total_bytes"], 640 << 20)
        self.assertEqual(vm.memory_remove("vmplug-mem-0", "mine").verdict, "removed")
        self.assertEqual(vm.memory_set("512MiB").verdict, "online")
        grown = vm.memory_add("1G", kind="virtio-mem")
        self.assertEqual(vm.memory_resize(grown.id, "512M").verdict, "done")
        self.assertEqual(vm.status()["memory"]["online_bytes"], 1 << 30)

    def test_disks(self) -> None:
        vm = self.vm("--cdrom", "cd0")
        disk = vm.disk_add(self.image(), serial="S1", id="data", lun=5, read_only=False)
        self.assertEqual(disk.id, "data")
        (shown,) = vm.status()["disks"]
        self.assertEqual((shown["serial"], shown["lun"]), ("S1", 5))
        self.assertEqual(vm.disk_resize("data", "128M").verdict, "done")
        self.assertEqual(vm.disk_throttle("data", iops=100, bps="1M").verdict, "done")
        several = vm.disk_add(str(self.image("a.raw")), self.image("b.raw"))
        self.assertEqual(several.ids, ["vmplug-disk-0", "vmplug-disk-1"])
        self.assertEqual(vm.disk_remove("data", *several.ids).verdict, "removed")
        self.assertEqual(vm.cdrom_insert("cd0", self.image("cd.iso")).verdict, "done")
        self.assertEqual(vm.cdrom_eject("cd0").verdict, "done")

    def test_options(self) -> None:
        vm = self.vm("--cpus", "1")
        self.assertEqual(vm.cpu_add(wait="realized").verdict, "realized")
        planned = vm.memory_add("256M", dry_run=True)
        self.assertEqual(planned.verdict, "done")
        self.assertIn("device_add", str(planned.json))
        self.assertEqual(vm.status()["memory"]["devices"], [])

    def test_invalid(self) -> None:
        vm = self.vm()
        wrongs: List[Callable[[], object]] = [
            lambda: vm.cpu_add(0), lambda: vm.cpu_set(-1), lambda: vm.cpu_remove(),
            lambda: vm.memory_add("12Q"), lambda: vm.memory_add(1 << 63),
            lambda: vm.memory_add("1G", backend="file"),
            lambda: vm.memory_add("1G", kind="rom"),  # type: ignore[arg-type]
            lambda: vm.cpu_add(wait="highest"),  # type: ignore[arg-type]
            lambda: vm.cpu_add(timeout=0), lambda: vm.status(timeout=-1)]
        for wrong in wrongs:
            with self.assertRaises(vmplug.Invalid):
                wrong()
        with self.assertRaisesRegex(TypeError, "timout"):
            vm.cpu_add(timout=5)  # type: ignore[call-arg]
        self.assertIs(vm.audit()["clean"], True)

    def test_sizes(self) -> None:
        for text, number in (("0", 0), ("7b", 7), ("1k", 1 << 10), ("512M", 512 << 20),
                             ("2GiB", 2 << 30), ("3tb", 3 << 40), ("1P", 1 << 50)):
            self.assertEqual(vmplug.size(text), number)
        for text in ("", "M", "-1", "1.5G", "1iB", "1 G", "1GG", "٣M", "1G\n"):
            with self.assertRaises(vmplug.Invalid, msg=text):
                vmplug.size(text)


class Verdicts(FakeCase):
    def test_blocked(self) -> None:
        vm = self.vm("--cpus", "2", "--max-cpus", "2")
        with self.assertRaises(vmplug.Blocked) as raised:
            vm.cpu_add()
        self.assertIn("maxcpus", raised.exception.fix)
        self.assertIn(raised.exception.fix, str(raised.exception))
        assert raised.exception.result is not None
        self.assertEqual(raised.exception.result.verdict, "blocked")
        with self.assertRaises(vmplug.Blocked):
            vm.wait("nothing")
        self.assertEqual(vm.wait("nothing", check=False).verdict, "blocked")

    def test_rejected(self) -> None:
        vm = self.vm("--fault", "qmp device_add reject GenericError: not today")
        with self.assertRaisesRegex(vmplug.Rejected, "not today") as raised:
            vm.cpu_add()
        self.assertEqual(raised.exception.class_name, "GenericError")
        self.assertIs(vm.audit()["clean"], True)

    def test_refused(self) -> None:
        vm = self.vm("--dimm", "d0=256M", "--guest", "removes=3/0x84,3/0x82")
        with self.assertRaisesRegex(vmplug.Refused, "device busy"):
            vm.memory_remove("d0")
        result = vm.memory_remove("d0", check=False)
        self.assertEqual((result.verdict, result.success), ("refused", False))
        with self.assertRaises(vmplug.Refused):
            result.check()

    def test_unchecked(self) -> None:
        """check=False of the VM is the default of its actions."""
        vm = self.vm("--cpus", "2", "--max-cpus", "2", check=False)
        self.assertEqual(vm.cpu_add().verdict, "blocked")
        with self.assertRaises(vmplug.Blocked):
            vm.cpu_add(check=True)

    def test_pending_and_taken_up(self) -> None:
        self.start("--dimm", "d0=256M", "--guest", "ost-delay=1500")
        run = self.directory / "run"
        with self.open(runtime_dir=run) as vm, self.assertRaises(vmplug.Pending):
            vm.memory_remove("d0", timeout=0.3)
        with self.open(runtime_dir=run) as vm:
            self.assertEqual(vm.wait("d0").verdict, "removed")

    def test_partial(self) -> None:
        vm = self.vm("--cpus", "1", "--fault", "qmp device_add#2 reject no")
        with self.assertRaises(vmplug.Partial) as raised:
            vm.cpu_add(2)
        assert raised.exception.result is not None
        self.assertEqual([each.verdict for each in raised.exception.result.devices],
                         ["online", "rejected"])

    def test_lost(self) -> None:
        vm = self.vm("--fault", "qmp device_add die-after")
        with self.assertRaises(vmplug.Lost) as raised:
            vm.cpu_add()
        assert raised.exception.result is not None
        self.assertEqual(raised.exception.result.verdict, "lost")

    def test_busy(self) -> None:
        self.start()
        with self.open() as holder:
            holder.status()
            with self.open(greeting_timeout=0.2) as vm, self.assertRaises(vmplug.Busy):
                vm.cpu_add()


class Callbacks(FakeCase):
    def test_told(self) -> None:
        vm = self.vm("--cpus", "1", "--max-cpus", "4")
        told: List[str] = []
        result = vm.cpu_add(2, on_stage=lambda device: told.append(device.stages[-1]["stage"]),
                            on_device=lambda device: told.append(device.id))
        stages = ["accepted", "realized", "acknowledged", "online"]
        self.assertEqual(told, [*stages, result.ids[0], *stages, result.ids[1]])

    def test_raises(self) -> None:
        """An exception of a callback ends it, and is raised; what stands is said."""
        self.start("--cpus", "1", "--guest", "online-delay=1500")
        vm = self.open(runtime_dir=self.directory / "run")

        def fail(device: vmplug.Device) -> None:
            raise LookupError(device.id)

        with self.assertRaisesRegex(LookupError, "vmplug-cpu-1") as raised:
            vm.cpu_add(3, on_stage=fail)
        cause = raised.exception.__cause__
        assert isinstance(cause, vmplug.Interrupted) and cause.result is not None
        self.assertEqual(cause.result.verdict, "interrupted")
        self.assertEqual(cause.result.device.left, ["vmplug-cpu-1"])
        self.assertEqual(vm.wait("vmplug-cpu-1").verdict, "online")

    def test_calls(self) -> None:
        """A callback may look at the VM that is being acted on."""
        vm = self.vm("--cpus", "1")
        seen: List[Any] = []
        vm.cpu_add(on_stage=lambda _: seen.append(vm.status()["cpus"]["present"]))
        self.assertEqual(seen[-1], 2)

    def test_closes(self) -> None:
        """Or close it: then it was cancelled."""
        vm = self.vm("--cpus", "1")
        with self.assertRaises(vmplug.Cancelled):
            vm.cpu_add(on_stage=lambda _: vm.close())

    def test_garbage(self) -> None:
        """What C holds is not collected under it."""
        vm = self.vm("--cpus", "1", "--max-cpus", "4")
        threshold = gc.get_threshold()
        gc.set_threshold(1)
        self.addCleanup(gc.set_threshold, *threshold)
        for _ in range(3):
            for number in (4, 1):
                vm.cpu_set(number, on_stage=lambda _: gc.collect())
        self.assertEqual(vm.status()["cpus"]["present"], 1)

    def test_nothing_is_kept(self) -> None:
        """The register of what C may tell is empty again."""
        from vmplug import _pumps

        vm = self.vm("--cpus", "1")
        before = set(_pumps._listeners)
        vm.cpu_add(check=False)
        vm.status()
        vm.qmp("query-status")
        for _ in vm.events(timeout=0.01):
            pass
        vm.qmp("query-status")
        self.assertEqual(set(_pumps._listeners), before)


class Signals(FakeCase):
    def setUp(self) -> None:
        super().setUp()

        def interrupt(number: int, frame: Optional[FrameType]) -> None:
            raise KeyboardInterrupt

        for number in (signal.SIGALRM, signal.SIGINT):  # a background job's SIGINT is ignored
            self.addCleanup(signal.signal, number, signal.signal(number, interrupt))
        self.addCleanup(signal.setitimer, signal.ITIMER_REAL, 0)

    def test_interrupted(self) -> None:
        """In a callback. The guest has been asked, and is not asked to forget it."""
        self.start("--cpus", "1", "--guest", "online-delay=1500")
        vm = self.open(runtime_dir=self.directory / "run")

        def interrupt(device: vmplug.Device) -> None:
            if device.stages[-1]["stage"] == "acknowledged":
                os.kill(os.getpid(), signal.SIGINT)

        with self.assertRaises(KeyboardInterrupt) as raised:
            vm.cpu_add(on_stage=interrupt)
        assert isinstance(raised.exception.__cause__, vmplug.Interrupted)
        self.assertIn("vmplug wait vmplug-cpu-1", raised.exception.__cause__.fix)
        self.assertEqual(vm.wait("vmplug-cpu-1").verdict, "online")

    def test_at_any_time(self) -> None:
        """Whenever it comes, it is raised, once, and nothing is half-done and not named."""
        self.start()
        vm = self.open(runtime_dir=self.directory / "run")
        for number in range(1, 41):
            left: List[str] = []
            with self.assertRaises(KeyboardInterrupt) as raised:
                signal.setitimer(signal.ITIMER_REAL, number * 0.003)
                vm.memory_add("128M", movable=True)
                signal.pause()
            cause = raised.exception.__cause__
            if cause is not None:
                assert isinstance(cause, vmplug.Interrupted) and cause.result is not None
                left = [each for device in cause.result.devices for each in device.left]
            there = [device["id"] for device in vm.status()["memory"]["devices"]]
            if cause is not None:
                self.assertEqual(there, left)
            for id in left:
                self.assertEqual(vm.wait(id).verdict, "online")
            self.assertIs(vm.audit()["clean"], True)
            for id in there:
                vm.memory_remove(id)

    def test_waits_for_c(self) -> None:
        """While C runs no handler does; it does at the end, and what it raises is raised there."""
        from vmplug import _pumps

        reached = 0
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        with self.assertRaises(KeyboardInterrupt):
            with _pumps.Undisturbed():
                os.kill(os.getpid(), signal.SIGALRM)
                reached += 1
            reached += 1
        self.assertEqual(reached, 1)
        self.assertEqual(signal.pthread_sigmask(signal.SIG_BLOCK, ()), before)

    def test_twice(self) -> None:
        """The second one does not wait until it is taken back."""
        vm = self.vm("--fault", "qmp device_add late 3000")
        began = time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, 0.3, 0.3)
        with self.assertRaises(KeyboardInterrupt):
            vm.memory_add("128M")
        signal.setitimer(signal.ITIMER_REAL, 0)
        self.assertLess(time.monotonic() - began, 2)
        self.assertEqual(vm.qmp("query-status")["status"], "running")


class Events(FakeCase):
    def test_events(self) -> None:
        vm = self.vm("--cpus", "1")
        with vm.events() as events:
            vm.cpu_add()
            event = events.wait("ACPI_DEVICE_OST", timeout=SOON)
        self.assertEqual(event.data["info"]["slot-type"], "CPU")
        self.assertEqual(event.json["event"], event.name)
        self.assertLess(abs(event.monotonic_ms - time.monotonic() * 1000), SOON * 1000)
        with self.assertRaises(vmplug.Cancelled):
            next(events)

    def test_none(self) -> None:
        vm = self.vm()
        self.assertEqual(list(vm.events(timeout=0.05)), [])
        with vm.events() as events, self.assertRaises(vmplug.Timeout):
            events.wait("SHUTDOWN", timeout=0.05)

    def test_end(self) -> None:
        fake = self.start()
        vm = self.open()
        vm.status()
        with vm.events() as events:
            fake.kill()
            with self.assertRaises(vmplug.Lost):
                for _ in events:
                    pass


if __name__ == "__main__":
    support.main()
