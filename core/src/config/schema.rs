//! The JSON schema of a configuration, generated from its types.
//!
//! Editors complete and check configurations with it. `core/assets/config.schema.json`
//! is a copy for those who have no program to ask; a test keeps it equal.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::RunConfig;

/// The JSON schema (draft 7) of a configuration file.
#[must_use]
pub fn json_schema() -> Value {
    // Editors' TOML plug-ins read draft 7, and follow references badly.
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    settings
        .into_generator()
        .into_root_schema_for::<RunConfig>()
        .to_value()
}

/// The dotted path of every setting, such as `train.seed`; tables are not among them.
pub(crate) fn keys() -> Vec<String> {
    let mut keys = Vec::new();
    gather(&json_schema(), "", &mut keys);
    keys
}

fn gather(schema: &Value, path: &str, keys: &mut Vec<String>) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        keys.push(path.to_owned());
        return;
    };
    for (name, schema) in properties {
        let inner = match path {
            "" => name.clone(),
            path => format!("{path}.{name}"),
        };
        gather(schema, &inner, keys);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::path::{Path, PathBuf};

    use super::*;
    use crate::config::template::template;

    fn property<'a>(schema: &'a Value, path: &str) -> Option<&'a Value> {
        path.split('.')
            .try_fold(schema, |schema, key| schema.get("properties")?.get(key))
    }

    fn leaves(value: &toml::Value, path: &str, found: &mut Vec<String>) {
        match value {
            toml::Value::Table(table) => {
                for (key, value) in table {
                    leaves(
                        value,
                        format!("{path}.{key}").trim_start_matches('.'),
                        found,
                    );
                }
            }
            _ => found.push(path.to_owned()),
        }
    }

    /// Set `COMPACTER_UPDATE_SCHEMA=1` to write the copy anew after a change of the types.
    #[test]
    fn the_committed_copy_is_the_schema_of_the_types() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/config.schema.json");
        let text = format!("{:#}\n", json_schema());
        if std::env::var_os("COMPACTER_UPDATE_SCHEMA").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap();
        assert!(
            committed == text,
            "{} is out of date: COMPACTER_UPDATE_SCHEMA=1 cargo test -p compacter-core schema",
            path.display()
        );
    }

    #[test]
    fn every_key_that_a_configuration_writes_is_in_the_schema() {
        let config = crate::config::RunConfig::parse(&PathBuf::from("a"), &template(), &[]);
        let value: toml::Value = toml::from_str(&config.unwrap().to_toml()).unwrap();
        let mut written = Vec::new();
        leaves(&value, "", &mut written);
        let known = keys();
        assert!(written.len() > 25, "{written:?}");
        for key in written {
            assert!(known.contains(&key), "{key}");
        }
    }

    #[test]
    fn every_setting_and_table_is_described_and_unknown_ones_are_refused() {
        let schema = json_schema();
        for key in keys() {
            let described = property(&schema, &key).unwrap();
            let text = described["description"].as_str().unwrap_or_default();
            assert!(text.len() > 5, "{key}: {described}");
            let (table, _) = key.rsplit_once('.').unwrap_or_default();
            let table = if table.is_empty() {
                &schema
            } else {
                property(&schema, table).unwrap()
            };
            assert_eq!(table["additionalProperties"], false, "{key}");
            assert!(table["description"].is_string(), "{key}");
        }
        assert_eq!(
            schema["required"],
            serde_json::json!(["name", "model", "task"])
        );
    }

    #[test]
    fn a_setting_with_two_forms_has_both_in_the_schema() {
        let schema = json_schema();
        let warmup = property(&schema, "train.warmup").unwrap();
        assert_eq!(warmup["oneOf"][0]["type"], "integer");
        assert_eq!(warmup["oneOf"][1]["type"], "string");
        assert_eq!(warmup["default"], "10%");
        let every = property(&schema, "eval.every").unwrap();
        assert_eq!(every["oneOf"][0]["const"], "epoch");
    }
}
