//! Configurations as TOML, and errors with what to do about them.

use compacter_core::Error;
use compacter_core::config::RunConfig;

use super::colour::{BAD, FAINT, css};
use super::html::{escape, notice};
use super::{Bundle, Rich};
use crate::error::{NotebookError, core_hint};

impl Rich for RunConfig {
    fn bundle(&self) -> Bundle {
        match self.validate() {
            Ok(()) => {
                let toml = self.to_toml();
                Bundle::plain(toml.trim_end()).with_html(toml_html(&toml))
            }
            // What cannot be written as TOML may still be looked at.
            Err(error) => Bundle::plain(format!("{self:#?}\n{error}")),
        }
    }
}

impl Rich for Error {
    fn bundle(&self) -> Bundle {
        let (text, hint) = (self.to_string(), core_hint(self));
        let plain = match hint {
            Some(hint) => format!("{text}\n  what to do: {hint}"),
            None => text.clone(),
        };
        Bundle::plain(plain).with_html(notice(&text, hint, &css(BAD)))
    }
}

impl Rich for NotebookError {
    fn bundle(&self) -> Bundle {
        let html = notice(&self.problem(), self.hint().as_deref(), &css(BAD));
        Bundle::plain(self.to_string()).with_html(html)
    }
}

/// TOML with its tables bold and its keys fainter than its values.
pub(crate) fn toml_html(toml: &str) -> String {
    let lines = toml.trim_end().lines().map(line_html);
    format!(
        "<pre style=\"background:transparent;line-height:1.35\">{}</pre>",
        lines.collect::<Vec<_>>().join("\n")
    )
}

fn line_html(line: &str) -> String {
    let text = line.trim_start();
    if text.starts_with('#') {
        return format!("<i style=\"opacity:{FAINT}\">{}</i>", escape(line));
    }
    if text.starts_with('[') {
        return format!("<b>{}</b>", escape(line));
    }
    match line.split_once(" = ") {
        Some((key, value)) => format!(
            "<span style=\"opacity:{FAINT}\">{} =</span> {}",
            escape(key),
            escape(value)
        ),
        None => escape(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toml_is_escaped_line_by_line() {
        let html = toml_html("[task]\nname = \"<script>\"\n# <b>\n");
        assert!(html.contains("<b>[task]</b>"), "{html}");
        assert!(
            html.contains("name =</span> &quot;&lt;script&gt;&quot;"),
            "{html}"
        );
        assert!(!html.contains("<script>"));
    }

    #[test]
    fn an_error_shows_what_to_do() {
        let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
        let error = Error::io("data/train.tsv", "read")(missing);
        let bundle = error.bundle();
        assert!(
            bundle.text().contains("what to do: relative paths"),
            "{}",
            bundle.text()
        );
        assert!(bundle.html().contains("What to do:"));
    }
}
