//! Tables as CSV.

/// A table with a head, as CSV.
#[must_use]
pub fn csv<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Writing to memory cannot fail, and every row is as long as the head.
    let _ok = writer.write_record(head);
    for row in rows {
        let _ok = writer.write_record(row);
    }
    let bytes = writer.into_inner().unwrap_or_default();
    String::from_utf8(bytes).unwrap_or_default()
}

/// A name for a cell: a spreadsheet takes what begins as a formula does for one.
#[must_use]
pub fn name(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

/// A number for a cell; empty where there is none.
#[must_use]
pub fn number(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_to_be_is_quoted_and_no_name_is_a_formula() {
        let row = ["a,b", "say \"so\"", "=1+1"].map(name);
        assert_eq!(
            csv(["x", "y", "z"], [row]),
            "x,y,z\n\"a,b\",\"say \"\"so\"\"\",'=1+1\n"
        );
        assert_eq!(number(Some(-1.5)) + &number(None), "-1.5");
    }
}
