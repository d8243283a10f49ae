"""The kernel of a chapter: this Python, nobody's personal settings, and nothing left of it when the chapter ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from ipykernel.kernelspec import get_kernel_dict
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import run_sync
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, NotebookExecutionManager, papermill_engines
from traitlets.config import Config

from book.guard import guarded

START_SECONDS = 120
# What one cell may show; the largest of this book shows 2 MB.
OUTPUT_BYTES = 20_000_000
ENGINE = "chapter"


class TooMuchOutput(Exception):
    """A cell showed more than OUTPUT_BYTES."""


class _ThisPython(KernelSpecManager):
    """Knows one kernel, whatever is installed: the Python whose version is in the key, under a guard."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        own = get_kernel_dict()
        return KernelSpec(**own | {"argv": guarded(own["argv"])})


class _GuardedKernel(AsyncKernelManager):
    """Holds the pipe whose closing ends the kernel and whatever the chapter started."""

    def __init__(self, **options: Any) -> None:
        super().__init__(kernel_spec_manager=_ThisPython(), **options)
        self._pipe = -1

    async def _async_launch_kernel(self, kernel_cmd: list[str], **options: Any) -> None:
        end, self._pipe = os.pipe()
        try:
            await super()._async_launch_kernel(kernel_cmd, **options | {"stdin": end})
        finally:
            os.close(end)

    async def _async_kill_kernel(self, restart: bool = False) -> None:
        self._close()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._async_wait(), timeout=5)
        await super()._async_kill_kernel(restart)

    async def _async_cleanup_resources(self, restart: bool = False) -> None:
        self._close()
        await super()._async_cleanup_resources(restart)

    cleanup_resources = _async_cleanup_resources

    def _close(self) -> None:
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1


class _Client(PapermillNotebookClient):
    """Stops a cell that shows too much, and joins what it prints: where a stream is cut depends on the moment."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, kernel_manager_class=_GuardedKernel, **options)
        self._shown = 0

    def process_message(self, msg: dict[str, Any], cell: NotebookNode, cell_index: int) -> NotebookNode | None:
        if msg["msg_type"] not in ("status", "execute_input"):
            self._shown += _size(msg["content"])
            if self._shown > OUTPUT_BYTES:
                self.shutdown_kernel = "immediate"
                return None  # and nothing more is kept, until the next look at the kernel ends the cell
        return super().process_message(msg, cell, cell_index)

    async def _async_check_alive(self) -> None:
        if self._shown > OUTPUT_BYTES:
            raise DeadKernelError
        await super()._async_check_alive()

    async def async_execute_cell(self, cell: NotebookNode, cell_index: int, *rest: Any, **options: Any) -> NotebookNode:
        self._shown = 0
        try:
            return await super().async_execute_cell(cell, cell_index, *rest, **options)
        except DeadKernelError:
            if self._shown > OUTPUT_BYTES:
                raise TooMuchOutput from None
            raise
        finally:
            if cell.cell_type == "code":
                cell.outputs = list(_joined(cell.get("outputs", [])))

    execute_cell = run_sync(async_execute_cell)


class _ChapterEngine(NBClientEngine):
    """papermill's engine with an environment for the kernel and a file for what the kernel writes to the terminal."""

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: NotebookExecutionManager,
        kernel_name: str,
        *,
        environment: Mapping[str, str],
        folder: Path,
        kernel_log: IO[bytes],
        **options: Any,
    ) -> None:
        options = {
            name: value for name, value in options.items() if name in PapermillNotebookClient.class_trait_names()
        }
        # Encrypted TCP where it is available; plain TCP would be announced by a warning in every chapter.
        manager = {"transport_encryption": "auto", "connection_file": str(folder / "kernel.json")}
        client = _Client(
            nb_man,
            kernel_name=kernel_name,
            startup_timeout=START_SECONDS,
            config=Config({"KernelManager": manager}),
            **options,
        )
        # Start-up files, settings and the history of whoever builds are none of the chapter's.
        environment = {name: value for name, value in environment.items() if name != "PYTHONSTARTUP"}
        environment["IPYTHONDIR"] = str(folder / "ipython")
        client.execute(env=environment, stdout=kernel_log, stderr=kernel_log)


papermill_engines.register(ENGINE, _ChapterEngine)


def _size(content: Any) -> int:
    """Return the characters that a message shows."""
    if isinstance(content, str):
        return len(content)
    parts = content.values() if isinstance(content, dict) else content if isinstance(content, list) else ()
    return sum(map(_size, parts))


def _joined(outputs: list[NotebookNode]) -> Iterator[NotebookNode]:
    """Join the pieces of each stream between two other outputs, stdout before stderr."""
    streams: dict[str, NotebookNode] = {}
    for output in outputs:
        if output.output_type != "stream":
            yield from (streams[name] for name in sorted(streams, reverse=True))
            streams = {}
            yield output
        elif output.name in streams:
            streams[output.name].text += output.text
        else:
            streams[output.name] = output
    yield from (streams[name] for name in sorted(streams, reverse=True))
