//! Whether examples fit the model: token ids that it embeds, lengths that it has positions for.
//!
//! Looked at before a run is made, not at the step that comes upon the example.

use std::path::PathBuf;

use super::prepare::Prepared;
use crate::cancel::CancelToken;
use crate::config::UNNAMED;
use crate::data::task::AnswerColumn;
use crate::data::{Example, Table};
use crate::model::Network;
use crate::{Error, Result};

impl Prepared {
    /// Reads the rows of another table, such as one to predict.
    ///
    /// # Errors
    /// Fails if the table lacks a column, a row is not what the task expects or does not
    /// fit the model, and if `cancel` is raised.
    pub fn read(
        &self,
        table: &Table,
        answers: AnswerColumn,
        cancel: &CancelToken,
    ) -> Result<Vec<Example>> {
        let cancelled = || cancel.is_cancelled();
        let examples = self
            .data
            .task
            .read(table, answers, &self.loader(&cancelled))?;
        self.check_fit(&examples)?;
        Ok(examples)
    }

    /// Checks the examples of all splits.
    pub(super) fn check_examples(&self) -> Result<()> {
        let test = self.data.test.as_deref().unwrap_or_default();
        for examples in [&self.data.train[..], &self.data.validation, test] {
            self.check_fit(examples)?;
        }
        Ok(())
    }

    /// Refuses token ids that the model has no embedding for, and inputs longer than it has
    /// positions for.
    fn check_fit(&self, examples: &[Example]) -> Result<()> {
        let rows = self.model.shape.vocab;
        let ids = examples
            .iter()
            .flat_map(|e| e.source.ids.iter().chain(&e.target));
        if let Some(id) = ids.max().filter(|&&id| id as usize >= rows) {
            return Err(Error::Tokenizer {
                path: self.files.location(),
                message: format!(
                    "the tokenizer gives the token id {id}, but the model embeds ids below \
                     {rows}: do tokenizer and weights belong together?"
                ),
            });
        }
        let Network::Bert(encoder) = &self.model.network else {
            return Ok(());
        };
        let room = encoder.longest_input();
        let longest = examples
            .iter()
            .map(|e| e.source.ids.len())
            .max()
            .unwrap_or(0);
        if longest <= room {
            return Ok(());
        }
        Err(Error::Config {
            path: PathBuf::from(UNNAMED),
            place: None,
            field: "task.max_length".to_owned(),
            message: format!(
                "an input has {longest} tokens, but the model has positions for {room}: set it \
                 to {room} or less"
            ),
        })
    }
}
