//! `compacter params`: counts as scripts read them, and every row of the paper's tables.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use compacter_core::config::MethodKind;
use compacter_tests::program::{self, Finished};
use compacter_tests::said::{self, json, keys};
use serde_json::Value;

fn compacter(arguments: &[&str]) -> Finished {
    said::compacter(Path::new("."), arguments)
}

fn printed(arguments: &[&str]) -> String {
    said::printed(Path::new("."), arguments)
}

#[test]
fn params_counts_in_closed_form_and_in_no_time() {
    let started = Instant::now();
    let full = ["params", "--model", "t5-base", "--method", "full", "--json"];
    let count = json(&printed(&full));
    assert!(
        started.elapsed() < Duration::from_secs(1),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(
        keys(&count),
        ["groups", "method", "model", "percent", "total", "trainable"]
    );
    assert_eq!(keys(&count["groups"][0]), ["count", "formula", "name"]);
    assert_eq!(
        (&count["model"], &count["method"]),
        (&"t5-base".into(), &"full".into())
    );
    assert_eq!(count["trainable"], 222_903_552);
    assert_eq!(count["total"], 222_903_552);
    assert_eq!(count["percent"], 100.0);
    let groups = count["groups"].as_array().unwrap();
    let sum: u64 = groups
        .iter()
        .map(|group| group["count"].as_u64().unwrap())
        .sum();
    assert_eq!(sum, 222_903_552);

    let authors = json(&printed(&[&full[..], &["--vocab", "32100"]].concat()));
    assert_eq!(authors["total"], 222_882_048);
}

#[test]
fn params_knows_folders_heads_and_fields_of_the_method() {
    let folder = program::workspace().join("tests/fixtures/tiny/model");
    let model = folder.to_str().unwrap().to_owned();
    let count = |more: &[&str]| {
        let first = [
            "params",
            "--model",
            &model,
            "--json",
            "--method",
            "compacter",
        ];
        json(&printed(&[&first[..], more].concat()))
    };
    let plain = count(&["--set", "reduction_factor=4"]);
    let with_head = count(&["--set", "reduction_factor=4", "--outputs", "2"]);
    assert_eq!(plain["trainable"], with_head["trainable"]);
    let head = with_head["groups"].as_array().unwrap().last().unwrap();
    assert_eq!(head["count"], 2 * 32 + 2);
    let ranks = count(&["--set", "reduction_factor=4", "--set", "rank=2"]);
    assert!(ranks["trainable"].as_u64() > plain["trainable"].as_u64());
}

#[test]
fn params_lists_all_methods() {
    let all = ["params", "--model", "t5-base", "--all"];
    let table = printed(&all);
    let listed = json(&printed(&[&all[..], &["--json"]].concat()));
    let listed = listed.as_array().unwrap();
    let names: Vec<&str> = listed
        .iter()
        .map(|row| row["method"].as_str().unwrap())
        .collect();
    for name in &names {
        assert!(table.lines().any(|line| line.starts_with(name)), "{table}");
    }
    assert!(table.contains("222,903,552"), "{table}");
    let kinds = MethodKind::ALL.into_iter().map(MethodKind::as_str);
    let kinds: BTreeSet<&str> = kinds.filter(|kind| *kind != "head").collect();
    assert_eq!(names.into_iter().collect::<BTreeSet<_>>(), kinds);
}

/// What `params --all` says of a method of the paper, by name and division.
fn all(more: &[&str]) -> BTreeMap<String, Value> {
    let asked = [&["params", "--all", "--json", "--model"][..], more].concat();
    let listed = json(&printed(&asked));
    let named = |row: &Value| {
        let name = row["method"].as_str().unwrap();
        let name = match row["n"].as_u64() {
            Some(n) => format!("{name} {n}"),
            None => name.to_owned(),
        };
        (name, row.clone())
    };
    listed.as_array().unwrap().iter().map(named).collect()
}

#[test]
fn params_counts_every_row_of_the_paper_exactly() {
    let rows = all(&["t5-base"]);
    for (name, trainable, percent) in [
        ("adapter", 1_855_104, 0.832),
        ("pfeiffer", 951_360, 0.427),
        ("adapterdrop", 1_101_984, 0.494),
        ("low-rank", 161_664, 0.0725),
        ("phm 4", 534_144, 0.240),
        ("phm 8", 355_968, 0.160),
        ("phm 12", 398_976, 0.179),
        ("compacter 4", 161_728, 0.0726),
        ("compacter 8", 162_176, 0.0728),
        ("compacter 12", 163_392, 0.0733),
        ("compacter++ 4", 104_704, 0.0470),
        ("compacter++ 8", 105_152, 0.0472),
        ("compacter++ 12", 106_368, 0.0477),
        ("bitfit", 280_960, 0.126),
        ("prompt", 76_800, 0.0345),
        ("prompt-vocab", 76_800, 0.0345),
        ("said", 20_000, 0.0090),
    ] {
        assert_eq!(rows[name]["trainable"], trainable, "{name}");
        let found = rows[name]["percent"].as_f64().unwrap();
        assert!((found - percent).abs() < 5e-4, "{name}: {found}");
    }
    for (factor, adapter, pfeiffer, drop, compacter, plus) in [
        (16, 3_625_728, 1_836_672, 2_134_848, 165_184, 106_432),
        (8, 7_166_976, 3_607_296, 4_200_576, 172_096, 109_888),
    ] {
        let set = format!("reduction_factor={factor}");
        let rows = all(&["t5-base", "--set", &set]);
        for (name, trainable) in [
            ("adapter", adapter),
            ("pfeiffer", pfeiffer),
            ("adapterdrop", drop),
            ("compacter 4", compacter),
            ("compacter++ 4", plus),
        ] {
            assert_eq!(rows[name]["trainable"], trainable, "{name} {factor}");
        }
    }
    let authors = all(&["t5-base", "--vocab", "32100"]);
    assert_eq!(authors["full"]["trainable"], 222_882_048);
    assert_eq!(authors["bitfit"]["trainable"], 280_932);
}

#[test]
fn params_says_where_a_division_does_not_divide() {
    // Bottlenecks of 16: 12 does not divide them.
    let rows = all(&["t5-small"]);
    for (name, trainable) in [
        ("adapter", 422_272),
        ("pfeiffer", 219_328),
        ("low-rank", 54_400),
        ("phm 4", 130_432),
        ("compacter 4", 54_464),
        ("compacter++ 4", 35_456),
        ("bitfit", 115_072),
        ("prompt", 51_200),
        ("said", 20_000),
    ] {
        assert_eq!(rows[name]["trainable"], trainable, "{name}");
    }
    for name in ["phm 12", "compacter 12", "compacter++ 12"] {
        assert!(rows[name]["trainable"].is_null(), "{name}");
        let reason = rows[name]["reason"].as_str().unwrap();
        assert!(reason.contains("n = 12 must divide"), "{reason}");
    }
    let table = printed(&["params", "--all", "--model", "t5-small"]);
    let line = table
        .lines()
        .find(|line| line.starts_with("compacter n=12"));
    assert!(line.unwrap().trim_end().ends_with("n/a"), "{table}");

    let unknown = ["params", "--all", "--model", "t5-small", "--set", "depth=3"];
    let refused = compacter(&unknown).expect_code(2);
    assert!(refused.stderr.contains("depth"), "{}", refused.stderr);
}
