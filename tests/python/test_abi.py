#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The module against the public headers: every number, structure and function is the same."""
from __future__ import annotations

import ctypes
import enum
import os
import re
import subprocess
import sys
import unittest
from typing import Any, Dict, List, Tuple

import support

import vmplug
from vmplug import _abi

HEADERS = support.SOURCE / "include" / "vmplug"

# Of each enum of C, the class, and what its constants' names begin with in C.
ENUMS = {
    "vmplug_error_code": (_abi.ErrorCode, "VMPLUG_ERROR_"),
    "vmplug_ost_kind": (_abi.OstKind, "VMPLUG_OST_"),
    "vmplug_ost_outcome": (_abi.OstOutcome, "VMPLUG_OST_"),
    "vmplug_pump_result": (_abi.PumpResult, "VMPLUG_PUMP_"),
    "vmplug_look_kind": (_abi.Look, "VMPLUG_LOOK_"),
    "vmplug_action": (_abi.Action, "VMPLUG_"),
    "vmplug_level": (_abi.Level, "VMPLUG_LEVEL_"),
    "vmplug_backend": (_abi.Backend, "VMPLUG_BACKEND_"),
    "vmplug_verdict": (_abi.Verdict, "VMPLUG_"),
}
STRUCTS = {
    "vmplug_error": _abi.ErrorStruct,
    "vmplug_qmp_options": _abi.QmpOptions,
    "vmplug_agent_options": _abi.AgentOptions,
    "vmplug_vm_options": _abi.VmOptions,
    "vmplug_request": _abi.Request,
    "vmplug_observer": _abi.Observer,
}
SCALARS: Dict[str, Any] = {
    "int": ctypes.c_int, "unsigned": ctypes.c_uint, "short": ctypes.c_short,
    "double": ctypes.c_double, "size_t": ctypes.c_size_t, "uint32_t": ctypes.c_uint32,
    "int64_t": ctypes.c_int64, "uint64_t": ctypes.c_uint64, "void": None,
    "vmplug_trace_fn*": _abi.TraceFn, "vmplug_reply_fn*": _abi.ToldFn,
    "vmplug_event_fn*": _abi.ToldFn, "vmplug_look_fn*": _abi.LookFn,
    "char*": ctypes.c_char_p,  # const in C, or a buffer; what is handed over is told below
    "void*": ctypes.c_void_p, "char**": ctypes.POINTER(ctypes.c_void_p),
    "size_t*": ctypes.POINTER(ctypes.c_size_t),
}


def declarations() -> str:
    """The headers of the library, without comments and directives, on one line."""
    text = "".join((HEADERS / f"{name}.h").read_text()
                   for name in ("acpi", "agent", "error", "pump", "qmp", "vmm"))
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL)
    text = re.sub(r"^#.*$", "", text, flags=re.MULTILINE)
    return re.sub(r"\s+", " ", text)


def split(parameters: str) -> List[str]:
    """Splits at the commas that are in no brackets."""
    return re.split(r",(?![^(]*\))", parameters)


def ctype(declaration: str) -> Tuple[str, Any]:
    """Of "const char *path": the name, "" when it has none, and the type."""
    declaration = declaration.strip()
    function = re.fullmatch(r"(\w+) \(\*(\w+)\)\((.*)\)", declaration)
    if function is not None:
        arguments: List[Any] = [ctype(each)[1] for each in split(function[3])]
        return function[2], ctypes.CFUNCTYPE(SCALARS[function[1]], *arguments)
    match = re.fullmatch(r"(.*?)(\w*)(\[\w*\])?", declaration)
    assert match is not None
    kind, name, array = match.groups()
    if not kind:  # a type alone
        kind, name = name, ""
    if kind == "const char *const *":
        return name, ctypes.POINTER(ctypes.c_char_p)
    kind = re.sub(r"\bconst\b", "", kind).replace(" ", "")
    pointer = re.fullmatch(r"struct(\w+)(\*+)", kind)
    if pointer is not None:
        known = STRUCTS.get(pointer[1])
        result: Any = ctypes.POINTER(known) if known is not None else ctypes.c_void_p
        return name, ctypes.POINTER(result) if array else result
    if array:
        return name, ctypes.c_char * int(array.strip("[]"))
    return name, SCALARS[kind]


