"""Routes of processors that are not here: each is chosen, refused, timed and kept as it should be."""

from __future__ import annotations

import json
import re

import pytest
import torch

from lib.processor import Processor
from lib.products import KINDS, MKL, Machine, Routes, choose, refusal, routes

NEW = Processor("AMD EPYC", ("avx2", "avx512f", "avx512_bf16"))
UNKNOWN = Processor("Vendor Z9", ("avx2", "avx512f"))
WITH_AMX = Processor("Intel Xeon", ("avx2", "avx512f", "avx512_bf16", "amx_bf16"))
OLD = Processor("AMD EPYC", ("avx2",))


class Fake(Machine):
    """A machine whose oneDNN has a given error and is so many times as slow as MKL for a layer of so many weights."""

    def __init__(self, processor, error=3e-7, slower=lambda kind, weights: 1.0, switch=True):
        super().__init__(processor)
        self.error, self.slower, self.switch, self.timings = error, slower, switch, 0

    def multiply(self, route, a, b):
        if not self.switch:
            raise RuntimeError("this torch does not let float32 products be sent to oneDNN (no such switch)")
        exact = a.double() @ b.double()
        noise = torch.randn(exact.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        size = self.error if route == "onednn" else 2e-7
        return (exact + size * exact.square().mean().sqrt() * noise).float()

    def seconds(self, route, kind, fan_in, fan_out):
        self.timings += 1
        return {"mkl": 1.0, "transposed": 0.5, "onednn": self.slower(kind, fan_in * fan_out)}[route]


def wide_is_faster(kind, weights):
    return {"forward": 0.5, "down": 0.97, "update": 2.0}[kind] if weights >= 20_000 else 1.5


def test_a_recorded_processor_is_not_timed(tmp_path):
    machine = Fake(NEW)
    chosen, reason = choose(machine, tmp_path)
    assert (reason, machine.timings, list(tmp_path.iterdir())) == (None, 0, [])
    assert [chosen.of("forward", *layer) for layer in ((784, 16), (64, 64), (256, 10), (64, 10))] == [
        "onednn",
        "mkl",
        "transposed",
        "mkl",
    ]
    assert [chosen.of("update", *layer) for layer in ((784, 64), (784, 16), (64, 64))] == ["onednn", "mkl", "mkl"]
    assert {chosen.of(kind, 1024, 1024) for kind in KINDS} == {"onednn"}


@pytest.mark.parametrize(
    ("machine", "reason"),
    [
        (Fake(WITH_AMX, error=3e-3), r"oneDNN's products on Intel Xeon \(.*amx_bf16\) have a relative error of 3e-03"),
        (Fake(NEW, error=2e-6), "have a relative error of 2e-06, more than float32's"),
        (Fake(NEW, error=float("nan")), "have a relative error of nan"),
        (Fake(OLD, error=2e-7), r"products on AMD EPYC \(avx2\) stay with MKL: oneDNN's need AVX-512"),
        (Fake(NEW, switch=False), "this torch does not let float32 products be sent to oneDNN"),
    ],
)
def test_what_may_be_wrong_is_refused_with_the_reason(tmp_path, machine, reason):
    chosen, said = choose(machine, tmp_path)
    assert chosen == Routes(transposed=64 if machine.timings else 128), "MKL's own routes are another matter"
    assert said == refusal(machine)
    assert re.search(reason, said)
    assert (machine.timings > 0) == (machine.processor == WITH_AMX), "an unknown one"


def test_an_unknown_processor_is_timed_once_and_the_times_are_kept(tmp_path):
    first, second = Fake(UNKNOWN, slower=wide_is_faster), Fake(UNKNOWN, slower=lambda kind, weights: 9.0)
    chosen, _ = choose(first, tmp_path / "cache")
    # 3 % faster is not worth a route: the times of another day could say the opposite.
    assert chosen == Routes(forward=50_176, transposed=64)
    assert choose(second, tmp_path / "cache") == (chosen, None)
    assert (first.timings > 0, second.timings) == (True, 0)
    other = Fake(Processor("Vendor Z10", UNKNOWN.instructions))
    other.slower = lambda kind, weights: 0.5
    assert choose(other, tmp_path / "cache")[0] == Routes(12_544, 12_544, 12_544, 64)
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_another_torch_is_timed_again(tmp_path):
    machine = Fake(UNKNOWN, slower=wide_is_faster)
    choose(machine, tmp_path)
    machine.torch, machine.slower = "99.0", lambda kind, weights: 2.0
    assert choose(machine, tmp_path) == (Routes(transposed=64), None)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"null", b'{"routes": {"sideways": 3}}'])
def test_damaged_times_are_measured_again(tmp_path, content):
    chosen, _ = choose(Fake(UNKNOWN, slower=wide_is_faster), tmp_path)
    (kept,) = tmp_path.iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(content)
    assert choose(Fake(UNKNOWN, slower=wide_is_faster), tmp_path) == (chosen, None)
    assert kept.read_bytes() == whole
    assert list(tmp_path.iterdir()) == [kept]


def test_of_two_processes_that_time_at_once_the_first_decides(tmp_path):
    class Late(Fake):
        def seconds(self, *arguments):
            if not self.timings:
                choose(Fake(UNKNOWN, slower=wide_is_faster), tmp_path)
            return super().seconds(*arguments)

    assert choose(Late(UNKNOWN), tmp_path) == (Routes(forward=50_176, transposed=64), None)


def test_where_nothing_can_be_kept_mkl_computes(tmp_path):
    (tmp_path / "file").touch()
    chosen, reason = choose(Fake(UNKNOWN, slower=wide_is_faster), tmp_path / "file" / "folder")
    assert chosen == MKL
    assert "cannot be kept" in reason


def test_a_route_that_loses_at_a_larger_layer_is_not_taken_at_a_smaller_one():
    machine = Fake(UNKNOWN, slower=lambda kind, weights: 2.0 if weights == 65_536 else 0.5)
    assert routes.timed(machine) == Routes(262_144, 262_144, 262_144, 64)


def test_what_torch_may_leave_to_mkl_is_mkls_whatever_the_routes_say():
    everywhere = Routes(1, 1, 1)
    assert {everywhere.of(kind, 64, 64) for kind in KINDS} == {"mkl"}
    assert {everywhere.of(kind, 64, 65) for kind in KINDS} == {"onednn"}


@pytest.mark.parametrize("some", [MKL, Routes(forward=8192), Routes(1, 2, 3, 4)])
def test_a_row_tells_the_routes(some):
    assert Routes.of_description(json.loads(json.dumps(some.described()))) == some


def test_a_row_of_before_routes_were_told_was_computed_by_mkl():
    assert Routes.of_description(None) == MKL


def test_of_routes_that_changed_the_first_are_a_rows():
    by_epoch = {"12": "mkl", "1": {"forward": 8192}}
    assert Routes.of_description(by_epoch) == Routes(forward=8192)


@pytest.mark.parametrize("wrong", ["blas", {"forward": -1}, {"forward": True}, {"sideways": 3}, {"1": "blas"}, 3])
def test_what_describes_no_routes_is_refused(wrong):
    with pytest.raises(ValueError, match="routes must be 'mkl' or like"):
        Routes.of_description(wrong)


def test_this_machine_is_timed_by_products_of_the_right_shapes(one_thread):
    assert all(Machine().seconds("mkl", kind, 20, 30) > 0 for kind in KINDS)
    assert Processor.here().name
