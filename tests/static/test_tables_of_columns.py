"""Columns of tables that are written, scaled and chosen."""

from __future__ import annotations

import pytest

from tests.static.keras_programs import audited

MODEL = """
ae = keras.Sequential([keras.Input((30,)), layers.Dense(8, "relu"), layers.Dense(30, "sigmoid")])
ae.compile("adam", "mse")
ae.fit(data, data)
"""
TABLE = """
import pandas as pd
from sklearn.preprocessing import StandardScaler
df = pd.read_csv("card.csv")
"""


@pytest.mark.parametrize(
    "written",
    [
        'df[["Time", "Amount"]] = StandardScaler().fit_transform(df[["Time", "Amount"]])',
        'names = ["Time", "Amount"]\ndf[names] = StandardScaler().fit_transform(df[names])',
        'df.loc[:, "Amount"] = StandardScaler().fit_transform(df[["Amount"]])',
        'df.loc[:, ["Time", "Amount"]] = StandardScaler().fit_transform(df[["Time", "Amount"]])',
        "df[df.columns] = StandardScaler().fit_transform(df)",
    ],
)
@pytest.mark.parametrize("chosen", ["data = df", 'data = df.drop("Class", axis=1)'])
def test_a_scaled_column_reaches_below_zero(written: str, chosen: str) -> None:
    _, codes, _ = audited(TABLE + written + "\n" + chosen + MODEL)
    assert "AE102" in codes


@pytest.mark.parametrize(
    "chosen", ['data = df.drop(["Time", "Amount"], axis=1)', 'data = df.drop(columns=["Amount", "Time"])']
)
def test_other_columns_of_a_table_are_not_known(chosen: str) -> None:
    written = 'df[["Time", "Amount"]] = StandardScaler().fit_transform(df[["Time", "Amount"]])\n'
    _, codes, undecided = audited(TABLE + written + chosen + MODEL)
    assert "AE102" not in codes
    assert "target range" in {one.what for one in undecided}


def test_rows_that_are_written_are_no_column() -> None:
    _, codes, _ = audited(TABLE + 'df.loc[df["Time"] > 5, "Amount"] = -1.0\ndata = df["Amount"]' + MODEL)
    assert "AE102" not in codes


@pytest.mark.parametrize(
    "made",
    [
        "DataFrameMapper([(list(df.columns), StandardScaler())])",
        'DataFrameMapper([(["a"], StandardScaler()), (["b"], None)])',
        'ColumnTransformer([("s", StandardScaler(), ["a"])], remainder="passthrough")',
        'make_column_transformer((StandardScaler(), ["a", "b"]))',
    ],
)
def test_columns_that_a_transformer_scales(made: str) -> None:
    imports = "from sklearn_pandas import DataFrameMapper\n"
    imports += "from sklearn.compose import ColumnTransformer, make_column_transformer\n"
    _, codes, _ = audited(TABLE + imports + f"data = {made}.fit_transform(df)" + MODEL)
    assert "AE102" in codes


def test_columns_that_are_all_scaled_to_the_unit_interval() -> None:
    imports = "from sklearn.compose import ColumnTransformer\nfrom sklearn.preprocessing import MinMaxScaler\n"
    made = 'ColumnTransformer([("s", MinMaxScaler(), ["a"]), ("t", MinMaxScaler(), ["b"])])'
    setups, codes, undecided = audited(TABLE + imports + f"data = {made}.fit_transform(df)" + MODEL)
    assert (setups[0].target.values.hull.lo, setups[0].target.values.hull.hi) == (0.0, 1.0)
    assert not codes
    assert not undecided
