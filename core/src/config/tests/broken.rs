//! Broken configurations, and the line, column and words of each refusal.

use super::{SMALLEST, parse, refusal};

/// The cases: text, place, field and a part of the message.
const CASES: &str = include_str!("broken.txt");

/// What comes before the lines of a `[task]`.
const TASK: &str = "name = \"a\"\n[model]\npath = \"m\"\n[task]\n";

/// Faults of names and devices, laid over a good configuration from outside.
const SETS: &[(&str, &str, &str)] = &[
    ("train.seed", "", "has no `=`"),
    ("=3", "", "names no field"),
    ("train.=3", "", "names no field"),
    ("train.seed=", "train.seed", "has no value"),
    (
        "train.seed=abc",
        "train.seed",
        "expected a whole number, 0 or more, found the text \"abc\"",
    ),
    ("train.sed=1", "train.sed", "did you mean `seed`?"),
    ("train.learning_rate=0", "train.learning_rate", "above 0"),
    ("name.x=1", "name", "is not a table"),
    ("task.text=[\"a\"", "task.text", "array"),
    ("train=3", "train", "expected a table, found 3"),
    ("name=\"\"", "name", "no name for a folder"),
    ("name=..", "name", "no name for a folder"),
    ("name=a/b", "name", "without '/'"),
    ("name=\"a\\nb\"", "name", "without '\\n'"),
    ("name=-rf", "name", "must not start with `-`"),
    ("name=\" a\"", "name", "must not start or end with a space"),
    (
        "model.device=gpu",
        "model.device",
        "`gpu` is not one of auto, cpu, cuda:0",
    ),
    ("model.device=cuda", "model.device", "`cuda` is not one of"),
    (
        "model.device=cuda:-1",
        "model.device",
        "`cuda:-1` is not one of",
    ),
    (
        "model.dtype=fp16",
        "model.dtype",
        "`fp16` is not one of f32, bf16, f64",
    ),
    ("model.path=\"\"", "model.path", "must not be empty"),
];

/// Reads a case, and says what is wrong with its refusal, if anything.
fn fault(case: &str) -> Option<String> {
    let (head, text) = case.split_once('\n').unwrap();
    let [start, place, field, message] = head.splitn(4, ' ').collect::<Vec<_>>()[..] else {
        panic!("not the head of a case: {head}");
    };
    let start = match start {
        "file" => "",
        "smallest" => SMALLEST,
        "task" => TASK,
        other => panic!("{other} is nothing to lay a text after"),
    };
    let (found, found_field, found_place) = refusal(parse(&format!("{start}{text}"), &[]));
    let found_place =
        found_place.map_or("-".to_owned(), |(line, column)| format!("{line}:{column}"));
    let right = found_place == place
        && found_field == field.trim_matches('-')
        && found.contains(message)
        && found.starts_with("run.toml:")
        && !found.contains('\n');
    (!right).then(|| format!("### {head}\n{text}  gave {found}"))
}

#[test]
fn a_refusal_names_line_column_field_and_fault() {
    let cases: Vec<&str> = CASES.split("### ").skip(1).collect();
    assert!(cases.len() >= 90, "only {} cases were read", cases.len());
    let faults: Vec<String> = cases.into_iter().filter_map(fault).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn an_empty_file_and_one_of_zeros_are_refused() {
    let (found, field, place) = refusal(parse("", &[]));
    assert_eq!((field.as_str(), place), ("name", None), "{found}");
    let (found, _, place) = refusal(parse("\0\0", &[]));
    assert_eq!(place, Some((1, 3)), "{found}");
}

#[test]
fn a_refused_set_names_itself_and_the_field() {
    for &(set, field, message) in SETS {
        let (found, found_field, place) = refusal(parse(SMALLEST, &[set]));
        assert!(found.starts_with(&format!("--set {set}:")), "{found}");
        assert_eq!((found_field.as_str(), place), (field, None), "{found}");
        assert!(found.contains(message), "{found}");
    }
}

#[test]
fn a_set_that_unmasks_a_fault_of_the_file_leaves_the_blame_to_the_file() {
    let text = format!("{SMALLEST}[method]\nn = 4\n");
    let (found, field, place) = refusal(parse(&text, &["method.kind=lora"]));
    assert_eq!(
        (field.as_str(), place),
        ("method.n", Some((7, 1))),
        "{found}"
    );
}

#[test]
fn a_name_of_101_characters_is_too_long_and_of_100_is_not() {
    let named = |letters: usize| parse(SMALLEST, &[&format!("name={}", "ä".repeat(letters))]);
    assert_eq!(named(100).unwrap().name.chars().count(), 100);
    let (found, ..) = refusal(named(101));
    assert!(found.contains("longer than 100"), "{found}");
}
