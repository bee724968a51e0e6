//! Rows in a task's own columns, whatever the file calls them and however it nests them.
//!
//! Beside the columns of the task, a table has those that are made of them:
//!
//! | column   | of                  | what                                                |
//! |----------|---------------------|-----------------------------------------------------|
//! | `group`  | `MultiRc`           | which answers belong to one question                |
//! | `marked` | `Wsc`               | the text with `* … *` and `# … #` around its spans  |
//! | `label`  | `Record`            | the right answers, a list in JSON                   |

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::files::{self, Part};
use super::{Benchmark, Column, Layout};
use crate::data::Table;
use crate::data::source::Form;
use crate::{Error, Result};

/// The column of the answer.
pub(super) const LABEL: &str = "label";
/// The column that says which rows belong together.
pub(super) const GROUP: &str = "group";
/// The text with its spans marked.
const MARKED: &str = "marked";
/// The answer of a query that has none (the reference's).
const NO_ANSWER: &str = "<unk>";

/// Reads a part of a task.
pub(super) fn read(entry: &Benchmark, folder: &Path, part: Part) -> Result<Table> {
    let listed = listed(entry);
    let form = Form {
        only: Some(&listed),
        header: match entry.layout {
            Layout::Headless(header) => Some(header),
            _ => None,
        },
        without_short_rows: entry.layout == Layout::ShortRows,
    };
    let paths = files::of(folder, part)?;
    let tables = paths.iter().map(|path| Table::read_as(path, &form));
    let tables: Vec<Table> = tables.collect::<Result<_>>()?;
    let table = match &paths[..] {
        [only] => Table::concatenated(only, tables)?,
        _ => {
            let all = folder.join(format!("{}-*.parquet", part.names()[0]));
            Table::concatenated(&all, tables)?
        }
    };
    let table = prepared(entry, table)?;
    for Column(name, others) in entry.columns {
        if !table.columns().iter().any(|column| column == name) {
            let or = others.iter().map(|other| format!(" or `{other}`"));
            let or: String = or.collect();
            let task = entry.name;
            let there = crate::data::quoted(table.columns());
            let message = format!(
                "no column `{name}`{or}, which {task} needs; of those that it \
                                   can use there are {there}"
            );
            return Err(Error::data(table.path(), None, message));
        }
    }
    Ok(table)
}

/// Every name that a column of use may have.
fn listed(entry: &Benchmark) -> Vec<&'static str> {
    let own = entry
        .columns
        .iter()
        .flat_map(|Column(name, others)| std::iter::once(*name).chain(others.iter().copied()));
    let nested: &[&str] = match entry.layout {
        Layout::MultiRc => &["passage", "idx"],
        Layout::Record => &["qas"],
        Layout::Wsc => &["target"],
        Layout::Plain | Layout::Headless(_) | Layout::ShortRows => &[],
    };
    own.chain(nested.iter().copied()).collect()
}

/// A table with the task's columns, as far as they are there, and those made of them.
pub(super) fn prepared(entry: &Benchmark, table: Table) -> Result<Table> {
    let has = |name: &str| table.columns().iter().any(|column| column == name);
    match entry.layout {
        Layout::Plain | Layout::Headless(_) | Layout::ShortRows => renamed(entry, &table),
        Layout::MultiRc if has("passage") => multirc_nested(&table),
        Layout::MultiRc => multirc(&table, &renamed(entry, &table)?),
        Layout::Record if has("qas") => record_nested(&table),
        Layout::Record => record(&renamed(entry, &table)?),
        Layout::Wsc if has("target") => wsc(&wsc_nested(&table)?),
        Layout::Wsc => wsc(&renamed(entry, &table)?),
    }
}

/// The rows of each group, in the order in which groups come first.
pub(super) fn groups(table: &Table) -> Result<Vec<Vec<usize>>> {
    let column = table.column(GROUP, "task.name")?;
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for row in 0..table.rows() {
        let number = *numbers
            .entry(table.cell(row, column))
            .or_insert(groups.len());
        if number == groups.len() {
            groups.push(Vec::new());
        }
        groups[number].push(row);
    }
    Ok(groups)
}

/// The right answers that a cell holds, at least one.
pub(super) fn answers(cell: &str) -> Result<Vec<String>, String> {
    let mut answers = list(cell)?;
    if answers.is_empty() {
        answers.push(NO_ANSWER.to_owned());
    }
    Ok(answers)
}

/// A list in JSON, or a text that stands for itself.
fn list(cell: &str) -> Result<Vec<String>, String> {
    if !cell.starts_with('[') {
        return Ok(vec![cell.to_owned()]);
    }
    serde_json::from_str(cell).map_err(|error| format!("not a list of texts: {error}"))
}

/// Keeps the task's columns under their own names.
fn renamed(entry: &Benchmark, table: &Table) -> Result<Table> {
    let find = |name: &str| table.columns().iter().position(|column| column == name);
    let mut names = Vec::new();
    let mut from = Vec::new();
    for Column(name, others) in entry.columns {
        let found = find(name).or_else(|| others.iter().find_map(|other| find(other)));
        if let Some(at) = found {
            names.push((*name).to_owned());
            from.push(at);
        }
    }
    let rows = (0..table.rows()).map(|row| {
        let cells = from
            .iter()
            .map(|&column| table.cell(row, column).to_owned());
        Ok((row, vec![cells.collect()]))
    });
    rebuilt(table, names, rows)
}

