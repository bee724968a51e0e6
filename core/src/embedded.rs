//! What the program carries inside itself: a small pretrained model, lessons, and the record
//! of a run.
//!
//! Files are compiled in with the feature `embedded`; without it there are none. How the
//! model was made and who wrote the lessons stands beside them, in `core/assets`.

/// A model's files, by the names that a folder would give them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmbeddedModel {
    /// The name after `embedded:`.
    pub name: &'static str,
    files: &'static [(&'static str, &'static [u8])],
}

/// A task whose rows are JSON lines with the keys `split`, `text` and `label`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lesson {
    /// The name after `lesson:`.
    pub name: &'static str,
    /// The classes, in the order of their numbers.
    pub labels: &'static [&'static str],
    /// The rows.
    pub rows: &'static [u8],
}

impl EmbeddedModel {
    /// The content of a file; `None` where the model has none of that name.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&'static [u8]> {
        let found = self.files.iter().find(|(known, _)| *known == name);
        found.map(|(_, content)| *content)
    }
}

/// The record of a run of the first lesson, where there is one.
#[cfg(feature = "embedded")]
pub const DEMO: Option<&[u8]> = Some(include_bytes!("../assets/demo.jsonl"));

/// The record of a run of the first lesson, where there is one.
#[cfg(not(feature = "embedded"))]
pub const DEMO: Option<&[u8]> = None;

/// The models there are.
#[cfg(feature = "embedded")]
pub const MODELS: &[EmbeddedModel] = &[EmbeddedModel {
    name: "t5-nano",
    files: &[
        (
            "config.json",
            include_bytes!("../assets/t5-nano/config.json"),
        ),
        (
            "tokenizer.json",
            include_bytes!("../assets/t5-nano/tokenizer.json"),
        ),
        (
            "model.safetensors",
            include_bytes!("../assets/t5-nano/model.safetensors"),
        ),
    ],
}];

/// The models there are.
#[cfg(not(feature = "embedded"))]
pub const MODELS: &[EmbeddedModel] = &[];

/// The lessons there are, the first one being where to start.
#[cfg(feature = "embedded")]
pub const LESSONS: &[Lesson] = &[
    Lesson {
        name: "sentiment",
        labels: &["negative", "positive"],
        rows: include_bytes!("../assets/lessons/sentiment.jsonl"),
    },
    Lesson {
        name: "order",
        labels: &["natural", "shuffled"],
        rows: include_bytes!("../assets/lessons/order.jsonl"),
    },
    Lesson {
        name: "question",
        labels: &["person", "place", "number", "time", "reason", "thing"],
        rows: include_bytes!("../assets/lessons/question.jsonl"),
    },
];

/// The lessons there are.
#[cfg(not(feature = "embedded"))]
pub const LESSONS: &[Lesson] = &[];

/// Why a name is not found: what there is, or that there is nothing.
#[must_use]
pub(crate) fn unknown(kind: &str, name: &str, known: &[&str]) -> String {
    if known.is_empty() {
        return format!(
            "this program was built without the feature `embedded`, so it carries no {kind} `{name}`"
        );
    }
    format!(
        "there is no {kind} `{name}` in this program; there is {}",
        known.join(", ")
    )
}

#[cfg(all(test, feature = "embedded"))]
mod tests;
