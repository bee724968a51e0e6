//! The Winograd schemas: whether two spans of a text, which are marked, are one thing.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{mapped, nested};
use crate::Result;
use crate::data::Table;

/// The text with its spans marked.
const MARKED: &str = "marked";

/// The official form, with its spans in an object.
pub(super) fn flat(table: &Table) -> Result<Table> {
    #[derive(Deserialize)]
    struct Target {
        span1_index: usize,
        span1_text: String,
        span2_index: usize,
        span2_text: String,
    }
    let added = ["span1_index", "span1_text", "span2_index", "span2_text"];
    mapped(table, &added, |row, cells| {
        let target: Target = nested(table, row, "target")?;
        cells.insert("span1_index", target.span1_index.to_string());
        cells.insert("span1_text", target.span1_text);
        cells.insert("span2_index", target.span2_index.to_string());
        cells.insert("span2_text", target.span2_text);
        Ok(())
    })
}

pub(super) fn with_marks(table: &Table) -> Result<Table> {
    mapped(table, &[MARKED], |row, cells| {
        let marked = marked(cells).map_err(|what| table.error(table.line(row), what))?;
        cells.insert(MARKED, marked);
        Ok(())
    })
}

/// The text with `* … *` around its first span and `# … #` around its second, as T5 has it.
///
/// A span starts at a word, counted from 0; where the text there is not the span's own
/// (letter case, a full stop), as many words as it has are marked. T5 leaves those unmarked.
fn marked(cells: &BTreeMap<&str, String>) -> Result<String, String> {
    let cell = |name: &str| {
        let cell = cells.get(name).map(String::as_str);
        cell.ok_or_else(|| format!("no column `{name}`, which super_glue/wsc.fixed needs"))
    };
    let text = cell("text")?;
    let mut marks = Vec::new();
    for (index, span, mark) in [
        ("span1_index", "span1_text", "*"),
        ("span2_index", "span2_text", "#"),
    ] {
        let number = cell(index)?;
        let number: usize = number
            .trim()
            .parse()
            .map_err(|_| format!("`{index}` must be the number of a word, found `{number}`"))?;
        let (start, end) = place(text, number, cell(span)?)
            .ok_or_else(|| format!("`{index}` is {number}, but `text` has fewer words"))?;
        marks.extend([(start, format!("{mark} ")), (end, format!(" {mark}"))]);
    }
    // From the end, so that what was put in moves nothing that is still to come.
    marks.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    let mut marked = text.to_owned();
    for (at, mark) in marks {
        marked.insert_str(at, &mark);
    }
    Ok(marked)
}

/// Where a span starts and ends in a text, in bytes.
fn place(text: &str, word: usize, span: &str) -> Option<(usize, usize)> {
    let starts = words(text);
    let (start, _) = *starts.get(word)?;
    if text[start..].starts_with(span) {
        return Some((start, start + span.len()));
    }
    let count = span.split_whitespace().count().max(1);
    let (_, end) = *starts.get(word + count - 1).or(starts.last())?;
    Some((start, end))
}

/// Where the words of a text start and end, in bytes.
fn words(text: &str) -> Vec<(usize, usize)> {
    let mut words = Vec::new();
    let mut from = 0;
    for word in text.split_whitespace() {
        let start = text[from..].find(word).map_or(from, |at| from + at);
        from = start + word.len();
        words.push((start, from));
    }
    words
}