/// A table of other columns and rows, each of which comes from a row of `table`.
fn rebuilt(
    table: &Table,
    columns: Vec<String>,
    rows: impl Iterator<Item = Result<(usize, Vec<Vec<String>>)>>,
) -> Result<Table> {
    let mut built = Table::with_columns(table.path(), None, columns)?;
    for made in rows {
        let (row, made) = made?;
        for cells in made {
            built.push(table.line(row), cells)?;
        }
    }
    Ok(built)
}

/// The table with some cells of each row changed or added; `change` gets the row by name.
fn mapped(
    table: &Table,
    added: &[&str],
    change: impl Fn(usize, &mut BTreeMap<&str, String>) -> Result<()>,
) -> Result<Table> {
    let names: Vec<&str> = table
        .columns()
        .iter()
        .map(String::as_str)
        .chain(added.iter().copied())
        .collect();
    let rows = (0..table.rows()).map(|row| {
        let own = table.columns().iter().enumerate();
        let mut cells: BTreeMap<&str, String> = own
            .map(|(at, name)| (name.as_str(), table.cell(row, at).to_owned()))
            .collect();
        change(row, &mut cells)?;
        let cells = names
            .iter()
            .map(|name| cells.remove(name).unwrap_or_default());
        Ok((row, vec![cells.collect()]))
    });
    let columns = names.iter().map(|&name| name.to_owned()).collect();
    rebuilt(table, columns, rows)
}

/// A nested value, or what is wrong with it and where.
fn nested<T: DeserializeOwned>(table: &Table, row: usize, column: &str) -> Result<T> {
    let cell = table.cell(row, table.column(column, "task.name")?);
    serde_json::from_str(cell).map_err(|error| {
        let text = error.to_string();
        let what = text
            .split(" at line ")
            .next()
            .unwrap_or_default()
            .to_owned();
        table.error(table.line(row), format!("`{column}`: {what}"))
    })
}

fn owned<const N: usize>(names: [&str; N]) -> Vec<String> {
    names.map(str::to_owned).to_vec()
}

#[derive(Deserialize)]
struct MultiRcPassage {
    text: String,
    questions: Vec<MultiRcQuestion>,
}

#[derive(Deserialize)]
struct MultiRcQuestion {
    question: String,
    answers: Vec<MultiRcAnswer>,
}

#[derive(Deserialize)]
struct MultiRcAnswer {
    text: String,
    label: u8,
}

/// The official form: a row is a paragraph with its questions and their answers.
fn multirc_nested(table: &Table) -> Result<Table> {
    let rows = (0..table.rows()).map(|row| {
        let passage: MultiRcPassage = nested(table, row, "passage")?;
        let mut made = Vec::new();
        for (number, question) in passage.questions.iter().enumerate() {
            for answer in &question.answers {
                made.push(vec![
                    plain(&passage.text),
                    plain(&question.question),
                    plain(&answer.text),
                    answer.label.to_string(),
                    format!("{row} {number}"),
                ]);
            }
        }
        Ok((row, made))
    });
    let columns = owned(["paragraph", "question", "answer", LABEL, GROUP]);
    rebuilt(table, columns, rows)
}

/// The hub's form: a row is an answer; `idx`, where there is one, says of which question.
fn multirc(table: &Table, renamed: &Table) -> Result<Table> {
    #[derive(Deserialize)]
    struct Index {
        paragraph: serde_json::Value,
        question: serde_json::Value,
    }
    let numbered = table.columns().iter().any(|column| column == "idx");
    mapped(renamed, &[GROUP], |row, cells| {
        let index = numbered
            .then(|| nested::<Index>(table, row, "idx"))
            .and_then(Result::ok);
        let group = match index {
            Some(index) => format!("{} {}", index.paragraph, index.question),
            // Elsewhere a question is one by its text.
            None => {
                let text = |name| cells.get(name).cloned().unwrap_or_default();
                format!("{}\n{}", text("paragraph"), text("question"))
            }
        };
        for name in ["paragraph", "question", "answer"] {
            if let Some(text) = cells.get_mut(name) {
                *text = plain(text);
            }
        }
        cells.insert(GROUP, group);
        Ok(())
    })
}

/// A text without its mark-up, as T5 has it.
fn plain(text: &str) -> String {
    text.replace("<br>", " ")
        .replace("<b>", "")
        .replace("</b>", "")
}

#[derive(Deserialize)]
struct RecordPassage {
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
struct RecordQuery {
    query: String,
    #[serde(default)]
    answers: Vec<RecordAnswer>,
}

#[derive(Deserialize)]
struct RecordAnswer {
    text: String,
}

/// The official form: a row is a passage with its queries. Entities and answers are sets of
/// texts, in their order, as on the hub.
fn record_nested(table: &Table) -> Result<Table> {
    let rows = (0..table.rows()).map(|row| {
        let passage: RecordPassage = nested(table, row, "passage")?;
        let queries: Vec<RecordQuery> = nested(table, row, "qas")?;
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
fn record(renamed: &Table) -> Result<Table> {
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

/// The official form, with its spans in an object.
fn wsc_nested(table: &Table) -> Result<Table> {
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

fn wsc(table: &Table) -> Result<Table> {
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
