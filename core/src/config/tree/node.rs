//! Values as TOML has them, with where they were written.

use toml::de::{DeTable, DeValue};

use crate::config::complaint::{Complaint, Outcome};

/// Where a key or an element of a list was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// In the file, at this byte.
    File(usize),
    /// In the `--set` of this number, from 0.
    Set(usize),
}

/// A value.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    /// Keys and values, in the order of the file.
    Table(Vec<Entry>),
    /// Elements, in order.
    List(Vec<Entry>),
    /// A string.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number with a point or an exponent.
    Float(f64),
    /// `true` or `false`.
    Boolean(bool),
    /// A date or time.
    Date(String),
    /// A number that no type holds, as written.
    TooLarge(String),
    /// A number, boolean or date of a `--set`, and its text: `--set name=2024` names a
    /// run 2024.
    Bare(Box<Node>, String),
}

/// A value with its key: the name in a table, the number from 0 in a list.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) origin: Origin,
    pub(crate) value: Node,
}

impl Node {
    /// Takes over a parsed table of the file.
    pub(super) fn from_file(table: &DeTable<'_>) -> Self {
        from_table(table, &Origin::File)
    }

    /// Takes over a parsed value of the `--set` of the number given.
    pub(super) fn from_set(value: &DeValue<'_>, text: &str, set: usize) -> Self {
        match from_value(value, &|_| Origin::Set(set)) {
            node @ (Self::Table(_) | Self::List(_) | Self::Text(_)) => node,
            scalar => Self::Bare(Box::new(scalar), text.to_owned()),
        }
    }

    /// The entry of a table by its name, or of a list by its number.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        match self {
            Self::Table(entries) | Self::List(entries) => entries.iter().find(|e| e.key == key),
            _ => None,
        }
    }

    /// Puts a value at a path, in the place of what is there; tables around it are made.
    pub(super) fn put(&mut self, path: &[String], origin: Origin, value: Self) -> Outcome {
        let mut node = self;
        for (depth, key) in path.iter().enumerate() {
            let Self::Table(entries) = node else {
                return Err(Complaint::whole("is not a table").below(&path[..depth]));
            };
            let found = entries.iter().position(|entry| entry.key == *key);
            let index = found.unwrap_or(entries.len());
            if found.is_none() {
                entries.push(Entry {
                    key: key.clone(),
                    origin,
                    value: Self::Table(Vec::new()),
                });
            }
            let entry = &mut entries[index];
            if depth + 1 == path.len() {
                entry.origin = origin;
            }
            node = &mut entry.value;
        }
        *node = value;
        Ok(())
    }

    /// Whether every key of the tables in `old` is still there.
    pub(super) fn has_keys_of(&self, old: &Self) -> bool {
        let Self::Table(entries) = old else {
            return true;
        };
        entries.iter().all(|old| {
            let new = self.entry(&old.key);
            new.is_some_and(|new| new.value.has_keys_of(&old.value))
        })
    }

    /// The value at a path.
    pub(crate) fn at(&self, path: &[String]) -> Option<&Self> {
        path.iter()
            .try_fold(self, |node, key| Some(&node.entry(key)?.value))
    }
}

/// Equal in value, wherever written.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        let same = |a: &[Entry], b: &[Entry]| {
            let found = |a: &Entry| b.iter().any(|b| a.key == b.key && a.value == b.value);
            a.len() == b.len() && a.iter().all(found)
        };
        match (self, other) {
            (Self::Table(a), Self::Table(b)) | (Self::List(a), Self::List(b)) => same(a, b),
            (Self::Text(a), Self::Text(b))
            | (Self::Date(a), Self::Date(b))
            | (Self::TooLarge(a), Self::TooLarge(b)) => a == b,
            (Self::Integer(a), Self::Integer(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            (Self::Boolean(a), Self::Boolean(b)) => a == b,
            (Self::Bare(a, _), b) | (b, Self::Bare(a, _)) => **a == *b,
            _ => false,
        }
    }
}

fn from_table(table: &DeTable<'_>, origin: &dyn Fn(usize) -> Origin) -> Node {
    let mut entries: Vec<_> = table
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().clone().into_owned(),
            origin: origin(key.span().start),
            value: from_value(value.get_ref(), origin),
        })
        .collect();
    entries.sort_by_key(|entry| entry.origin);
    Node::Table(entries)
}

fn from_value(value: &DeValue<'_>, origin: &dyn Fn(usize) -> Origin) -> Node {
    match value {
        DeValue::String(text) => Node::Text(text.clone().into_owned()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Node::TooLarge(number.to_string()), Node::Integer),
        DeValue::Float(number) => match number.as_str().parse::<f64>() {
            Ok(f) if f.is_finite() || !number.as_str().contains(|c: char| c.is_ascii_digit()) => {
                Node::Float(f)
            }
            _ => Node::TooLarge(number.to_string()),
        },
        DeValue::Boolean(value) => Node::Boolean(*value),
        DeValue::Datetime(date) => Node::Date(date.to_string()),
        DeValue::Array(values) => {
            let entry = |(at, value): (usize, &toml::Spanned<DeValue<'_>>)| Entry {
                key: at.to_string(),
                origin: origin(value.span().start),
                value: from_value(value.get_ref(), origin),
            };
            Node::List(values.iter().enumerate().map(entry).collect())
        }
        DeValue::Table(table) => from_table(table, origin),
    }
}
