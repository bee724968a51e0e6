//! `MultiRC`: answers of questions of paragraphs.

use serde::Deserialize;

use super::{GROUP, LABEL, mapped, nested, owned, rebuilt};
use crate::Result;
use crate::data::Table;

#[derive(Deserialize)]
struct Passage {
    text: String,
    questions: Vec<Question>,
}

#[derive(Deserialize)]
struct Question {
    question: String,
    answers: Vec<Answer>,
}

#[derive(Deserialize)]
struct Answer {
    text: String,
    label: u8,
}

/// The official form: a row is a paragraph with its questions and their answers.
pub(super) fn official(table: &Table) -> Result<Table> {
    let rows = (0..table.rows()).map(|row| {
        let passage: Passage = nested(table, row, "passage")?;
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
pub(super) fn hub(table: &Table, renamed: &Table) -> Result<Table> {
    #[derive(Deserialize)]
    struct Index {
        paragraph: serde_json::Value,
        question: serde_json::Value,
    }
    let idx = table.columns().iter().position(|column| column == "idx");
    let numbered = |row| idx.is_some_and(|idx| table.cell(row, idx).starts_with('{'));
    mapped(renamed, &[GROUP], |row, cells| {
        let group = if numbered(row) {
            let index: Index = nested(table, row, "idx")?;
            format!("{} {}", index.paragraph, index.question)
        } else {
            // Elsewhere a question is one by its text.
            let text = |name| cells.get(name).cloned().unwrap_or_default();
            format!("{}\n{}", text("paragraph"), text("question"))
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
