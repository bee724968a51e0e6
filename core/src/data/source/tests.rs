#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;

use super::*;

/// Reads a file of this name and content.
fn read(name: &str, bytes: &[u8]) -> Result<Table> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    Table::read(&path)
}

fn rows(table: &Table) -> Vec<Vec<&str>> {
    let row = |row| (0..table.columns().len()).map(move |column| table.cell(row, column));
    (0..table.rows()).map(|at| row(at).collect()).collect()
}

#[cfg(feature = "parquet")]
fn fixture(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("../tests/fixtures/data").join(name)
}

#[test]
fn tsv_takes_quotes_and_commas_as_they_are() {
    let table = read("a.tsv", b"text\tlabel\n\"it 's , fine\t1\n\t0\n").unwrap();
    assert_eq!(table.columns(), ["text", "label"]);
    assert_eq!(rows(&table), [["\"it 's , fine", "1"], ["", "0"]]);
    assert_eq!((table.line(0), table.line(1)), (2, 3));
}

#[test]
fn csv_quotes_commas_quotes_and_line_ends() {
    let text = b"text,label\n\"a, \"\"b\"\"\nc\",1\nplain,0\n";
    let table = read("a.csv", text).unwrap();
    assert_eq!(rows(&table), [["a, \"b\"\nc", "1"], ["plain", "0"]]);
    // the first row takes lines 2 and 3
    assert_eq!((table.line(0), table.line(1)), (2, 4));
}

#[test]
fn jsonl_keeps_the_first_objects_order_and_writes_scalars_as_text() {
    let text = r#"{"text": "a\tb", "label": 1, "ok": true, "score": 0.5}
{"score": -2, "ok": false, "label": 0, "text": "é 🙂"}
"#;
    let table = read("a.jsonl", text.as_bytes()).unwrap();
    assert_eq!(table.columns(), ["text", "label", "ok", "score"]);
    assert_eq!(
        rows(&table),
        [["a\tb", "1", "true", "0.5"], ["é 🙂", "0", "false", "-2"]]
    );
}

