"""The processor that this process runs on: its name, and the instructions that decide how fast products are."""

from __future__ import annotations

import platform
from dataclasses import dataclass

# What tells the kernels of the libraries apart; a virtual machine may hide the model behind a family's name.
_TELLING = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")


@dataclass(frozen=True)
class Processor:
    """Describe a processor.

    Attributes:
        name: the model as the system tells it, such as "AMD EPYC".
        instructions: those of avx2, avx512f, avx512_bf16 and amx_bf16 that it has.
    """

    name: str
    instructions: tuple[str, ...]

    @classmethod
    def here(cls) -> Processor:
        """Return the processor of this machine; where the system does not tell, without instructions."""
        try:
            with open("/proc/cpuinfo", encoding="utf-8") as file:
                lines = dict(line.split(":", 1) for line in file.read().splitlines() if ":" in line)
        except OSError:
            lines = {}
        told = {name.strip(): value.strip() for name, value in lines.items()}
        flags = told.get("flags", "").split()
        name = told.get("model name") or platform.processor() or platform.machine()
        return cls(name, tuple(flag for flag in _TELLING if flag in flags))

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(self.instructions) or 'no vector instructions known'})"
