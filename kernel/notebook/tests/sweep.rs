//! A sweep from a cell. Its program is the caller's to name, as in `process.rs`.
#![expect(clippy::unwrap_used, reason = "tests")]

mod lab;

use std::fs;
use std::io::{self, Write};

use compacter_notebook::run::sweep;
use lab::{Lab, sent, until};
use serde_json::Value;

#[test]
fn a_sweep_fills_its_table_while_it_goes_on_and_is_found_again() {
    let lab = Lab::new();
    let text = fs::read_to_string(lab.path("run.toml")).unwrap();
    let runs = Value::from(lab.path("runs").display().to_string());
    let text = text.replace(
        "name = \"tiny\"",
        &format!("name = \"grid\"\noutput.directory = {runs}"),
    );
    let grid = "[grid]\nmethod.n = [2, 4]\ntrain.seed = [1, 2]\n";
    let file = lab.path("sweep.toml");

    // Refused here, before any process.
    fs::write(&file, format!("{text}{grid}")).unwrap();
    let refused = sweep(&file).unwrap_err().to_string();
    assert!(refused.contains("task.test: is missing"), "{refused}");

    if std::env::var_os("COMPACTER_PROGRAM").is_none() {
        let text = "skipped: set COMPACTER_PROGRAM to a `compacter` built from this tree\n";
        io::stderr().write_all(text.as_bytes()).unwrap();
        return;
    }
    fs::copy(lab.path("validation.tsv"), lab.path("test.tsv")).unwrap();
    let text = text
        .replace("validation = ", "test = \"test.tsv\"\nvalidation = ")
        .replace("epochs = 30", "epochs = 1");
    fs::write(&file, format!("{text}{grid}")).unwrap();
    let sweeping = sweep(&file).unwrap();
    let report = sweeping.wait().unwrap();
    assert_eq!((report.tally.measured, report.rows.len()), (4, 2));
    assert_eq!(
        sweeping.table().unwrap().column("method.n").unwrap(),
        [2.0, 4.0]
    );
    assert!(sweeping.folder().join("table.csv").exists());
    let shown = |what: &str| {
        sent().iter().any(|m| {
            m["data"]["text/plain"]
                .as_str()
                .is_some_and(|text| text.contains(what))
        })
    };
    until("the whole table", || shown("4 of 4 runs measured"));
    assert!(shown("0 of 4 runs measured"));

    // Nothing is left to do: no process is started.
    let again = sweep(&file).unwrap();
    assert!(!again.is_running().unwrap());
    assert_eq!(again.wait().unwrap(), report);
}
