//! The commented configuration that new users start from.

/// The text of a configuration that says of every setting what it does.
///
/// It is read as it stands: what is not commented out has its default value, but for the
/// name, the model and the task, which have none.
#[must_use]
pub fn template() -> String {
    include_str!("../../assets/template.toml").to_owned()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::path::Path;

    use super::*;
    use crate::config::{
        EvalConfig, MethodConfig, OutputConfig, RunConfig, TrainConfig, WatchConfig, schema,
    };

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
    fn the_template_is_the_defaults() {
        let config = parse(&template());
        assert_eq!(config.method, MethodConfig::default());
        assert_eq!(config.train, TrainConfig::default());
        assert_eq!(config.eval, EvalConfig::default());
        assert_eq!(config.output, OutputConfig::default());
        assert_eq!(config.watch, WatchConfig::default());
        let model = parse("name = 'a'\nmodel.path = '/m'\ntask.name = 't'\n").model;
        assert_eq!(config.model.dtype, model.dtype);
        assert_eq!(config.model.device, model.device);
        assert_eq!(config.model.pooling, model.pooling);
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

    #[test]
    fn what_is_commented_out_can_be_put_in_force() {
        for (table, line) in settings() {
            let (key, value) = line.split_once(" = ").unwrap();
            let (value, _) = value.split_once("  # ").unwrap();
            let set = format!("{table}.{key}={}", value.trim());
            let set = set.trim_start_matches('.').to_owned();
            let mut sets = vec![set.clone()];
            match set.as_str() {
                s if s.starts_with("task.name") => continue, // instead of what is there
                s if s.starts_with("task.validation_fraction") => continue, // likewise
                s if s.starts_with("task.max_target_length") => {
                    sets.push("task.kind=text-to-text".to_owned());
                    sets.push("task.labels=[]".to_owned());
                }
                s if ["alpha", "targets", "dropout"]
                    .iter()
                    .any(|key| s.starts_with(&format!("method.{key}="))) =>
                {
                    sets.push("method.kind=lora".to_owned());
                }
                _ => {}
            }
            RunConfig::parse(Path::new("run.toml"), &template(), &sets)
                .unwrap_or_else(|error| panic!("{set}: {error}"));
        }
    }
}
