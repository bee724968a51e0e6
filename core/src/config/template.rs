//! The commented configuration that new users start from.

use std::path::Path;

use super::RunConfig;
use crate::Result;

/// What messages call a configuration that stands in no file.
const INSIDE: &str = "the first lesson";

/// The text of a configuration that says of every setting what it does: a run that needs
/// no download.
///
/// It is read as it stands. Name, model and task have no default; where another setting
/// that is not commented out differs from its default, its comment says so.
#[must_use]
pub fn template() -> String {
    include_str!("../../assets/template.toml").to_owned()
}

/// The run that the template describes, with `--set` values laid over it.
///
/// # Errors
/// As [`RunConfig::parse`], for what the `--set` values do.
pub fn first_lesson(overrides: &[String]) -> Result<RunConfig> {
    RunConfig::parse(Path::new(INSIDE), &template(), overrides)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::config::{
        EvalConfig, MethodConfig, MethodKind, OutputConfig, TrainConfig, WatchConfig, schema,
    };

    /// What only the tasks of GLUE and SuperGLUE have.
    const BENCHMARK: [&str; 5] = ["source", "split", "data_seed", "prefix", "quirks"];

    fn parse(text: &str) -> RunConfig {
        RunConfig::parse(Path::new("run.toml"), text, &[]).unwrap()
    }

    /// The settings of the template as `(table, line)`, those commented out bare.
    fn settings() -> Vec<(String, String)> {
        let mut table = String::new();
        let mut found = Vec::new();
        for line in template().lines() {
            let bare = line.strip_prefix("# ").unwrap_or(line);
            if let Some(name) = line.strip_prefix('[') {
                name.trim_end_matches(']').clone_into(&mut table);
            } else if bare
                .split_once(" = ")
                .is_some_and(|(key, _)| !key.contains(' '))
            {
                found.push((table.clone(), bare.to_owned()));
            }
        }
        found
    }

    #[test]
    fn what_the_template_sets_is_the_default_or_says_that_it_is_not() {
        let config = parse(&template());
        let mut changed = Vec::new();
        for (table, line) in settings() {
            let (key, _) = line.split_once(" = ").unwrap();
            if line.contains("default ") {
                changed.push(format!("{table}.{key}"));
            }
        }
        assert_eq!(changed, ["method.reduction_factor", "train.learning_rate"]);
        let method = MethodConfig {
            reduction_factor: config.method.reduction_factor,
            ..MethodConfig::default()
        };
        assert_eq!(config.method, method);
        let train = TrainConfig {
            learning_rate: config.train.learning_rate,
            ..TrainConfig::default()
        };
        assert_eq!(config.train, train);
        assert_eq!(config.eval, EvalConfig::default());
        assert_eq!(config.output, OutputConfig::default());
        assert_eq!(config.watch, WatchConfig::default());
        let model = parse("name = 'a'\nmodel.path = '/m'\ntask.name = 't'\n").model;
        assert_eq!(config.model.dtype, model.dtype);
        assert_eq!(config.model.device, model.device);
        assert_eq!(config.model.pooling, model.pooling);
        assert_eq!(config.model.tf32, model.tf32);
        assert_eq!(config.model.cuda_kernels, model.cuda_kernels);
    }

    #[test]
    fn the_template_shows_every_setting_once_and_says_what_it_does() {
        let mut shown: Vec<String> = settings()
            .iter()
            .map(|(table, line)| {
                assert!(line.contains("  # "), "no comment on {line}");
                let (key, _) = line.split_once(" = ").unwrap();
                format!("{table}.{key}").trim_start_matches('.').to_owned()
            })
            .collect();
        shown.sort_unstable();
        let mut known = schema::keys();
        known.sort_unstable();
        assert_eq!(shown, known);
    }

    fn has(kind: MethodKind, key: &str) -> bool {
        let chooses = ["kind", "convention"].contains(&key);
        chooses || kind.settings().contains(&key)
    }

    #[test]
    fn what_is_commented_out_can_be_put_in_force() {
        for (table, line) in settings() {
            let (key, value) = line.split_once(" = ").unwrap();
            let (value, _) = value.split_once("  # ").unwrap();
            let set = format!("{table}.{key}={}", value.trim());
            let set = set.trim_start_matches('.').to_owned();
            let mut text = template();
            let mut sets = vec![set.clone()];
            if table == "task" && BENCHMARK.contains(&key) {
                sets.push("task.name=glue/mnli".to_owned());
            } else if table == "task" && !["name", "max_train_samples", "max_length"].contains(&key)
            {
                // A task of files, instead of the known one.
                text = text.replace("\nname = \"lesson:", "\n# name = \"lesson:");
                let described = [
                    "kind=classification",
                    "train=a.tsv",
                    "text=['s']",
                    "label=l",
                ];
                sets.splice(0..0, described.map(|set| format!("task.{set}")));
            }
            match set.as_str() {
                s if s.starts_with("task.max_target_length") => {
                    sets.push("task.kind=text-to-text".to_owned());
                }
                _ if table == "method" && !has(MethodKind::Compacter, key) => {
                    let mut kinds = MethodKind::ALL.into_iter();
                    let kind = kinds.find(|kind| has(*kind, key)).unwrap();
                    sets.push(format!("method.kind={kind}"));
                    text = text.replace("\nreduction_factor", "\n# reduction_factor");
                }
                _ => {}
            }
            RunConfig::parse(Path::new("run.toml"), &text, &sets)
                .unwrap_or_else(|error| panic!("{set}: {error}"));
        }
    }
}
