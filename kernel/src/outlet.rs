//! Everything that cells show, in the order in which they showed it.
//!
//! ```text
//! relay:   text, errors, blocks ──┐
//! library: displays, updates ─────┼─▶ Outlet (one thread) ─▶ iopub, under the cell it is of
//! engine:  cell n begins, fences ─┘
//! ```
//!
//! Text comes through a pipe, displays through a socket. So that a display stands where it was
//! made, the library marks the place in the text: a line of a record separator, `COMPACTER`
//! and the display's number. Updates have no place and go out as they come, also between
//! cells.

mod inlet;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use jupyter_protocol::JupyterMessage;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::relay::Heard;
use crate::text::Decoder;
use crate::wire::message;

use inlet::Op;
pub use inlet::{Cell, Happened, Inlet, Shown};

/// How long text waits for more of it.
const GATHER: Duration = Duration::from_millis(15);
/// How long errors wait: what a panic or a failed `?` printed is shown once, as the cell's error.
const HOLD: Duration = Duration::from_millis(60);
/// How much text goes out at once.
const ENOUGH: usize = 1 << 16;
/// How long a mark waits for its display, which was sent before it.
const PATIENCE: Duration = Duration::from_secs(2);
/// What a mark begins with.
const MARK: &[u8] = b"\x1eCOMPACTER ";
/// How much of a cell's standard error is kept for the word on why it failed.
const KEPT: usize = 1 << 14;

/// Which stream text is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }

    fn patience(self) -> Duration {
        match self {
            Self::Stdout => GATHER,
            Self::Stderr => HOLD,
        }
    }
}

/// The thread's state.
pub struct Outlet {
    inlets: Receiver<Inlet>,
    iopub: mpsc::Sender<JupyterMessage>,
    /// Cells that ran, by their ids: an update may be of any of them.
    cells: HashMap<String, Cell>,
    now: Option<Cell>,
    happened: Happened,
    /// Text to go out, and since when it waits.
    text: Option<(Stream, Decoder, String, Instant)>,
    /// The beginning of a line of standard output that may be a mark.
    held: Vec<u8>,
    /// Displays whose marks have not come.
    unplaced: BTreeMap<u64, Shown>,
    /// What came while a mark waited.
    later: VecDeque<Inlet>,
}

impl Outlet {
    /// An outlet that shows what comes in.
    #[must_use]
    pub fn new(inlets: Receiver<Inlet>, iopub: mpsc::Sender<JupyterMessage>) -> Self {
        Self {
            inlets,
            iopub,
            cells: HashMap::new(),
            now: None,
            happened: Happened::default(),
            text: None,
            held: Vec::new(),
            unplaced: BTreeMap::new(),
            later: VecDeque::new(),
        }
    }

    /// Shows until nobody can send anything any more.
    pub fn run(mut self) {
        loop {
            let next = match self.later.pop_front() {
                Some(next) => Ok(next),
                None => self.inlets.recv_timeout(self.wait()),
            };
            match next {
                Ok(inlet) => self.take(inlet),
                Err(RecvTimeoutError::Timeout) => self.send_text(),
                Err(RecvTimeoutError::Disconnected) => return self.send_text(),
            }
            if self
                .text
                .as_ref()
                .is_some_and(|text| text.3.elapsed() >= text.0.patience())
            {
                self.send_text();
            }
        }
    }

    fn wait(&self) -> Duration {
        let idle = Duration::from_hours(1);
        self.text.as_ref().map_or(idle, |text| {
            text.0.patience().saturating_sub(text.3.elapsed())
        })
    }

    fn take(&mut self, inlet: Inlet) {
        match inlet {
            Inlet::Cell(cell) => self.begin(*cell),
            Inlet::Relay(heard) => self.hear(heard),
            Inlet::Shown(shown) => match shown.order {
                Some(order) => {
                    self.unplaced.insert(order, shown);
                }
                None => self.show(&shown),
            },
            Inlet::Text(line) => self.write(Stream::Stdout, format!("{line}\n").as_bytes()),
            Inlet::Asked(asker) => {
                self.let_go();
                self.keep_back();
                self.send_text();
                self.place_all();
                // The engine may have given up on it.
                let _gone = asker.send(self.happened.clone());
            }
        }
    }

