import pytest
import torch
from torch import nn

from sparring.engine import device
from sparring.engine.device import Hardware, flags_for, full_precision, memory_available, memory_peak
from sparring.engine.errors import UsageError


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("cpuu", "did you mean 'cpu'"),
        ("gpu", "known|did you mean"),
        ("cuda:x", "unknown device|no CUDA"),
        ("auto:1", "unknown device"),
        ("", "known"),
    ],
)
def test_an_unknown_device(name: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        Hardware.find(name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one here")
def test_cuda_is_missing() -> None:
    with pytest.raises(UsageError, match="--device cpu"):
        Hardware.find("cuda")


def test_a_device_beyond_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(UsageError, match="no device 'cuda:2': torch finds 2"):
        Hardware.find("cuda:2", "fp32")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert Hardware.find("auto", "fp32").device == torch.device("cuda:1")


def test_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="unknown precision 'bf61': did you mean 'bf16'"):
        Hardware.find("cpu", "bf61")
    assert Hardware.find("cpu", "bf16").bf16 and not Hardware.find("cpu", "fp32").bf16
    for has in ({"avx512_bf16": True}, {"amx_bf16": True}, {"avx2": True}, {}):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda has=has: has)
        assert Hardware.find("cpu").bf16 == bool({"avx512_bf16", "amx_bf16"} & has.keys())


@pytest.mark.parametrize("bf16", [False, True])
def test_autocast_and_to_device(bf16: bool) -> None:
    hardware = Hardware(torch.device("cpu"), bf16)
    net = hardware.to_device(nn.Conv2d(3, 4, 3))
    assert net.weight.is_contiguous(memory_format=torch.channels_last) and net.weight.dtype == torch.float32  # type: ignore[operator,union-attr]
    with hardware.autocast():
        assert net(torch.zeros(1, 3, 8, 8)).dtype == (torch.bfloat16 if bf16 else torch.float32)
    assert hardware.describe().endswith("bf16" if bf16 else "fp32") and "thread" in hardware.describe()


def test_a_seed_is_that_of_torch() -> None:
    drawn = []
    with torch.random.fork_rng(devices=[]):
        for seed in (torch.manual_seed, Hardware.find("cpu").seed):
            seed(7)
            drawn.append(torch.rand(5))
    assert torch.equal(*drawn)


def test_memory() -> None:
    available, peak = memory_available(), memory_peak()
    assert available is None or available > 1 << 20
    assert peak is None or 1 << 24 < peak < 1 << 40


def test_memory_where_the_system_does_not_report_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*args: object, **kwargs: object) -> object:
        raise FileNotFoundError

    monkeypatch.setattr(device, "open", missing, raising=False)
    found = memory_available()
    assert found is None or found > 0
    monkeypatch.delattr(device.os, "sysconf", raising=False)
    assert memory_available() is None


def test_full_precision_is_restored() -> None:
    conv = torch.backends.cudnn.conv
    before = conv.fp32_precision
    with pytest.raises(RuntimeError), full_precision():
        assert conv.fp32_precision == "ieee"
        raise RuntimeError
    assert conv.fp32_precision == before


@pytest.mark.parametrize(
    ("auto", "described", "processes", "flags"),
    [
        (("cpu", True), "cpu, 2 threads, bf16", 1, ""), (("cpu", True), "cpu, 2 threads, fp32", 1, " --precision fp32"),
        (("cpu", False), "cpu, 1 thread, bf16", 1, " --precision bf16"),
        (("cuda", True), "cpu, 2 threads, fp32", 1, " --device cpu --precision fp32"),
        (("cuda", True), "cuda:1, NVIDIA A, bf16", 1, " --device cuda:1"),
        (("cuda:0", True), "cuda:0, NVIDIA A, bf16", 2, ""),
        (("cuda", True), "cuda, NVIDIA A, fp32", 1, " --precision fp32"),
        (("cpu", False), "cuda, NVIDIA A, fp32", 1, ""),
    ],
)  # fmt: skip
def test_flags_select_what_was_described(
    auto: tuple[str, bool], described: str, processes: int, flags: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Hardware, "find", lambda: Hardware(torch.device(auto[0]), auto[1]))
    assert flags_for(described, processes) == flags
