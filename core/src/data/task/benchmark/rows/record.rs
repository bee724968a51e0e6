//! `ReCoRD`: queries about a passage, whose answers are some of its entities.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{LABEL, list, mapped, nested, owned, rebuilt};
use crate::Result;
use crate::data::Table;

#[derive(Deserialize)]
struct Passage {
    text: String,
    entities: Vec<Span>,
}

/// Characters of a text, both ends included.
#[derive(Deserialize)]
struct Span {
    start: usize,
    end: usize,
}

#[derive(Deserialize)]
struct Query {
    query: String,
    #[serde(default)]
    answers: Vec<Answer>,
}

#[derive(Deserialize)]
struct Answer {
    text: String,
}

/// The official form: a row is a passage with its queries. Entities and answers are sets of
/// texts, in their order, as on the hub.
pub(super) fn official(table: &Table) -> Result<Table> {
    let rows = (0..table.rows()).map(|row| {
        let passage: Passage = nested(table, row, "passage")?;
        let queries: Vec<Query> = nested(table, row, "qas")?;
        let text = |span: &Span| -> String {
            let length = (span.end + 1).saturating_sub(span.start);
            passage.text.chars().skip(span.start).take(length).collect()
        };
        let entities: BTreeSet<String> = passage.entities.iter().map(text).collect();
        let entities: Vec<String> = entities.into_iter().collect();
        let made = queries.into_iter().map(|query| {
            let answers: BTreeSet<String> = query.answers.into_iter().map(|a| a.text).collect();
            let answers = serde_json::Value::from(answers.into_iter().collect::<Vec<_>>());
            vec![
                without_highlights(&passage.text),
                query.query,
                entities.join(", "),
                answers.to_string(),
            ]
        });
        Ok((row, made.collect()))
    });
    rebuilt(table, owned(["passage", "query", "entities", LABEL]), rows)
}

/// The hub's form: a row is a query.
pub(super) fn hub(renamed: &Table) -> Result<Table> {
    mapped(renamed, &[], |row, cells| {
        if let Some(passage) = cells.get_mut("passage") {
            *passage = without_highlights(passage);
        }
        if let Some(entities) = cells.get_mut("entities") {
            let refused = |what| renamed.error(renamed.line(row), format!("`entities`: {what}"));
            *entities = list(entities).map_err(refused)?.join(", ");
        }
        Ok(())
    })
}

/// A passage whose highlights are sentences of it, as T5 has it.
fn without_highlights(passage: &str) -> String {
    let mut parts = passage.split("\n@highlight\n");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text += if text.ends_with(['.', '?', '!', '"', '\'']) {
            " "
        } else {
            ". "
        };
        text += part;
    }
    text
}
