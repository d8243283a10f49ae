"""`lib` needs torch, numpy, scipy and pandas; what draws, downloads or distributes is imported where it is used."""

import subprocess
import sys

HEAVY = (
    "torchvision",
    "sklearn",
    "matplotlib",
    "seaborn",
    "dask",
    "distributed",
    "art",
    "jaxtyping",
    "IPython",
    "statsmodels",
)


def test_lib_imports_nothing_heavy():
    code = (
        "import sys, lib.data, lib.estimators, lib.training, lib.experiments, lib.theory, lib.adversarial\n"
        f"print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert (run.returncode, run.stdout.split(), run.stderr) == (0, [], "")


def test_verdicts_are_read_and_judged_without_torch():
    code = (
        "import sys, lib.verdicts.verdict, lib.verdicts.multiverse\n"
        "print('torch' in sys.modules, 'statsmodels' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert (run.returncode, run.stdout.split(), run.stderr) == (0, ["False", "False"], "")
