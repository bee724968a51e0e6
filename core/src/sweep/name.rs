//! Names of runs: what they differ in, as one folder's name.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::grid::{Column, Value};

/// Longest name as it is; a longer one is cut and ends with a hash of the whole.
const LONGEST: usize = 90;
/// How much of a longer one is kept.
const KEPT: usize = 72;

/// The name of a run with these values, such as `kind=lora,max_train_samples=100,seed=1`.
pub(super) fn of(columns: &[Column], values: &[Option<Value>]) -> String {
    let mut name = String::new();
    for (column, value) in columns.iter().zip(values) {
        let Some(value) = value else { continue };
        if !name.is_empty() {
            name.push(',');
        }
        name.extend(plain(short(&column.name, columns)));
        name.push('=');
        name.extend(plain(&value.text));
    }
    if name.chars().count() <= LONGEST {
        return name;
    }
    let hash = Sha256::digest(name.as_bytes());
    let mut short: String = name.chars().take(KEPT).collect();
    short.push('-');
    for byte in &hash[..4] {
        // Writing to a string cannot fail.
        let _ok = write!(short, "{byte:02x}");
    }
    short
}

/// The last word of a column's name, or all of it where others end alike.
pub(super) fn short<'a>(name: &'a str, columns: &[Column]) -> &'a str {
    let last = |name: &'a str| name.rsplit('.').next().unwrap_or(name);
    let word = last(name);
    let alike = columns
        .iter()
        .filter(|c| c.name.rsplit('.').next() == Some(word));
    if alike.count() > 1 { name } else { word }
}

/// What a shell and a file system take as it is.
fn plain(text: &str) -> impl Iterator<Item = char> + '_ {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '+' | '-' | '_');
    text.chars().map(move |c| if is_plain(c) { c } else { '_' })
}
