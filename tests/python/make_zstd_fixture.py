"""Writes fixtures/broken/zstd.parquet: sound, but of a compression that is not read.

Needs pyarrow (26.0.1 wrote the committed file), which nothing else here does:

    pip install pyarrow==26.0.1 && python make_zstd_fixture.py
"""

from pathlib import Path

import pyarrow
import pyarrow.parquet

TARGET = Path(__file__).parents[1] / "fixtures" / "broken" / "zstd.parquet"


def main() -> None:
    rows = {"sentence": ["a warm film", "a cold film"] * 8, "label": ["positive", "negative"] * 8}
    TARGET.parent.mkdir(exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.table(rows), TARGET, compression="zstd")


if __name__ == "__main__":
    main()
