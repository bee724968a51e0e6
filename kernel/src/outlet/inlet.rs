//! What reaches the outlet: cells, what they write, what they show.

use crossbeam_channel::Sender;
use jupyter_protocol::Header;
use serde::Deserialize;
use serde_json::Value;

use crate::relay::Heard;

/// What reaches the outlet.
#[derive(Debug)]
pub enum Inlet {
    /// A cell begins.
    Cell(Box<Cell>),
    /// From the relay.
    Relay(Heard),
    /// From the library in the process that runs cells.
    Shown(Shown),
    /// Text that evcxr took for something else.
    Text(String),
    /// The relay has told all there was before this question; what happened goes back.
    Asked(Sender<Happened>),
}

/// A cell that runs.
#[derive(Debug, Clone)]
pub struct Cell {
    /// The header of the request for it, whose id is the cell's.
    pub header: Header,
    /// Its number.
    pub count: u64,
    /// Whether it is to show nothing.
    pub silent: bool,
}

/// What happened while a cell ran.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Happened {
    /// It panicked.
    pub panicked: bool,
    /// It was left by a failed `?`.
    pub failed: bool,
    /// The end of what it wrote to its standard error.
    pub errors: String,
    /// The value of its last expression, where it was to show nothing.
    pub result: Option<Value>,
}

/// What the library shows.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Shown {
    pub(super) op: Op,
    #[serde(default)]
    pub(super) cell: Option<String>,
    #[serde(default)]
    pub(super) display_id: Option<String>,
    #[serde(default)]
    pub(super) data: Value,
    #[serde(default)]
    pub(super) metadata: Value,
    #[serde(default)]
    pub(super) wait: bool,
    #[serde(default)]
    pub(super) order: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Op {
    Display,
    Update,
    Result,
    Clear,
}
