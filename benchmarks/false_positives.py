"""False-positive rates of the primary test and of the tests it replaces, as a Markdown table.

    PYTHONPATH=workflow .venv/bin/python benchmarks/false_positives.py [SIMULATIONS]

No effect anywhere, so 5 % is what a test at the 5 % level should find. Noise as in `evidence/simulate.py`.
"""

from __future__ import annotations

import sys

from globalmask.evidence.simulate import markdown, table

if __name__ == "__main__":
    print(markdown(table(number=int(sys.argv[1]) if len(sys.argv) > 1 else 20_000, seed=2022)))