#[test]
fn byte_order_marks_line_ends_of_windows_and_blank_lines_do_not_matter() {
    let plain = read("a.tsv", b"a\tb\n1\t2\n").unwrap();
    for (name, bytes) in [
        ("a.tsv", &b"\xef\xbb\xbfa\tb\r\n1\t2\r\n"[..]),
        ("a.tsv", b"a\tb\n1\t2"),
        ("a.csv", b"\xef\xbb\xbfa,b\r\n1,2\r\n"),
        ("a.TSV", b"a\tb\n1\t2\n"),
        ("a.jsonl", b"\xef\xbb\xbf{\"a\": 1, \"b\": 2}\r\n"),
    ] {
        let table = read(name, bytes).unwrap();
        assert_eq!(table.columns(), plain.columns(), "{name}");
        assert_eq!(rows(&table), rows(&plain), "{name}");
    }
    for (name, bytes) in [
        ("a.tsv", &b"\n\na\tb\n\r\n1\t2\n\n"[..]),
        ("a.csv", b"\n\na,b\n\r\n1,2\n\n"),
    ] {
        let table = read(name, bytes).unwrap();
        assert_eq!(rows(&table), rows(&plain), "{name}");
        assert_eq!(table.line(0), 5, "{name}");
    }
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_reads_text_numbers_and_booleans() {
    for name in ["snappy.parquet", "gzip.parquet"] {
        let table = Table::read(&fixture(name)).unwrap();
        assert_eq!(table.columns(), ["sentence", "label", "score", "ok"]);
        assert_eq!(
            rows(&table),
            [
                ["plain", "0", "0.5", "true"],
                ["with\ttab and\nline", "1", "3", "false"],
                ["Zürich 🙂", "0", "100000000000000000000", "true"],
            ]
        );
        assert_eq!(table.line(2), 3);
    }
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_files_that_hold_more_than_scalars_are_refused() {
    for (name, expected) in [
        ("null.parquet", "null.parquet:2: `sentence` is null"),
        ("nested.parquet", "nested.parquet:1: `label` is a list"),
        ("zstd.parquet", "zstd"),
    ] {
        let message = Table::read(&fixture(name)).unwrap_err().to_string();
        assert!(message.contains(expected), "{name}: {message}");
    }
    let message = read("a.parquet", b"PAR1 nothing").unwrap_err().to_string();
    assert!(message.contains("cannot be read as Parquet"), "{message}");
    let whole = std::fs::read(fixture("gzip.parquet")).unwrap();
    for length in [0, 8, whole.len() / 2, whole.len() - 1] {
        assert!(read("a.parquet", &whole[..length]).is_err(), "{length}");
    }
}

#[cfg(not(feature = "parquet"))]
#[test]
fn parquet_needs_its_feature() {
    let message = read("a.parquet", b"").unwrap_err().to_string();
    assert!(message.contains("feature `parquet`"), "{message}");
}

/// A file's name and content, and what its refusal says.
type Broken<'a> = (&'a str, &'a [u8], &'a str);

fn assert_refused(cases: &[Broken<'_>]) {
    for (name, bytes, expected) in cases {
        let shown = String::from_utf8_lossy(bytes);
        match read(name, bytes) {
            Ok(_) => panic!("{name} {shown:?} was read"),
            Err(error) => {
                let message = error.to_string();
                assert!(message.contains(expected), "{shown:?}: {message}");
            }
        }
    }
}

#[test]
fn broken_tables_are_refused_with_their_line_and_the_reason() {
    assert_refused(&[
        (
            "a.txt",
            b"text\n",
            "a.txt: cannot read `.txt` files; known are .jsonl, .csv, .tsv",
        ),
        ("a.json", b"[]", "cannot read `.json` files"),
        ("data", b"text\n", "no extension says how to read it"),
        ("a.tsv", b"", "a.tsv: is empty"),
        ("a.csv", b"\n\n  \n", "a.csv: is empty"),
        ("a.tsv", b"text\tlabel\n", "a.tsv: has no rows"),
        ("a.csv", b"text,label", "a.csv: has no rows"),
        (
            "a.tsv",
            b"text\tlabel\na\t1\nb\xff\t0\n",
            "a.tsv:3: not UTF-8 (byte 0xff)",
        ),
        (
            "a.csv",
            b"caf\xe9,label\n",
            "a.csv:1: not UTF-8 (byte 0xe9)",
        ),
        ("a.tsv", b"t\0e\0x\0t\0\xfe\xff", "not UTF-8 (byte 0xfe)"),
        (
            "a.tsv",
            b"text\tlabel\na\t1\nb\n",
            "a.tsv:3: expected 2 cells, found 1",
        ),
        (
            "a.tsv",
            b"text\tlabel\na\t1\t2\n",
            "a.tsv:2: expected 2 cells, found 3",
        ),
        (
            "a.csv",
            b"text,label\n\"a\nb\",1\nc,d,e\n",
            "a.csv:4: expected 2 cells, found 3",
        ),
        (
            "a.csv",
            b"text,label\na,1\n\"b,0\nc,1\n",
            "a.csv:3: a quote is not closed",
        ),
        (
            "a.csv",
            b"text,label\n5\" pipe,1\nc,1\n",
            "a.csv:2: a quote is not closed",
        ),
        (
            "a.tsv",
            b"text\tlabel\ttext\n",
            "a.tsv:1: columns 1 and 3 are both named `text`",
        ),
        (
            "a.csv",
            b"\na,a\n1,2\n",
            "a.csv:2: columns 1 and 2 are both named `a`",
        ),
    ]);
}

#[test]
fn broken_objects_are_refused_with_their_line_and_the_reason() {
    assert_refused(&[
        ("a.jsonl", b"\xef\xbb\xbf", "a.jsonl: is empty"),
        ("a.jsonl", b"{\"a\": \"\xc3\"}", "a.jsonl:1: not UTF-8"),
        (
            "a.jsonl",
            b"{\"a\": 1}\n{\"a\": 1,\n",
            "a.jsonl:2: not a JSON object, column",
        ),
        ("a.jsonl", b"[1, 2]\n", "a.jsonl:1: not a JSON object"),
        ("a.jsonl", b"\"text\"\n", "an object such as"),
        (
            "a.jsonl",
            b"{\"a\": 1} {\"a\": 2}\n",
            "a.jsonl:1: not a JSON object, column 10",
        ),
        (
            "a.jsonl",
            b"{\"a\": 1, \"b\": 2}\n\n{\"a\": 1}\n",
            "a.jsonl:3: lacks the key `b`",
        ),
        (
            "a.jsonl",
            b"{\"a\": 1}\n{\"a\": 1, \"c\": 2}\n",
            "a.jsonl:2: has the key `c`",
        ),
        ("a.jsonl", b"{\"a\": 1, \"a\": 2}\n", "both named `a`"),
        (
            "a.jsonl",
            b"{\"a\": 1}\n{\"a\": 1, \"a\": 2}\n",
            "a.jsonl:2: has the key `a` twice",
        ),
        ("a.jsonl", b"{\"a\": [1]}\n", "a.jsonl:1: `a` is an array"),
        (
            "a.jsonl",
            b"{\"a\": {\"b\": 1}}\n",
            "a.jsonl:1: `a` is an object",
        ),
        ("a.jsonl", b"{\"a\": null}\n", "a.jsonl:1: `a` is null"),
        ("a.jsonl", b"{}\n", "a.jsonl:1: has no keys"),
    ]);
}

#[test]
fn files_that_cannot_be_opened_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.tsv");
    let directory = folder.path().join("folder.csv");
    std::fs::create_dir(&directory).unwrap();
    for path in [missing, directory, PathBuf::from("/nowhere/a.jsonl")] {
        let error = Table::read(&path).unwrap_err();
        assert!(matches!(error, Error::Data { .. }), "{error}");
        let name = path.display().to_string();
        assert!(error.to_string().starts_with(&name), "{error}");
    }
}

#[test]
fn a_missing_column_is_named_with_the_nearest_one() {
    let table = read("a.tsv", b"sentence\tlabel\na\t1\n").unwrap();
    assert_eq!(table.column("label", "task.label").unwrap(), 1);
    let message = table
        .column("sentense", "task.text")
        .unwrap_err()
        .to_string();
    let expected = "a.tsv: no column `sentense`, which task.text names \
                    (did you mean `sentence`?); the columns are `sentence`, `label`";
    assert!(message.ends_with(expected), "{message}");
    let message = table
        .column("premise", "task.text")
        .unwrap_err()
        .to_string();
    assert!(!message.contains("did you mean"), "{message}");
}
