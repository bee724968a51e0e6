//! How the columns of a row become the text that a model reads.

use crate::Result;

use super::Table;

/// A text with `{column}` in it; `{{` and `}}` stand for braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Column(String),
}

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Config`] when a brace has no partner, a name is empty, or no column is named.
    pub fn parse(text: &str) -> Result<Self> {
        let parts = parse(text).map_err(|message| super::config("task.template", message))?;
        let template = Self { parts };
        if template.columns().next().is_none() {
            let message = "names no column, so every input would be the same; write {column}";
            return Err(super::config("task.template", message));
        }
        Ok(template)
    }

    /// The reference implementation's form: `name: value` of each column, joined with spaces.
    #[must_use]
    pub fn labelled(columns: &[String]) -> Self {
        let mut parts = Vec::new();
        for (at, name) in columns.iter().enumerate() {
            let space = if at == 0 { "" } else { " " };
            parts.push(Part::Literal(format!("{space}{name}: ")));
            parts.push(Part::Column(name.clone()));
        }
        Self { parts }
    }

    /// The columns named, in order, as often as they are.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Column(name) => Some(name.as_str()),
            Part::Literal(_) => None,
        })
    }

    /// Finds the template's columns in a table, once for all of its rows.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Data`] with the nearest name when the table lacks a column.
    pub fn bind<'a>(&'a self, table: &'a Table, named_by: &str) -> Result<Bound<'a>> {
        let parts = self.parts.iter().map(|part| match part {
            Part::Literal(text) => Ok(BoundPart::Literal(text)),
            Part::Column(name) => table.column(name, named_by).map(BoundPart::Column),
        });
        Ok(Bound {
            table,
            parts: parts.collect::<Result<_>>()?,
        })
    }
}

/// A template whose columns were found in a table.
#[derive(Debug)]
pub struct Bound<'a> {
    table: &'a Table,
    parts: Vec<BoundPart<'a>>,
}

#[derive(Debug)]
enum BoundPart<'a> {
    Literal(&'a str),
    Column(usize),
}

impl Bound<'_> {
    /// The text of a row.
    ///
    /// # Panics
    ///
    /// When the table has no such row.
    #[must_use]
    pub fn fill(&self, row: usize) -> String {
        let texts = self.parts.iter().map(|part| match part {
            BoundPart::Literal(text) => text,
            BoundPart::Column(column) => self.table.cell(row, *column),
        });
        texts.collect()
    }
}

fn parse(text: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        literal += &rest[..at];
        let brace = &rest[at..=at];
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix(brace) {
            literal += brace;
            rest = after;
        } else if brace == "}" {
            return Err(format!(
                "`}}` without `{{` in `{text}`; write }}}} for a brace"
            ));
        } else {
            let end = rest
                .find('}')
                .ok_or_else(|| format!("`{{{rest}` lacks its `}}`; write {{{{ for a brace"))?;
            let name = &rest[..end];
            if name.is_empty() || name.contains('{') {
                return Err(format!("`{{{name}}}` names no column; write {{column}}"));
            }
            parts.push(Part::Literal(std::mem::take(&mut literal)));
            parts.push(Part::Column(name.to_owned()));
            rest = &rest[end + 1..];
        }
    }
    parts.push(Part::Literal(literal + rest));
    parts.retain(|part| *part != Part::Literal(String::new()));
    Ok(parts)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn filled(template: &str) -> Result<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.tsv");
        std::fs::write(&path, "premise\thypothesis\nA man.\tHe {is}.\n").unwrap();
        let table = Table::read(&path)?;
        let template = Template::parse(template)?;
        Ok(template.bind(&table, "task.template")?.fill(0))
    }

    #[test]
    fn columns_are_filled_in_and_their_braces_left_alone() {
        let text = filled("premise: {premise} hypothesis {hypothesis}!").unwrap();
        assert_eq!(text, "premise: A man. hypothesis He {is}.!");
        assert_eq!(filled("{premise}{premise}").unwrap(), "A man.A man.");
    }

    #[test]
    fn doubled_braces_stand_for_themselves() {
        assert_eq!(filled("{{{premise}}} {{}}").unwrap(), "{A man.} {}");
    }

    #[test]
    fn the_default_of_text_models_labels_each_column() {
        let columns = ["premise", "hypothesis"].map(str::to_owned);
        let template = Template::parse("premise: {premise} hypothesis: {hypothesis}").unwrap();
        let of = |t: &Template| t.columns().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(Template::labelled(&columns), template);
        assert_eq!(of(&template), columns);
    }

    #[test]
    fn broken_templates_are_refused_with_the_reason() {
        let cases = [
            ("plain text", "names no column"),
            ("", "names no column"),
            ("{premise", "lacks its `}`"),
            ("a } b {premise}", "without `{`"),
            ("{} {premise}", "names no column"),
            ("{pre{mise}", "names no column"),
            (
                "{premis}",
                "no column `premis`, which task.template names (did you mean `premise`?)",
            ),
            ("{x}", "the columns are `premise`, `hypothesis`"),
        ];
        for (template, expected) in cases {
            let message = filled(template).unwrap_err().to_string();
            assert!(message.contains(expected), "{template}: {message}");
        }
    }
}
