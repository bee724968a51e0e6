//! Escaping, and pieces of HTML.

use std::fmt::{self, Write};

use super::colour::FAINT;

/// Appends formatted text.
pub(crate) fn append(text: &mut String, arguments: fmt::Arguments<'_>) {
    // Writing into a string does not fail.
    let _infallible = text.write_fmt(arguments);
}

/// Text as it can stand in HTML, between tags and in attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

/// A name and what it is, as they stand in a line of facts.
pub(crate) fn fact(name: &str, value: &str) -> String {
    format!(
        "<span style=\"display:inline-block;margin-right:1.2em\"><span style=\"opacity:{FAINT}\">{}</span> <b>{}</b></span> ",
        escape(name),
        escape(value)
    )
}

/// A line of facts.
pub(crate) fn facts<'a>(facts: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let facts = facts.into_iter().map(|(name, value)| fact(name, &value));
    format!(
        "<div style=\"margin:.2em 0\">{}</div>",
        facts.collect::<String>()
    )
}

/// The same as plain text.
pub(crate) fn plain_facts<'a>(facts: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let facts = facts
        .into_iter()
        .map(|(name, value)| format!("{name} {value}"));
    facts.collect::<Vec<_>>().join("  ")
}

/// A line in passing.
pub(crate) fn aside(text: &str) -> String {
    format!(
        "<div style=\"opacity:{FAINT};font-size:90%\">{}</div>",
        escape(text)
    )
}

/// A title.
pub(crate) fn title(text: &str) -> String {
    format!(
        "<div style=\"font-weight:bold;margin:.3em 0\">{}</div>",
        escape(text)
    )
}

/// A bar that is full at 1.
pub(crate) fn bar(share: f64, colour: &str) -> String {
    let percent = (share.clamp(0.0, 1.0) * 1000.0).round() / 10.0;
    format!(
        "<div style=\"position:relative;height:6px;max-width:640px;border-radius:3px;overflow:hidden;margin:.3em 0\">\
         <div style=\"position:absolute;inset:0;background:currentColor;opacity:.15\"></div>\
         <div style=\"position:absolute;left:0;top:0;bottom:0;width:{percent}%;background:{colour}\"></div></div>"
    )
}

/// A message with a stripe beside it.
pub(crate) fn notice(text: &str, hint: Option<&str>, colour: &str) -> String {
    let mut html = format!(
        "<div style=\"border-left:4px solid {colour};padding:.3em .8em\"><div style=\"white-space:pre-wrap;font-family:monospace\">{}</div>",
        escape(text)
    );
    if let Some(hint) = hint {
        let hint = escape(hint);
        let _infallible = write!(
            html,
            "<div style=\"margin-top:.3em\"><b>What to do:</b> {hint}</div>"
        );
    }
    html + "</div>"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_escaped_can_open_a_tag_or_close_an_attribute() {
        let text = escape("<script a='1' b=\"2\">&");
        assert_eq!(text, "&lt;script a=&#39;1&#39; b=&quot;2&quot;&gt;&amp;");
    }
}
