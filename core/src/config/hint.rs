//! What the user may have meant.

/// Says that `word` is none of `names`, and which of them comes close.
pub(crate) fn not_one_of(word: &str, names: &[&str]) -> String {
    let list = names.join(", ");
    match closest(word, names) {
        Some(name) => format!("`{word}` is not one of {list}; did you mean `{name}`?"),
        None => format!("`{word}` is not one of {list}"),
    }
}

/// The name that `word` most likely stands for, if any is near.
///
/// Near means: the same but for case and `-` against `_`; its initials (`lr` for
/// `learning_rate`); or at most a third of its letters wrong.
pub(crate) fn closest<'a>(word: &str, names: &[&'a str]) -> Option<&'a str> {
    let word = word.to_lowercase().replace('-', "_");
    let plain = |name: &str| name.to_lowercase().replace('-', "_");
    let same = names.iter().find(|name| {
        plain(name) == word || (word.chars().count() > 1 && initials(&plain(name)) == word)
    });
    let distance = |name: &str| strsim::damerau_levenshtein(&plain(name), &word);
    same.or_else(|| {
        let nearest = names.iter().min_by_key(|name| distance(name))?;
        (distance(nearest) <= (nearest.chars().count() / 3).max(1)).then_some(nearest)
    })
    .copied()
}

fn initials(name: &str) -> String {
    name.split('_')
        .filter_map(|part| part.chars().next())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_finds_its_like() {
        let names = ["learning_rate", "batch_size", "seed", "n", "compacter++"];
        for (word, expected) in [
            ("learning_rat", Some("learning_rate")),
            ("learningrate", Some("learning_rate")),
            ("lr", Some("learning_rate")),
            ("Batch-Size", Some("batch_size")),
            ("sed", Some("seed")),
            ("esed", Some("seed")),
            ("compacter+", Some("compacter++")),
            ("momentum", None),
            ("nesterov", None),
        ] {
            assert_eq!(closest(word, &names), expected, "{word}");
        }
    }
}
