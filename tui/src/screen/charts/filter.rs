//! Charts by their names: text, or a regular expression between slashes.

use regex::{Regex, RegexBuilder};

/// The largest program, in bytes, that an expression may become.
const LARGEST: usize = 1 << 20;

/// Which names are shown.
#[derive(Debug, Clone)]
pub(super) struct Filter {
    /// As it was typed.
    pub(super) text: String,
    pattern: Regex,
}

impl Filter {
    /// Reads `loss`, or `/^eval.*loss$/`; letters are alike in both cases.
    ///
    /// # Errors
    /// Says what is wrong with an expression.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let between = text.strip_prefix('/').and_then(|s| s.strip_suffix('/'));
        let pattern = match between {
            Some(pattern) => pattern.to_owned(),
            None => regex::escape(text),
        };
        let built = RegexBuilder::new(&pattern)
            .case_insensitive(true)
            .size_limit(LARGEST)
            .build();
        let pattern = built.map_err(|error| {
            let error = error.to_string();
            let last = error.lines().last().unwrap_or_default();
            format!("`{text}`: {}", last.trim_start_matches("error: "))
        })?;
        Ok(Self {
            text: text.to_owned(),
            pattern,
        })
    }

    /// Whether a name is shown.
    pub(super) fn has(&self, name: &str) -> bool {
        self.pattern.is_match(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(text: &str, name: &str) -> bool {
        Filter::parse(text).is_ok_and(|filter| filter.has(name))
    }

    #[test]
    fn text_is_taken_as_it_is_and_expressions_between_slashes() {
        assert!(has("LOSS", "train/loss") && !has("l.ss", "train/loss"));
        assert!(has("/l.ss$/", "train/loss") && !has("/^loss/", "train/loss"));
        assert!(has("/", "train/loss") && has("train/", "train/loss"));
        let refused = Filter::parse("/(/").err();
        assert!(refused.is_some_and(|why| why.contains("unclosed group")));
        assert!(Filter::parse("/(a{1000}){1000}/").is_err(), "too large");
    }
}
