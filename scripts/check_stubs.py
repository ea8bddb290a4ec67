"""Compares the stubs of the compiled module with the module itself: the same names, the same arguments."""

import ast
import inspect
import sys
from pathlib import Path

from lodestore import _lodestore

STUBS = Path(__file__).parents[1] / "python/lodestore/_lodestore.pyi"


def of_stub(tree):
    """Names in the stub, each with the names of its arguments; None for what takes none."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.AnnAssign):
            found[node.target.id] = None
        elif isinstance(node, ast.FunctionDef):
            found[node.name] = arguments_of(node)
        elif isinstance(node, ast.ClassDef):
            found[node.name] = None
            for member in node.body:
                if isinstance(member, ast.FunctionDef) and not member.name.startswith("__"):
                    is_property = any(
                        isinstance(mark, ast.Name) and mark.id == "property" for mark in member.decorator_list
                    )
                    found[f"{node.name}.{member.name}"] = None if is_property else arguments_of(member)
    return found


def arguments_of(node):
    return [argument.arg for argument in node.args.args if argument.arg != "self"]


def of_module(module):
    """The same of the module."""
    found = {}
    for name, member in vars(module).items():
        if name.startswith("__") and name != "__version__":
            continue
        found[name] = arguments(member) if inspect.isbuiltin(member) else None
        if inspect.isclass(member):
            for inner in vars(member):
                if not inner.startswith("__"):
                    found[f"{name}.{inner}"] = (
                        arguments(getattr(member, inner)) if callable(getattr(member, inner)) else None
                    )
    return found


def arguments(function):
    return [name for name in inspect.signature(function).parameters if name != "self"]


def main():
    stub, module = of_stub(ast.parse(STUBS.read_text())), of_module(_lodestore)
    faults = [f"missing in the stubs: {name}" for name in sorted(module.keys() - stub.keys())]
    faults += [f"only in the stubs: {name}" for name in sorted(stub.keys() - module.keys())]
    faults += [
        f"{name} takes {module[name]}, the stubs say {stub[name]}"
        for name in sorted(module.keys() & stub.keys())
        if module[name] != stub[name]
    ]
    print("\n".join(faults) or f"the stubs name all {len(module)} names of the module")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
