#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::sweep::Standing;
use crate::sweep::report::tests::{standings, sweep};

fn report() -> Report {
    let mut standings = standings([(0.6, 0.6), (0.5, 0.5), (0.6, 0.61), (0.5, 0.5)]);
    standings[0] = Standing::Open;
    Report::of(&sweep(), &standings)
}

#[test]
fn markdown_tells_values_choice_and_what_is_missing() {
    let all = standings([(0.6, 0.6), (0.5, 0.5), (0.6, 0.61), (0.5, 0.5)]);
    let text = markdown(&Report::of(&sweep(), &all));
    let lines: Vec<&str> = text.lines().take(4).collect();
    assert_eq!(
        lines,
        [
            "| method.kind | train.learning_rate (chosen) | trained | n | metric | test | − full [95 %] |",
            "| --- | --- | --- | --- | --- | --- | --- |",
            "| full | 0.001 | 10 | 3 | accuracy | 0.6201 ± 0.0198 | – |",
            "| compacter | 0.001 | 10 | 3 | accuracy | **0.6301 ± 0.0198** | +0.0100 [+0.0081, +0.0119] |",
        ]
    );
    assert!(!text.contains("Not complete"));
    let partial = markdown(&report());
    assert!(
        partial.contains("Not complete: 1 runs are still to be done."),
        "{partial}"
    );
}

#[test]
fn csv_and_json_lines_hold_every_digit() {
    let table = Table::of(&report());
    let csv = table.csv().unwrap();
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let head = reader.headers().unwrap().clone();
    assert_eq!(head.len(), 2 + MEASURED.len());
    let lines: Vec<Json> = table
        .jsonl()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for (record, line) in reader.records().map(Result::unwrap).zip(&lines) {
        for (name, text) in head.iter().zip(&record) {
            match &line[name] {
                Json::Null => assert_eq!(text, ""),
                Json::Number(number) => {
                    let told: f64 = text.parse().unwrap();
                    assert_eq!(told.to_bits(), number.as_f64().unwrap().to_bits(), "{name}");
                }
                Json::Bool(flag) => assert_eq!(text, flag.to_string()),
                other => assert_eq!(text, other.as_str().unwrap()),
            }
        }
    }
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1]["baseline"], "full");
    assert_eq!(lines[0]["planned"], 3);
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_reads_back_as_the_same_table() {
    use ::parquet::file::reader::{FileReader, SerializedFileReader};
    use ::parquet::record::Field;

    let table = Table::of(&report());
    let bytes = parquet(&table).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.parquet");
    std::fs::write(&path, bytes).unwrap();
    let reader = SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap();
    let rows: Vec<_> = reader
        .get_row_iter(None)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(rows.len(), table.rows.len());
    for (row, cells) in rows.iter().zip(&table.rows) {
        let found = row.get_column_iter().map(|(_, field)| match field {
            Field::Null => Cell::Empty,
            Field::Str(text) => Cell::Text(text.clone()),
            Field::Long(count) => Cell::Count(u64::try_from(*count).unwrap()),
            Field::Double(number) => Cell::Number(*number),
            Field::Bool(flag) => Cell::Flag(*flag),
            other => panic!("{other:?}"),
        });
        assert_eq!(&found.collect::<Vec<_>>(), cells);
    }
}
