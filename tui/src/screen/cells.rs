//! Cells of exported tables.

/// A text as a cell of a CSV file, in quotes where it has to be.
pub(crate) fn quoted(text: &str) -> String {
    // A spreadsheet takes a cell that begins so for a formula.
    let formula = text.starts_with(['=', '+', '-', '@']);
    let text = if formula {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_to_be_is_quoted_and_nothing_is_a_formula() {
        let quoted = ["plain", "a,b", "say \"so\"", "=1+1"].map(quoted);
        assert_eq!(quoted, ["plain", "\"a,b\"", "\"say \"\"so\"\"\"", "'=1+1"]);
    }
}
