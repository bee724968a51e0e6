//! "Did you mean": the known names most like one that is not known.

/// Names less alike than this are no help.
const ALIKE: f64 = 0.6;

/// Up to `limit` of `names`, the most like `name` first; empty when none is like it.
pub(crate) fn nearest<'a>(
    name: &str,
    names: impl IntoIterator<Item = &'a str>,
    limit: usize,
) -> Vec<&'a str> {
    let mut scored: Vec<(f64, &str)> = names
        .into_iter()
        .map(|known| (strsim::normalized_levenshtein(name, known), known))
        .filter(|(score, _)| *score >= ALIKE)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    scored
        .into_iter()
        .take(limit)
        .map(|(_, known)| known)
        .collect()
}

/// Writes names as people list them: `` `a`, `b` ``.
pub(crate) fn quoted<S: AsRef<str>>(names: &[S]) -> String {
    let names: Vec<String> = names.iter().map(|n| format!("`{}`", n.as_ref())).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_alike_name_comes_first_and_strangers_are_left_out() {
        let known = ["shared.weight", "shared.bias", "zzzzzzzzzz"];
        assert_eq!(
            nearest("shared.weigth", known, 3),
            ["shared.weight", "shared.bias"]
        );
        assert_eq!(nearest("shared.weigth", known, 1), ["shared.weight"]);
        assert!(nearest("0123456789", known, 3).is_empty());
    }
}
