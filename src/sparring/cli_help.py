"""The help of flags: their docstrings as flowing text, and what an unset one means as its default."""

from __future__ import annotations

import ast
import inspect
import textwrap
from dataclasses import MISSING, Field, fields, is_dataclass
from itertools import pairwise
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from tyro.conf import arg
from tyro.constructors import MISSING_NONPROP, StructConstructorSpec, StructFieldSpec, StructTypeInfo

METAVARS = {int: "INT", float: "FLOAT", str: "NAME"}
UNSET = " None: "
"""What begins the last sentence of a docstring, which explains None."""


def described_flags(info: StructTypeInfo) -> StructConstructorSpec | None:
    """Return the fields of a dataclass with their help; None for other types. A rule of tyro's registry."""
    if not is_dataclass(info.type):
        return None
    docs, types = field_docs(info.type), get_type_hints(info.type, include_extras=True)
    given = None if isinstance(info.default, type) or not is_dataclass(info.default) else info.default
    described = [
        _described(each.name, types[each.name], getattr(given, each.name, _default(each)), docs.get(each.name, ""))
        for each in fields(info.type)
        if each.init
    ]
    return StructConstructorSpec(info.type, tuple(described))


def field_docs(cls: type) -> dict[str, str]:
    """Return the docstring under each field of a class and its bases, on one line."""
    docs = {}
    for each in reversed(cls.__mro__):
        try:
            body = ast.parse(textwrap.dedent(inspect.getsource(each))).body[0]
        except (OSError, TypeError):  # a class without a source, as one that is made at run time
            continue
        for field, doc in pairwise(body.body if isinstance(body, ast.ClassDef) else ()):
            match field, doc:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    docs[name] = " ".join(text.split())
    return docs


def _described(name: str, kind: Any, default: Any, doc: str) -> StructFieldSpec:
    """Return one field. The last sentence `None: ...` of its docstring becomes its default in words."""
    text, _, unset = doc.partition(UNSET)
    alternatives = () if get_origin(kind) is Annotated else (get_args(kind) or (kind,))
    if plain := [each for each in alternatives if each in METAVARS]:
        words = unset.removesuffix(".") if default is None else "none" if default == "" else ""
        hint = f"(default: {words})" if words else None
        kind = Annotated[kind, arg(metavar=METAVARS[plain[0]], help_behavior_hint=hint)]
    return StructFieldSpec(name, kind, default, text or None)


def _default(field: Field[Any]) -> Any:
    """Return the default of a dataclass's field; tyro's mark where it has none."""
    if field.default_factory is not MISSING:
        return field.default_factory()
    return MISSING_NONPROP if field.default is MISSING else field.default
