"""Write a network as one ONNX file, and compare it with PyTorch."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sparring.commands.exporting.parity import Parity, check_parity, traced
from sparring.commands.exporting.portable import Portable
from sparring.engine.atomic_io import atomic_replace
from sparring.engine.errors import SparringError, UsageError

OPSET = 20
"""Version of ONNX's operators: ONNX Runtime reads it since 1.17."""


def write_onnx(portable: Portable, path: Path) -> Parity:
    """Write one ONNX file with a dynamic batch; return how far it is from PyTorch.

    Raises UsageError where the packages are missing, SparringError where the export fails or differs from PyTorch.
    """
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401 - torch's exporter needs it
    except ImportError as error:
        raise UsageError(
            f"ONNX files are written with {error.name}, which is missing: pip install 'sparring[export]'"
        ) from None
    with _quiet():
        program = torch.onnx.export(
            traced(portable), dynamo=True, opset_version=OPSET, optimize=True, verbose=False,
            input_names=[port.name for port in portable.inputs], output_names=[portable.output.name],
        )  # fmt: skip
    assert program is not None
    with atomic_replace(path) as temporary:
        proto = program.model_proto
        onnx.helper.set_model_props(
            proto,
            {
                name: value if isinstance(value, str) else json.dumps(value)
                for name, value in portable.metadata().items()
            },
        )
        onnx.checker.check_model(proto, full_check=True)
        onnx.save_model(proto, str(temporary))
        session = onnxruntime.InferenceSession(str(temporary), providers=["CPUExecutionProvider"])
        names = [each.name for each in session.get_inputs()]
        if names != [port.name for port in portable.inputs]:
            raise SparringError(
                f"the ONNX file has the inputs {', '.join(names)}: the exporter dropped or renamed some"
            )

        def outputs(inputs: tuple[Tensor, ...]) -> Tensor:
            values = {name: np.ascontiguousarray(x.numpy()) for name, x in zip(names, inputs, strict=True)}
            return torch.from_numpy(session.run(None, values)[0])

        return check_parity(portable, outputs, "onnxruntime")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's progress and warnings of its own use of PyTorch from the terminal."""
    level = logging.root.manager.disable
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(level)
