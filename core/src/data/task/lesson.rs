//! Tasks that the program carries inside itself.

use std::path::PathBuf;

use super::{AnswerColumn, Loader, Plan, Task, TaskData, choose};
use crate::Result;
use crate::config::{TaskConfig, TaskKind};
use crate::data::{Table, config as refuse};
use crate::embedded::{self, Lesson};

/// What the name of a lesson starts with.
const PREFIX: &str = "lesson:";
/// The key that says which split a row belongs to.
const SPLIT: &str = "split";

/// The lesson of a task's name.
pub(super) fn find(name: &str) -> Result<&'static Lesson> {
    let known: Vec<&str> = embedded::LESSONS.iter().map(|lesson| lesson.name).collect();
    let Some(lesson) = name.strip_prefix(PREFIX) else {
        let message = format!(
            "no task is named `{name}`; known are lessons (lesson:{}) and GLUE and SuperGLUE \
             (glue/rte, super_glue/boolq): describe files with task.kind, task.train, \
             task.text and task.label instead",
            known.first().unwrap_or(&"…")
        );
        return Err(refuse("task.name", message));
    };
    let found = embedded::LESSONS.iter().find(|known| known.name == lesson);
    found.ok_or_else(|| refuse("task.name", embedded::unknown("lesson", lesson, &known)))
}

impl TaskData {
    /// The examples of a lesson in its own splits.
    pub(super) fn of_lesson(
        lesson: &Lesson,
        config: &TaskConfig,
        seed: u64,
        loader: &Loader<'_>,
    ) -> Result<Self> {
        let name = format!("{PREFIX}{}", lesson.name);
        let table = Table::from_jsonl(&name, lesson.rows)?;
        let described = described(lesson, config);
        let plan = Plan::new(&described, loader.form)?;
        let held_out = plan.held_out;
        let task = Task::new(plan, &described.labels, &table, loader)?;
        let column = table.column(SPLIT, "task.name")?;
        let rows = |split: &str| -> Vec<usize> {
            let all = 0..table.rows();
            all.filter(|&row| table.cell(row, column) == split)
                .collect()
        };
        let all = |rows: &[usize]| task.examples(&table, rows, AnswerColumn::Needed, loader);
        let train = rows("train");
        let chosen = choose(train.len(), seed, held_out, config.max_train_samples)?.train;
        let train: Vec<usize> = chosen.into_iter().map(|at| train[at]).collect();
        Ok(Self {
            train: all(&train)?,
            validation: all(&rows("validation"))?,
            test: Some(all(&rows("test"))?),
            task,
        })
    }
}

/// A lesson as a configuration would describe it, had it files.
fn described(lesson: &Lesson, config: &TaskConfig) -> TaskConfig {
    let inside = || Some(PathBuf::from(format!("{PREFIX}{}", lesson.name)));
    TaskConfig {
        kind: Some(TaskKind::Classification),
        train: inside(),
        validation: inside(),
        text: vec!["text".to_owned()],
        // The lesson's own words, as a person would say them.
        template: Some("{text}".to_owned()),
        label: Some("label".to_owned()),
        labels: lesson
            .labels
            .iter()
            .map(|&label| label.to_owned())
            .collect(),
        max_length: config.max_length,
        max_target_length: config.max_target_length,
        ..TaskConfig::default()
    }
}

#[cfg(all(test, feature = "embedded"))]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::path::Path;

    use super::*;
    use crate::data::{InputForm, Tokenizer};

    fn load(name: &str, limit: Option<usize>) -> Result<TaskData> {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/tokenizers");
        let tokenizer = Tokenizer::load(&fixtures.join("t5-tiny"))?;
        let loader = Loader {
            tokenizer: &tokenizer,
            form: InputForm::EncoderDecoder,
            cancelled: &|| false,
        };
        let config = TaskConfig {
            name: Some(name.to_owned()),
            max_train_samples: limit,
            ..TaskConfig::default()
        };
        TaskData::load(&config, 1, &loader)
    }

    #[test]
    fn a_lesson_has_its_splits_labels_and_answers() {
        let data = load("lesson:sentiment", None).unwrap();
        assert_eq!(data.task.labels(), ["negative", "positive"]);
        let sizes = (
            data.train.len(),
            data.validation.len(),
            data.test.unwrap().len(),
        );
        assert_eq!(sizes, (800, 240, 240));
        assert!(data.train.iter().all(|example| example.target.len() > 1));
    }

    #[test]
    fn a_lesson_can_be_cut_short() {
        assert_eq!(load("lesson:order", Some(16)).unwrap().train.len(), 16);
    }

    #[test]
    fn a_name_that_nobody_knows_is_refused_with_those_there_are() {
        for (name, part) in [
            ("lesson:irony", "sentiment, order"),
            ("irony", "lesson:sentiment"),
        ] {
            let message = load(name, None).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
    }
}
