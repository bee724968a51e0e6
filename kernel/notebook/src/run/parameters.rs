//! What is trained, group by group, as the run counted it.

use std::path::Path;

use compacter_core::config::MethodConfig;
use compacter_core::event::Group;
use compacter_core::model::ModelShape;
use compacter_core::peft::count::count;
use compacter_core::view::Source;

use crate::error::{NotebookError, Result};
use crate::show::html::{aside, title};
use crate::show::number::grouped;
use crate::show::{Bundle, Cell, Rich, Table};

/// The trained parameters of a run, or of a method on a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameters {
    /// Name of the run, or of the method and the model.
    pub run: String,
    /// Group by group, the task head among them.
    pub groups: Vec<Group>,
    /// Trained parameters without the task head.
    pub trainable: usize,
    /// Parameters of the plain model.
    pub total: usize,
}

impl Parameters {
    /// What a method would train on a model that is known by name, such as `t5-base`: no run
    /// and no weights are needed.
    ///
    /// # Errors
    /// When model, method or a setting is not known, or the method does not fit the model.
    ///
    /// # Examples
    /// ```
    /// use compacter_notebook::prelude::*;
    ///
    /// # fn main() -> Result<()> {
    /// let compacter = Parameters::count("t5-base", "compacter", &["n=12"])?;
    /// assert_eq!(compacter.trainable, 163_392);
    /// # Ok(())
    /// # }
    /// ```
    pub fn count(model: &str, method: &str, settings: &[&str]) -> Result<Self> {
        let shape = ModelShape::named(model)?;
        let overrides: Vec<String> = settings.iter().map(|&text| text.to_owned()).collect();
        let chosen = MethodConfig::of_kind(Path::new(method), method, &overrides)?.resolve()?;
        let count = count(&chosen, &shape)?;
        let named = std::iter::once(&method).chain(settings);
        let named: Vec<&str> = named.copied().collect();
        Ok(Self {
            run: format!("{} on {model}", named.join(", ")),
            groups: count.groups,
            trainable: count.trainable,
            total: count.total,
        })
    }

    pub(super) fn of(source: &Source, path: &Path) -> Result<Self> {
        let view = source.view();
        let started = view.started.as_ref().ok_or_else(|| NotebookError::Ended {
            path: path.to_path_buf(),
            message: "the run has recorded nothing yet".to_owned(),
            hint: "wait until its first step, or look into its run.log".to_owned(),
        })?;
        Ok(Self {
            run: view.name.clone(),
            groups: started.groups.clone(),
            trainable: started.trainable,
            total: started.total,
        })
    }

    /// Trained parameters without the task head, in percent of the plain model's.
    #[must_use]
    pub fn percent(&self) -> f64 {
        self.percent_of(self.trainable)
    }

    fn percent_of(&self, count: usize) -> f64 {
        100.0 * count as f64 / self.total.max(1) as f64
    }

    /// The groups, and in the last row the sum.
    #[must_use]
    pub fn table(&self) -> Table {
        let mut table = Table::new(["group", "formula", "count", "% of model"]);
        let mut push = |name: &str, formula: &str, count: usize| {
            let percent = format!("{:.4}", self.percent_of(count));
            table.push([
                name.into(),
                formula.into(),
                Cell::from(count),
                percent.into(),
            ]);
        };
        for group in &self.groups {
            push(&group.name, &group.formula, group.count);
        }
        push("trained, without task head", "", self.trainable);
        table
    }

    fn sum(&self) -> String {
        format!(
            "{} of {} parameters are trained, {:.4} % (the task head not counted)",
            grouped(self.trainable as u64),
            grouped(self.total as u64),
            self.percent()
        )
    }
}

impl Rich for Parameters {
    fn bundle(&self) -> Bundle {
        let (table, sum) = (self.table(), self.sum());
        let html = title(&self.run) + &table.to_html() + &aside(&sum);
        Bundle::plain(format!("{}\n{}\n{sum}", self.run, table.to_text())).with_html(html)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_method_is_counted_without_a_run() {
        let counted = Parameters::count("t5-base", "compacter++", &[]).unwrap();
        assert_eq!((counted.trainable, counted.total), (104_704, 222_903_552));
        assert!(
            counted
                .bundle()
                .text()
                .starts_with("compacter++ on t5-base\n")
        );
        let own = Parameters::count("t5-base", "compacter", &["n=12", "slow=own"]).unwrap();
        assert!(
            own.run.starts_with("compacter, n=12, slow=own on"),
            "{}",
            own.run
        );
    }

    #[test]
    fn what_is_not_known_is_refused_with_what_is() {
        let refusal = |model, method, settings: &[&str]| {
            Parameters::count(model, method, settings)
                .unwrap_err()
                .to_string()
        };
        assert!(refusal("t5-bass", "compacter", &[]).contains("t5-base"));
        assert!(refusal("t5-base", "compactor", &[]).contains("compacter"));
        assert!(refusal("t5-base", "compacter", &["n=5"]).contains("must divide"));
    }
}
