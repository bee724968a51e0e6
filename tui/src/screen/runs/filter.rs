//! Which runs of a list are shown: words and fields, all of which have to hold.
//!
//! | term              | holds where                                    |
//! |-------------------|------------------------------------------------|
//! | `nano`            | the name has it                                |
//! | `/^a.*[0-9]$/`    | the regular expression finds it in the name    |
//! | `method:lora`     | the field has it                               |
//! | `lr<=1e-3`        | the number is so; one that is unknown is not   |
//! | `-TERM`           | the term does not hold                         |

use regex::{Regex, RegexBuilder};

use super::entry::Entry;

/// The fields there are, for the help.
pub(crate) const FIELDS: &str = "fields: name method task model state : text, step lr loss metric best trained edits < <= = >= > number";

/// The largest regular expression, in bytes once compiled.
const LARGEST: usize = 1 << 20;

/// A filter; the default shows everything.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    /// As it was typed.
    pub(crate) text: String,
    terms: Vec<Term>,
}

#[derive(Debug, Clone)]
struct Term {
    negated: bool,
    test: Test,
}

#[derive(Debug, Clone)]
enum Test {
    Pattern(Regex),
    Text(fn(&Entry) -> &str, String),
    Number(fn(&Entry) -> Option<f64>, Order, f64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    AtMost,
    AtLeast,
    Below,
    Above,
    Equal,
}

/// The longer ones first: `<` begins `<=`.
const ORDERS: [(&str, Order); 5] = [
    ("<=", Order::AtMost),
    (">=", Order::AtLeast),
    ("<", Order::Below),
    (">", Order::Above),
    ("=", Order::Equal),
];

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// Says which term is none, and which fields there are.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let terms = split(text)?.into_iter().map(Term::parse);
        Ok(Self {
            text: text.trim().to_owned(),
            terms: terms.collect::<Result<_, _>>()?,
        })
    }

    /// Whether a run is shown.
    pub(crate) fn shows(&self, entry: &Entry) -> bool {
        self.terms.iter().all(|term| term.holds(entry))
    }
}

/// The terms of a filter; between slashes a space is part of the term.
fn split(text: &str) -> Result<Vec<&str>, String> {
    let mut terms = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let bare = rest.strip_prefix('-').unwrap_or(rest);
        let length = match bare.strip_prefix('/') {
            Some(pattern) => {
                let closing = closing_slash(pattern);
                let closing = closing.ok_or_else(|| format!("`{rest}`: a `/` is missing"))?;
                rest.len() - pattern.len() + closing + 1
            }
            None => rest.find(char::is_whitespace).unwrap_or(rest.len()),
        };
        let (term, after) = rest.split_at(length);
        terms.push(term);
        rest = after.trim_start();
    }
    Ok(terms)
}

/// Place of the first slash that no backslash stands before.
fn closing_slash(pattern: &str) -> Option<usize> {
    let mut escaped = false;
    pattern.char_indices().find_map(|(at, c)| {
        let found = c == '/' && !escaped;
        escaped = c == '\\' && !escaped;
        found.then_some(at)
    })
}

impl Term {
    fn parse(term: &str) -> Result<Self, String> {
        let bare = term.strip_prefix('-');
        let text = bare.unwrap_or(term);
        Ok(Self {
            negated: bare.is_some(),
            test: Test::parse(text)?,
        })
    }

    fn holds(&self, entry: &Entry) -> bool {
        let holds = match &self.test {
            Test::Pattern(pattern) => pattern.is_match(&entry.name),
            Test::Text(field, sought) => field(entry).to_lowercase().contains(sought),
            Test::Number(field, order, limit) => {
                field(entry).is_some_and(|value| order.holds(value, *limit))
            }
        };
        holds != self.negated
    }
}

impl Test {
    fn parse(text: &str) -> Result<Self, String> {
        let between = text.strip_prefix('/').and_then(|t| t.strip_suffix('/'));
        if let Some(pattern) = between {
            let built = RegexBuilder::new(pattern)
                .size_limit(LARGEST)
                .case_insensitive(true)
                .build();
            let built = built.map_err(|_| format!("`{pattern}` is no regular expression"))?;
            return Ok(Self::Pattern(built));
        }
        let sign = text.find([':', '<', '>', '=']);
        let Some(sign) = sign else {
            return Ok(Self::Text(|entry| &entry.name, text.to_lowercase()));
        };
        let (field, rest) = text.split_at(sign);
        if let Some(sought) = rest.strip_prefix(':') {
            let field = text_field(field).ok_or_else(|| unknown(field))?;
            return Ok(Self::Text(field, sought.to_lowercase()));
        }
        let read = number_field(field).ok_or_else(|| unknown(field))?;
        let order = ORDERS.iter().find(|(sign, _)| rest.starts_with(sign));
        let (sign, order) = order.ok_or_else(|| unknown(field))?;
        let number = &rest[sign.len()..];
        let limit = number.parse().map_err(|_| {
            format!("`{text}`: expected a number after `{field}{sign}`, found `{number}`")
        })?;
        Ok(Self::Number(read, *order, limit))
    }
}

fn unknown(field: &str) -> String {
    format!("no such field `{field}`; {FIELDS}")
}

fn text_field(name: &str) -> Option<fn(&Entry) -> &str> {
    Some(match name {
        "name" => |entry| &entry.name,
        "method" => |entry| &entry.set.method,
        "task" => |entry| &entry.set.task,
        "model" => |entry| &entry.set.model,
        "state" => |entry| entry.stand.word(),
        _ => return None,
    })
}

fn number_field(name: &str) -> Option<fn(&Entry) -> Option<f64>> {
    Some(match name {
        "step" => |entry| Some(entry.step as f64),
        "lr" => |entry| entry.set.rate,
        "loss" => Entry::loss,
        "metric" => Entry::newest,
        "best" => |entry| entry.best,
        "trained" => |entry| entry.trained,
        "edits" => |entry| Some(f64::from(entry.edits)),
        _ => return None,
    })
}

impl Order {
    fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::AtMost => value <= limit,
            Self::AtLeast => value >= limit,
            Self::Below => value < limit,
            Self::Above => value > limit,
            // Both were written by people or printed for them.
            Self::Equal => (value - limit).abs() <= 1e-9 * limit.abs(),
        }
    }
}