    fn begin(&mut self, cell: Cell) {
        self.let_go();
        self.send_text();
        self.place_all();
        self.happened = Happened::default();
        self.cells.insert(cell.header.msg_id.clone(), cell.clone());
        self.now = Some(cell);
    }

    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Stdout(bytes) => self.output(&bytes),
            Heard::Stderr(bytes) => {
                self.let_go();
                self.remember(&bytes);
                self.write(Stream::Stderr, &bytes);
            }
            Heard::Block { mime, body } => {
                self.let_go();
                self.send_text();
                let data = json!({ mime: body });
                self.publish(
                    self.now.clone().as_ref(),
                    "display_data",
                    json!({"data": data, "metadata": {}, "transient": {}}),
                );
            }
            Heard::Panic => self.happened.panicked = true,
            Heard::Failed => self.happened.failed = true,
            Heard::Child(_) | Heard::Begun | Heard::Fence(_) => {}
        }
    }

    fn remember(&mut self, bytes: &[u8]) {
        let errors = &mut self.happened.errors;
        errors.push_str(&String::from_utf8_lossy(bytes));
        if errors.len() > 2 * KEPT {
            let cut = errors.len() - KEPT;
            let cut = (cut..errors.len()).find(|at| errors.is_char_boundary(*at));
            errors.drain(..cut.unwrap_or(0));
        }
    }

    /// Takes standard output, in which marks may be.
    fn output(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            // A mark begins anywhere: text before it need not have ended its line.
            let mut rest = std::mem::take(&mut self.held);
            rest.extend_from_slice(piece);
            let begin = rest.iter().position(|byte| *byte == MARK[0]);
            let mark = begin.map_or_else(Vec::new, |begin| rest.split_off(begin));
            if !rest.is_empty() {
                self.write(Stream::Stdout, &rest);
            }
            if mark.is_empty() {
                continue;
            }
            let known = mark.len().min(MARK.len());
            if mark[..known] != MARK[..known] {
                self.write(Stream::Stdout, &mark);
            } else if mark.ends_with(b"\n") {
                self.mark(&mark);
            } else {
                self.held = mark;
            }
        }
    }

    /// Puts a display at its mark.
    fn mark(&mut self, line: &[u8]) {
        let number = std::str::from_utf8(&line[MARK.len()..]).ok();
        let Some(order) = number.and_then(|text| text.trim_end().parse().ok()) else {
            return self.write(Stream::Stdout, line);
        };
        if order == 0 {
            // Of no display: it only ends what was printed before a question.
            return;
        }
        let end = Instant::now() + PATIENCE;
        while !self.unplaced.contains_key(&order) {
            match self.inlets.recv_deadline(end) {
                Ok(Inlet::Shown(shown)) if shown.order.is_some() => self.take(Inlet::Shown(shown)),
                Ok(other) => self.later.push_back(other),
                Err(_) => {
                    tracing::warn!("display {order} was announced and did not come");
                    return;
                }
            }
        }
        if let Some(shown) = self.unplaced.remove(&order) {
            self.send_text();
            self.show(&shown);
        }
    }

    /// Shows what waits for a mark that was not written; its number is then too late.
    fn place_all(&mut self) {
        for shown in std::mem::take(&mut self.unplaced).into_values() {
            self.show(&shown);
        }
    }

    /// Text that looked like the beginning of a mark goes out.
    fn let_go(&mut self) {
        let held = std::mem::take(&mut self.held);
        if !held.is_empty() {
            self.write(Stream::Stdout, &held);
        }
    }

    fn show(&mut self, shown: &Shown) {
        let cell = shown.cell.as_ref().and_then(|id| self.cells.get(id));
        let cell = cell.or(self.now.as_ref()).cloned();
        if shown.op == Op::Result && cell.as_ref().is_some_and(|cell| cell.silent) {
            self.happened.result = Some(shown.data.clone());
            return;
        }
        let count = cell.as_ref().map_or(0, |cell| cell.count);
        let metadata = if shown.metadata.is_object() {
            shown.metadata.clone()
        } else {
            json!({})
        };
        let transient = match &shown.display_id {
            Some(id) => json!({ "display_id": id }),
            None => json!({}),
        };
        let mut content = json!({"data": shown.data, "metadata": metadata, "transient": transient});
        let kind = match shown.op {
            Op::Display => "display_data",
            Op::Update => "update_display_data",
            Op::Result => {
                content["execution_count"] = count.into();
                "execute_result"
            }
            Op::Clear => {
                content = json!({"wait": shown.wait});
                "clear_output"
            }
        };
        self.publish(cell.as_ref(), kind, content);
    }

    /// Takes out of the text that waits what the cell's error will say.
    fn keep_back(&mut self) {
        let Some((Stream::Stderr, _, text, _)) = &mut self.text else {
            return;
        };
        if self.happened.panicked {
            let begin = text.rfind("panicked at ");
            let begin = begin.and_then(|at| text[..at].rfind("thread '"));
            text.truncate(begin.map_or(text.len(), |begin| {
                text[..begin].trim_end_matches('\n').len()
            }));
            if !text.is_empty() {
                text.push('\n');
            }
        } else if self.happened.failed {
            self.happened.errors = std::mem::take(text);
        }
    }

    fn write(&mut self, stream: Stream, bytes: &[u8]) {
        if self.text.as_ref().is_some_and(|text| text.0 != stream) {
            self.send_text();
        }
        let now = Instant::now();
        let empty = || (stream, Decoder::default(), String::new(), now);
        let (_, decoder, text, _) = self.text.get_or_insert_with(empty);
        decoder.decode(bytes, text);
        if text.len() >= ENOUGH {
            self.send_text();
        }
    }

    /// Sends the text that waits; half a character waits on.
    fn send_text(&mut self) {
        let Some((stream, decoder, text, _)) = self.text.take() else {
            return;
        };
        if !text.is_empty() {
            let content = json!({"name": stream.name(), "text": text});
            self.publish(self.now.clone().as_ref(), "stream", content);
        }
        if decoder.has_rest() && self.held.is_empty() {
            let later = Instant::now() + GATHER;
            self.text = Some((stream, decoder, String::new(), later));
        }
    }

    fn publish(&self, cell: Option<&Cell>, kind: &str, content: Value) {
        // Before the first cell evcxr tries itself out.
        let Some(cell) = cell.filter(|cell| !cell.silent) else {
            return;
        };
        let message = message(kind, content, Some(&cell.header));
        // Only at the end there is nobody to send it.
        let _gone = self.iopub.blocking_send(message);
    }
}

#[cfg(test)]
mod tests;
