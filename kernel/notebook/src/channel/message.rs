//! What is said to the kernel.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::show::Bundle;

/// What a message asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Show something below what the cell has shown so far.
    Display,
    /// Show it in place of an earlier display.
    Update,
    /// The value of a cell's last expression.
    Result,
    /// Take away what the cell has shown.
    Clear,
}

/// A line to the kernel.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Message {
    /// What it asks for.
    pub op: Op,
    /// The cell that it belongs to, whichever runs by now.
    pub cell: String,
    /// The display's name, which its updates carry too.
    pub display_id: Option<String>,
    /// What is shown, by MIME type.
    pub data: Bundle,
    /// Nothing yet.
    pub metadata: Map<String, Value>,
    /// Of [`Op::Clear`]: whether to wait for what comes next.
    pub wait: bool,
    /// Its place among what is printed; the channel sets it.
    pub order: Option<u64>,
}

impl Message {
    /// A message of a cell that shows `data`.
    #[must_use]
    pub fn new(op: Op, cell: String, data: Bundle) -> Self {
        Self {
            op,
            cell,
            display_id: None,
            data,
            metadata: Map::new(),
            wait: false,
            order: None,
        }
    }

    /// The same under a name.
    #[must_use]
    pub fn named(mut self, display_id: &str) -> Self {
        self.display_id = Some(display_id.to_owned());
        self
    }

    /// The message as one line of JSON, newline included.
    ///
    /// # Panics
    /// Never: everything in a message can be written as JSON.
    #[must_use]
    pub fn to_line(&self) -> String {
        let mut line = serde_json::to_string(self)
            .expect("a message is strings, numbers and maps with string keys");
        line.push('\n');
        line
    }
}