class Abi(unittest.TestCase):
    def test_functions(self) -> None:
        declared: Dict[str, Tuple[Any, List[Any]]] = {}
        for result, name, parameters in re.findall(
                r"VMPLUG_API ([^;]*?)(\w+)\(((?:[^()]|\([^()]*\))*)\);", declarations()):
            kind = ctype(result)[1]
            if kind is ctypes.c_char_p and "const" not in result and name != "vmplug_ost_meaning":
                kind = ctypes.c_void_p  # handed over
            arguments = [] if parameters == "void" else [ctype(each)[1] for each in
                                                         split(parameters)]
            if name == "vmplug_text_free":
                arguments = [ctypes.c_void_p]
            declared[name] = (kind, arguments)
        self.assertGreater(len(declared), 60)
        self.maxDiff = None
        self.assertEqual(declared, _abi.FUNCTIONS)

    def test_numbers(self) -> None:
        declared = re.findall(r"enum (\w+) \{ ([^}]*)\}", declarations())
        self.assertEqual({name for name, _ in declared}, set(ENUMS))
        for name, body in declared:
            numbers: enum.EnumMeta
            numbers, prefix = ENUMS[name]
            constants = {constant[len(prefix):]: int(value)
                         for constant, value in re.findall(r"(\w+) = (\d+)", body)}
            self.assertEqual(len(constants), body.strip(" ,").count(",") + 1, name)
            self.assertEqual(constants, {each.name: each.value for each in numbers}, name)
        self.assertIn(f"VMPLUG_VM_PUMPS_MAX = {_abi.VM_PUMPS_MAX} ", declarations())

    def test_structures(self) -> None:
        declared = dict(re.findall(r"struct (\w+) \{ (.*?) \};", declarations()))
        self.assertEqual(set(declared), set(STRUCTS))
        for name, body in declared.items():
            fields = []
            for line in filter(None, map(str.strip, body.split(";"))):
                for each in split(line):  # "int iops_set, bps_set"
                    kind = line.split(" ", 1)[0]
                    fields.append(ctype(each if " " in each.strip() else f"{kind} {each.strip()}"))
            self.assertEqual(fields, list(STRUCTS[name]._fields_), name)

    def test_words(self) -> None:
        """The library's own words are those of the numbers."""
        for code in _abi.ErrorCode:
            self.assertEqual(_abi.lib.vmplug_error_name(code).decode(), code.name.lower())
        for verdict in _abi.Verdict:
            word = "error" if verdict.name == "FAILED" else verdict.name.lower()
            self.assertEqual(_abi.lib.vmplug_verdict_name(verdict).decode(), word)

        for level in _abi.Level:
            word = "" if level.name == "HIGHEST" else level.name.lower()
            self.assertEqual(_abi.lib.vmplug_level_name(level).decode(), word)

    def test_every_failure_has_a_class(self) -> None:
        """Of the verdicts that are none and the codes, and all of them are exported."""
        from vmplug import _errors

        self.assertEqual(set(_errors._BY_CODE), set(_abi.ErrorCode) - {_abi.ErrorCode.NONE})
        self.assertEqual(set(_errors._BY_VERDICT) | {_abi.Verdict.FAILED}, {
            verdict for verdict in _abi.Verdict
            if not _abi.lib.vmplug_verdict_is_success(verdict)})
        for each in vmplug.Error.__subclasses__():
            self.assertIs(getattr(vmplug, each.__name__), each)
            self.assertIn(each.__name__, vmplug.__all__)

    def test_library_missing(self) -> None:
        run = subprocess.run([sys.executable, "-c", "import vmplug"], capture_output=True,
                             text=True, check=False,
                             env={**os.environ, "VMPLUG_LIBRARY": "/nonexistent.so"})
        self.assertEqual(run.returncode, 1)
        self.assertIn("ImportError: vmplug needs the library libvmplug.so.0", run.stderr)
        self.assertIn("VMPLUG_LIBRARY", run.stderr)

    def test_documented(self) -> None:
        """help(vmplug) has a word on everything."""
        for name in vmplug.__all__:
            thing = getattr(vmplug, name)
            if name not in ("Size", "Socket"):  # mere types
                self.assertTrue((thing.__doc__ or "").strip(), name)
            for member in vars(thing) if isinstance(thing, type) else ():
                method = getattr(thing, member)
                if callable(method) and not member.startswith("_"):
                    self.assertTrue((method.__doc__ or "").strip(), f"{name}.{member}")


if __name__ == "__main__":
    support.main()
