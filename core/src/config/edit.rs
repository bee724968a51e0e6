//! Changes single values in the text of a configuration, and leaves the rest as it is:
//! comments, order, spelling.

use toml_edit::{DocumentMut, Item, Table, TableLike, Value};

use super::RunConfig;
use super::diff::{get, put};
use crate::Result;

/// The text with fields set to values, both as in a [`crate::event::Change`]: dotted paths,
/// TOML, and an empty text for a field that is left to its default.
///
/// # Errors
/// Why that cannot be done, for people.
pub(crate) fn rewrite(text: &str, fields: &[(String, String)]) -> Result<String, String> {
    let mut document: DocumentMut = text
        .parse()
        .map_err(|error: toml_edit::TomlError| error.message().to_owned())?;
    for (field, value) in fields {
        let path: Vec<&str> = field.split('.').collect();
        set(document.as_table_mut(), &path, value).map_err(|why| format!("{field}: {why}"))?;
    }
    Ok(document.to_string())
}

fn set(table: &mut dyn TableLike, path: &[&str], value: &str) -> Result<(), String> {
    match path {
        [] => {}
        [key] if value.is_empty() => {
            table.remove(key);
        }
        [key] => {
            let mut new: Value = value
                .parse()
                .map_err(|_| format!("`{value}` is no TOML value"))?;
            match table.get_mut(key).and_then(Item::as_value_mut) {
                Some(old) => {
                    // What stands around a value, such as the comment behind it.
                    *new.decor_mut() = old.decor().clone();
                    *old = new;
                }
                None => {
                    table.insert(key, Item::Value(new));
                }
            }
        }
        [key, rest @ ..] => {
            if !table.contains_key(key) {
                if value.is_empty() {
                    return Ok(());
                }
                table.insert(key, Item::Table(Table::new()));
            }
            let inner = table.get_mut(key).and_then(Item::as_table_like_mut);
            let inner = inner.ok_or_else(|| format!("`{key}` is no table"))?;
            set(inner, rest, value)?;
        }
    }
    Ok(())
}

impl RunConfig {
    /// A field's value as TOML; empty for one that is left to its default.
    pub(crate) fn text_of(&self, field: &str) -> String {
        let path: Vec<&str> = field.split('.').collect();
        let value = get(&self.table(), &path).map(ToString::to_string);
        value.unwrap_or_default()
    }

    /// This configuration with some fields as another one has them.
    pub(crate) fn with_fields_of<'a>(
        &self,
        other: &Self,
        fields: impl IntoIterator<Item = &'a String>,
    ) -> Result<Self> {
        let (wanted, mut table) = (other.table(), self.table());
        for field in fields {
            let path: Vec<&str> = field.split('.').collect();
            put(&mut table, &path, get(&wanted, &path));
        }
        Self::parse("config.toml".as_ref(), &table.to_string(), &[])
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const TEXT: &str = "\
# A run.
name = \"demo\" # its name
output.directory = 'runs'
method = { kind = \"lora\", rank = 4 } # small

[train]
# Found by trial.
learning_rate = 1e-3   # peak
epochs = 3
";

    fn rewritten(text: &str, fields: &[(&str, &str)]) -> String {
        let owned = |&(field, value): &(&str, &str)| (field.to_owned(), value.to_owned());
        let fields: Vec<_> = fields.iter().map(owned).collect();
        rewrite(text, &fields).unwrap()
    }

    #[test]
    fn only_the_value_changes() {
        let fields = [
            ("train.learning_rate", "0.0003"),
            ("method.rank", "8"),
            ("output.directory", "\"other\""),
        ];
        let expected = TEXT
            .replace("1e-3", "0.0003")
            .replace("rank = 4", "rank = 8")
            .replace("'runs'", "\"other\"");
        assert_eq!(rewritten(TEXT, &fields), expected);
        assert_eq!(rewritten(TEXT, &[]), TEXT);
    }

    #[test]
    fn a_value_that_was_not_there_is_added_and_one_that_goes_is_removed() {
        let added = rewritten(TEXT, &[("train.warmup", "\"10%\""), ("eval.patience", "2")]);
        let expected = format!("{TEXT}warmup = \"10%\"\n\n[eval]\npatience = 2\n");
        assert_eq!(added, expected);
        let removed = rewritten(&added, &[("train.warmup", ""), ("task.kind", "")]);
        assert_eq!(removed, expected.replace("warmup = \"10%\"\n", ""));
    }

    #[test]
    fn what_cannot_be_written_is_refused() {
        for (field, value) in [("train", "= 1"), ("name.first", "1"), ("name", "[")] {
            let fields = [(field.to_owned(), value.to_owned())];
            assert!(rewrite(TEXT, &fields).is_err(), "{field}");
        }
        assert!(rewrite("name = ", &[]).is_err());
    }
}
