"""Columns of tables that are written, scaled and chosen."""

from __future__ import annotations

import pytest

from tests.static.keras_programs import audited
from tests.static.torch_programs import setup_of

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


def test_rows_that_are_written_are_no_column_of_that_number_alone() -> None:
    setups, codes, _ = audited(TABLE + 'df.loc[df["Time"] > 5, "Amount"] = -1.0\ndata = df["Amount"]' + MODEL)
    assert "AE102" in codes
    assert setups[0].target.values.hull.is_real_line


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


REGRESSION = """
import pandas as pd
import numpy as np
df = pd.read_csv("x.csv")
DATA
net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
opt = torch.optim.Adam(net.parameters())
for _ in range(9):
    loss = nn.MSELoss()(net(x), y)
    opt.zero_grad(); loss.backward(); opt.step()
"""


@pytest.mark.parametrize(
    ("target", "shape"),
    [
        ('df["y"]', (None,)),
        ("df.y", (None,)),
        ('df[["y"]]', (None, 1)),
        ("df.iloc[:, -1]", (None,)),
        ("df.iloc[:, -1:]", (None, None)),
        ('df.pop("y")', (None,)),
        ('df["y"].to_frame()', (None, 1)),
        ('df[df.z > 0]["y"]', (None,)),
        ('df.dropna().sample(frac=1.0)["y"]', (None,)),
        ("df[names]", None),
        ('pd.get_dummies(df["y"])', (None, None)),
    ],
)
def test_a_table_knows_how_many_axes_are_left(target: str, shape: tuple[int | None, ...] | None) -> None:
    data = f'x = torch.tensor(df[["a", "b", "c", "d"]].values)\ny = torch.tensor(({target}).values)'
    assert setup_of(REGRESSION.replace("DATA", data)).target.shape == shape


@pytest.mark.parametrize("options", ["chunksize=10", "header=[0, 1]", "sheet_name=None", "**options"])
def test_a_table_of_another_kind_has_unknown_axes(options: str) -> None:
    data = f'df = pd.read_csv("x.csv", {options})\nx = torch.rand(9, 4)\ny = torch.tensor(df["y"].values)'
    assert setup_of(REGRESSION.replace("DATA", data)).target.shape is None


@pytest.mark.parametrize(
    ("window", "extent"), [("i:i + 7", 7), ("i:7 + i", 7), ("i - 7:i", 7), ("i:j", None), (":i", None)]
)
def test_a_window_is_as_wide_as_its_ends_are_apart(window: str, extent: int | None) -> None:
    data = f"""
values = df[["a"]].values
x, y = [], []
for i in range(7, len(values) - 7):
    x.append(values[i])
    y.append(values[{window}])
x, y = torch.tensor(np.array(x)), torch.tensor(np.array(y))
"""
    assert setup_of(REGRESSION.replace("DATA", data)).target.shape == (None, extent, 1)


def test_a_column_that_was_written_has_its_own_values() -> None:
    written = 'df["a"] = df["a"].clip(0, 7)\ndf.loc[:, "b"] = (df["c"] > 3).astype(int)\ndf = df.dropna()\n'
    chosen = 'x = torch.rand(9, 4)\ny = torch.tensor(df["a"].values)'
    hull = setup_of(REGRESSION.replace("DATA", written + chosen)).target.values.hull
    assert (hull.lo, hull.hi) == (0.0, 7.0)
    chosen = "x = torch.rand(9, 4)\ny = torch.tensor(df.b.values)"
    hull = setup_of(REGRESSION.replace("DATA", written + chosen)).target.values.hull
    assert (hull.lo, hull.hi) == (0.0, 1.0)


@pytest.mark.parametrize(
    "change", ["df = df * 3", "df = df.fillna(99)", 'df.loc[df["b"] > 2, "a"] = 50', "df = df.clip(-5, 5)"]
)
def test_a_column_is_forgotten_where_the_whole_table_changes(change: str) -> None:
    data = f'df["a"] = df["a"].clip(0, 7)\n{change}\nx = torch.rand(9, 4)\ny = torch.tensor(df["a"].values)'
    hull = setup_of(REGRESSION.replace("DATA", data)).target.values.hull
    assert (hull.lo, hull.hi) != (0.0, 7.0)


WINDOWS = """
import numpy as np
import pandas as pd
series = pd.read_csv("load.csv")[["load"]].values
x, y = [], []
for i in range(24, len(series) - 12):
    x.append(series[i - 24:i])
    y.append(series[i:i + 12, 0])
x, y = np.array(x), np.array(y)
net = keras.Sequential([layers.LSTM(8, return_sequences=SEQUENCES, input_shape=(24, 1)), layers.Dense(12)])
net.compile("adam", "mse")
net.fit(x, y)
"""


@pytest.mark.parametrize("sequences", [True, False])
def test_an_output_for_each_step_clashes_with_one_target_for_all(sequences: bool) -> None:
    _, codes, _ = audited(WINDOWS.replace("SEQUENCES", str(sequences)))
    assert ("AE309" in codes) is sequences


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("df[names] = (df[names] - df[names].mean()) / df[names].std()", True),
        ("df.loc[:, names] = StandardScaler().fit_transform(df[names])", True),
        ('df["Time"] = StandardScaler().fit_transform(df[["Time"]])', False),
        ("df[names] = StandardScaler().fit_transform(df[names])\ndf = df * 0.1 + 5", False),
    ],
)
def test_columns_that_were_written_are_chosen_together(written: str, told: bool) -> None:
    """And nothing is known of those of which one was not written, or which were changed since with the whole table."""
    table = TABLE.replace('"card.csv")', '"card.csv"); names = ["Time", "Amount"]')
    _, codes, _ = audited(table + written + "\ndata = df[names].values" + MODEL.replace("30", "2"))
    assert ("AE102" in codes) is told
