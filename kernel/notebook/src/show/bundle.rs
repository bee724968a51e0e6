//! One value in several forms, by MIME type.

use std::collections::BTreeMap;

use serde::Serialize;

/// A value in the forms that a front end may choose from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Bundle(BTreeMap<String, String>);

/// The form that every front end can show.
const PLAIN: &str = "text/plain";
const HTML: &str = "text/html";

impl Bundle {
    /// A value as plain text.
    #[must_use]
    pub fn plain(text: impl Into<String>) -> Self {
        Self::default().with(PLAIN, text)
    }

    /// The same with a form in HTML, whose author has escaped what is not his.
    #[must_use]
    pub fn with_html(self, html: impl Into<String>) -> Self {
        self.with(HTML, html)
    }

    /// The same with a form of another MIME type.
    #[must_use]
    pub fn with(mut self, mime: &str, value: impl Into<String>) -> Self {
        self.0.insert(mime.to_owned(), value.into());
        self
    }

    /// The form of a MIME type.
    #[must_use]
    pub fn get(&self, mime: &str) -> Option<&str> {
        self.0.get(mime).map(String::as_str)
    }

    /// The plain text; empty where there is none.
    #[must_use]
    pub fn text(&self) -> &str {
        self.get(PLAIN).unwrap_or_default()
    }

    /// The HTML; empty where there is none.
    #[must_use]
    pub fn html(&self) -> &str {
        self.get(HTML).unwrap_or_default()
    }

    /// MIME types and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(mime, value)| (mime.as_str(), value.as_str()))
    }
}
