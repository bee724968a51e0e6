//! The data checks of the lessons: nothing in them can be learnt from form alone. And the demo.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, HashMap, HashSet};

use super::*;
use crate::Result;
use crate::data::Table;
use crate::event::{Event, History, Kind};

/// No run of four words comes in more than this share of a lesson's examples.
const REPEATED: f64 = 0.01;
/// No two examples of different splits share more than this of their words.
const ALIKE: f64 = 0.6;

struct Row {
    split: String,
    label: String,
    words: Vec<String>,
}

fn rows(lesson: &Lesson) -> Result<Vec<Row>> {
    let table = Table::from_jsonl(lesson.name, lesson.rows)?;
    let column = |name| table.column(name, "task.name");
    let (split, text, label) = (column("split")?, column("text")?, column("label")?);
    let row = |at: usize| Row {
        split: table.cell(at, split).to_owned(),
        label: table.cell(at, label).to_owned(),
        words: words(table.cell(at, text)),
    };
    Ok((0..table.rows()).map(row).collect())
}

fn words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let parts = lower.split(|symbol: char| !symbol.is_alphanumeric() && symbol != '\'');
    let parts = parts.filter(|part| !part.is_empty());
    parts.map(str::to_owned).collect()
}

#[test]
fn lessons_are_balanced_in_every_split() -> Result<()> {
    for lesson in LESSONS {
        let mut counts: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for row in rows(lesson)? {
            let class = lesson.labels.iter().position(|label| *label == row.label);
            let class = class.unwrap_or_else(|| panic!("{}: label {}", lesson.name, row.label));
            let counts = counts.entry(row.split).or_default();
            counts.resize(lesson.labels.len(), 0);
            counts[class] += 1;
        }
        let splits: Vec<&str> = counts.keys().map(String::as_str).collect();
        assert_eq!(splits, ["test", "train", "validation"], "{}", lesson.name);
        for (split, counts) in &counts {
            let same = counts.iter().all(|count| *count == counts[0]);
            assert!(same, "{}, {split}: {counts:?}", lesson.name);
        }
    }
    Ok(())
}

#[test]
fn no_phrase_runs_through_a_lesson() -> Result<()> {
    for lesson in LESSONS {
        let rows = rows(lesson)?;
        let mut seen: HashMap<&[String], usize> = HashMap::new();
        for row in &rows {
            let phrases: HashSet<&[String]> = row.words.windows(4).collect();
            for phrase in phrases {
                *seen.entry(phrase).or_default() += 1;
            }
        }
        let limit = REPEATED * rows.len() as f64;
        let worst = seen.iter().max_by_key(|(_, count)| **count);
        if let Some((phrase, count)) = worst {
            assert!(
                *count as f64 <= limit,
                "{}: {phrase:?} in {count}",
                lesson.name
            );
        }
    }
    Ok(())
}

#[test]
fn no_two_examples_of_different_splits_are_alike() -> Result<()> {
    for lesson in LESSONS {
        let rows = rows(lesson)?;
        let sets: Vec<HashSet<&str>> = rows
            .iter()
            .map(|row| row.words.iter().map(String::as_str).collect())
            .collect();
        for (a, one) in rows.iter().enumerate() {
            for (b, other) in rows.iter().enumerate().take(a) {
                let shared = sets[a].intersection(&sets[b]).count() as f64;
                let all = sets[a].union(&sets[b]).count() as f64;
                let allowed = one.split == other.split || shared <= ALIKE * all;
                assert!(
                    allowed,
                    "{}: {:?} and {:?}",
                    lesson.name, one.words, other.words
                );
            }
        }
    }
    Ok(())
}

#[test]
fn no_text_comes_twice() -> Result<()> {
    for lesson in LESSONS {
        let mut seen = HashSet::new();
        for row in rows(lesson)? {
            assert!(
                seen.insert(row.words.clone()),
                "{}: {:?}",
                lesson.name,
                row.words
            );
        }
    }
    Ok(())
}

#[test]
fn the_demo_is_a_complete_record_with_snapshots() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    std::fs::write(&path, DEMO.unwrap()).unwrap();
    let history = History::read(&path).unwrap();
    assert!(history.finished().is_some());
    let is_snapshot = |event: &&Event| matches!(event.kind, Kind::Factors(_));
    let snapshots = history.events().iter().filter(is_snapshot).count();
    assert!(snapshots >= 10, "{snapshots}");
}
