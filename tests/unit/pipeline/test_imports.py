"""A run starts without pandas, which pyarrow would load where it is installed."""

from __future__ import annotations

import subprocess
import sys


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_pyarrow_and_its_datasets_are_loaded_without_pandas():
    code = (
        "import sys; from dativo_dagster.pipeline.imports import spare_pandas; spare_pandas(); import pyarrow.dataset"
    )
    code += "; print('pandas' in sys.modules, any(type(f).__name__ == '_NoPandas' for f in sys.meta_path))"
    assert run(code) == "False False\n"


def test_pandas_works_afterwards_for_whoever_wants_it():
    code = "from dativo_dagster.pipeline.imports import spare_pandas; spare_pandas(); import pyarrow as pa"
    assert run(code + "; print(pa.table({'x': [1, 2]}).to_pandas().x.sum())") == "3\n"
    assert run(code + "; import pandas as pd; print(pa.Table.from_pandas(pd.DataFrame({'x': [1]})).num_rows)") == "1\n"
