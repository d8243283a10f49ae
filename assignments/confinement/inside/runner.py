"""The submission's process: runs cells and answers questions, one JSON line each, until its input ends.

It holds no test, no expected value and no score, so that a submission that rewrites it changes only its own answers.
Run as a file with `python -I`: of the folder around it, nothing can be imported but `wire`, and of the submission's
folder nothing at all.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import sys
from typing import Any

_SHOWN = 50_000  # characters of one text output
_PICTURE = 2_000_000  # bytes of one picture


class TimeLimit(BaseException):
    """A cell or an answer took longer than it may; no `except Exception` of a submission holds it."""


def main(library: str) -> None:
    """Serve requests; `library` is the folder of `lib`, which comes before everything else that is installed."""
    requests, replies = _channels()
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import wire  # noqa: F401  # from here on found among the modules that are loaded

    sys.path[0] = library
    shell = _shell()
    signal.signal(signal.SIGALRM, _expire)
    served = os.getpid()
    _reply(replies, {"ready": True})
    for line in requests:
        request = json.loads(line)
        serve = _run if "cell" in request else _answer
        reply = serve(shell, request)
        if os.getpid() != served:
            os._exit(0)  # a fork that the submission made serves nobody
        _reply(replies, {"id": request["id"], **reply})


def _channels() -> tuple[Any, Any]:
    """Keep the two pipes for this file, and give the submission an empty input and outputs that lead nowhere."""
    requests = os.fdopen(os.dup(0), "r", encoding="utf-8")
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    return requests, replies


def _shell() -> Any:
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    from IPython.core.history import HistoryManager
    from IPython.core.interactiveshell import InteractiveShell

    HistoryManager.enabled = False
    return InteractiveShell.instance(colors="nocolor", xmode="Context")


def _expire(*_: object) -> None:
    raise TimeLimit


def _run(shell: Any, request: dict[str, Any]) -> dict[str, Any]:
    from IPython.utils.capture import capture_output

    captured, error, seconds = None, None, request["seconds"]
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        with capture_output() as captured:
            result = shell.run_cell(request["cell"], store_history=False)
        signal.setitimer(signal.ITIMER_REAL, 0)
        failed = result.error_before_exec or result.error_in_exec
        error = None if failed is None else {"name": type(failed).__name__, "text": str(failed)[:_SHOWN]}
    except TimeLimit:
        error = {"name": "TimeLimit", "text": f"stopped after {seconds:.3g} s"}
    except BaseException as failure:  # the submission may have broken the shell itself
        error = {"name": type(failure).__name__, "text": str(failure)[:_SHOWN]}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    if error and error["name"] == "TimeLimit":
        error["text"] = f"stopped after {seconds:.3g} s"
    return {"outputs": _outputs(captured), "error": error}


def _outputs(captured: Any) -> list[dict[str, str]]:
    found = []
    try:
        if captured.stdout:
            found.append({"text": captured.stdout[:_SHOWN]})
        for output in captured.outputs:
            picture = output.data.get("image/png")
            if isinstance(picture, bytes):
                picture = base64.b64encode(picture).decode()
            if picture and len(picture) <= _PICTURE:
                found.append({"png": picture})
            elif "text/plain" in output.data:
                found.append({"text": output.data["text/plain"][:_SHOWN] + "\n"})
    except Exception:  # outputs are the submission's own to break
        pass
    return found


def _answer(shell: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Call a function of the submission, or return the value of a name; the answer is the value or the error's name."""
    import wire
    from IPython.utils.capture import capture_output

    try:
        signal.setitimer(signal.ITIMER_REAL, request["seconds"])
        with capture_output():
            value = shell.user_ns[request["ask"]]
            if request["arguments"] is not None:
                value = value(*wire.decode(request["arguments"]))
        return {"value": wire.encode(value)}
    except BaseException as failure:
        return {"error": type(failure).__name__}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _reply(replies: Any, content: dict[str, Any]) -> None:
    replies.write(json.dumps(content) + "\n")
    replies.flush()


if __name__ == "__main__":
    main(sys.argv[1])
