"""Translate a traced network to a `Program`, operator by operator (`rules.py`).

What depends on weights alone is computed here, so that the program holds plain constants.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor, fx
from torch.export import ExportedProgram
from torch.utils import _pytree as pytree

from sparring.commands.exporting.program import Program, Value
from sparring.commands.exporting.rules import RULES, Unsupported, name_of, supported
from sparring.engine.errors import UsageError


def lower(traced: ExportedProgram) -> Program:
    """Translate a program of torch.export, traced with a batch of 1; raise UsageError where an operator has no rule."""
    lowering = Lowering(traced.graph_module, Program(), set())
    weights = {**traced.state_dict, **traced.constants}
    nodes = [node for node in traced.graph_module.graph.nodes if node.op == "placeholder"]
    arguments: list[Any] = []
    for spec, node in zip(traced.graph_signature.input_specs, nodes, strict=True):
        if spec.target is not None:
            arguments.append(weights[spec.target].detach())
        else:
            arguments.append(lowering.program.add("input", node.meta["val"].shape))
    with torch.no_grad():
        (output,) = lowering.run(*arguments)
    if lowering.unsupported:
        raise UsageError(
            f"a page cannot run the network's {', '.join(sorted(lowering.unsupported))}. "
            f"It runs {', '.join(supported())}: export to onnx or torch"
        )
    lowering.program.add("reshape", output.shape, [output])  # the output is the last entry
    return lowering.program


class Lowering(fx.Interpreter):
    """An interpreter of a traced graph whose inputs are `Value`s and whose weights are tensors."""

    def __init__(self, graph: fx.GraphModule, program: Program, unsupported: set[str]) -> None:
        super().__init__(graph)
        self.program, self.unsupported = program, unsupported

    def run_node(self, n: fx.Node) -> Any:
        """Compute a node of constants; translate one that depends on the input."""
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        inputs, _ = pytree.tree_flatten((args, kwargs))
        if n.op != "call_function" or not any(isinstance(each, Value) for each in inputs):
            return super().run_node(n)
        if n.target is operator.getitem:
            return args[0][args[1]]
        if "autocast" in str(n.target):  # a part of the graph in another precision, all of which is float32 here
            start = next(k for k, each in enumerate(args) if isinstance(each, fx.GraphModule))
            return Lowering(args[start], self.program, self.unsupported).run(*args[start + 1 :])
        meta = n.meta.get("val")
        shape = tuple(meta.shape) if isinstance(meta, Tensor) else meta
        try:
            if n.target in RULES:
                return RULES[n.target](self.program, shape, *args, **kwargs)
            self.unsupported.add(name_of(n.target))
        except Unsupported as error:
            self.unsupported.add(f"{name_of(n.target)} with {error}")
        return pytree.tree_map(lambda each: Value(-1, tuple(each.shape)), meta)  # go on, to name all of them
