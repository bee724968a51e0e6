//! The thread that compiles and runs cells: evcxr, behind a queue.
//!
//! It answers what needs the state of the session: execution, completion, inspection. What
//! does not is answered without it, so the kernel is there long before the compiler is.

mod cell;
mod failure;
mod magic;
mod shell;
mod start;

use std::collections::{HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use evcxr::CommandContext;
use jupyter_protocol::JupyterMessage;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::child::Child;
use crate::folders::Facade;
use crate::hidden::Hidden;
use crate::history::History;
use crate::outlet::Inlet;
use crate::text::{to_bytes, to_characters};
use crate::wire::{Request, message};

/// How long nobody asks for anything before time is taken to get ready for more.
const IDLE: Duration = Duration::from_millis(300);

/// What the engine is asked for.
#[derive(Debug)]
pub enum Job {
    /// A message of the shell: execute, complete, or inspect.
    Shell(Request),
    /// The kernel ends.
    End,
}

/// What the engine is given.
pub struct Surroundings {
    /// What it is asked for.
    pub jobs: Receiver<Job>,
    /// The way to the iopub socket.
    pub iopub: mpsc::Sender<JupyterMessage>,
    /// The way to the shell socket.
    pub shell: mpsc::Sender<JupyterMessage>,
    /// The way to the stdin socket, and what was typed.
    pub stdin: (mpsc::Sender<JupyterMessage>, Receiver<String>),
    /// The way to the outlet.
    pub outlet: Sender<Inlet>,
    /// The process that runs cells.
    pub child: Arc<Child>,
    /// What was run before.
    pub history: Arc<History>,
    /// The kernel's own folder; its build is in there.
    pub folder: PathBuf,
    /// The folder that cells run in.
    pub home: PathBuf,
}

/// The engine while it runs.
pub struct Engine {
    around: Surroundings,
    /// None where it could not be started, for the reason given.
    context: Result<CommandContext, String>,
    /// Whether completion is known to be quick.
    warm: bool,
    count: u64,
    /// What completion leaves out.
    hidden: Hidden,
    /// Requests that were taken off the queue while cells were aborted.
    waiting: VecDeque<Request>,
    /// Whether cells that wait are not to be run: one before them failed.
    aborts: bool,
}

impl Engine {
    /// Starts evcxr, which takes seconds, and then does what it is asked for until the end.
    pub fn run(around: Surroundings) {
        let (context, warm) = match start::start(&around) {
            Ok((context, warm)) => (Ok(context), warm),
            Err(why) => {
                tracing::error!("{why}");
                (Err(why), true)
            }
        };
        let facade = Facade::read(&around.folder).ok();
        let mut engine = Self {
            hidden: facade.map_or_else(Hidden::default, |facade| Hidden::of(&facade.build())),
            around,
            context,
            warm,
            count: 0,
            waiting: VecDeque::new(),
            aborts: false,
        };
        while let Some(request) = engine.next() {
            engine.answer(&request);
        }
    }

    fn next(&mut self) -> Option<Request> {
        if let Some(request) = self.waiting.pop_front() {
            return Some(request);
        }
        if let (false, Ok(context)) = (self.warm, &mut self.context) {
            // Somebody who reads the output of a cell will type the next one.
            match self.around.jobs.recv_timeout(IDLE) {
                Err(RecvTimeoutError::Timeout) => {
                    start::warm(context);
                    self.warm = true;
                }
                Ok(Job::Shell(request)) => return Some(request),
                Ok(Job::End) | Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
        match self.around.jobs.recv() {
            Ok(Job::Shell(request)) => Some(request),
            Ok(Job::End) | Err(_) => None,
        }
    }

    fn answer(&mut self, request: &Request) {
        self.publish("status", json!({"execution_state": "busy"}), request);
        match request.header.msg_type.as_str() {
            "execute_request" => self.execute(request),
            "complete_request" => self.complete(request),
            "inspect_request" => self.inspect(request),
            other => tracing::error!("no answer for {other}"),
        }
        self.publish("status", json!({"execution_state": "idle"}), request);
        if std::mem::take(&mut self.aborts) {
            self.abort_queued();
        }
    }

    fn publish(&self, kind: &str, content: Value, parent: &Request) {
        let message = message(kind, content, Some(&parent.header));
        // Only at the end there is nobody to send it.
        let _gone = self.around.iopub.blocking_send(message);
    }

    fn reply(&self, kind: &str, content: Value, request: &Request) {
        let _gone = self
            .around
            .shell
            .blocking_send(request.reply(kind, content));
    }

    /// What can stand at the cursor.
    fn complete(&mut self, request: &Request) {
        let code = request.text("code").to_owned();
        let at = place(request, &code);
        let found = self.context.as_mut().map_err(|why| why.clone());
        let found = found.and_then(|context| {
            let position = to_bytes(&code, at);
            context
                .completions(&code, position)
                .map_err(|error| error.to_string())
        });
        let content = match found {
            Ok(found) => {
                let start = to_characters(&code, found.start_offset);
                let end = to_characters(&code, found.end_offset);
                let mut told = HashSet::new();
                let before = code.get(..found.start_offset).unwrap_or_default();
                let named = found
                    .completions
                    .iter()
                    .map(|one| (inserted(&one.code, one.kind), one))
                    .filter(|(text, _)| !self.hidden.has(text, before));
                let mut named: Vec<_> = named.filter(|(text, _)| told.insert(*text)).collect();
                named.sort_by_key(|(text, _)| (text.starts_with('_'), *text));
                let typed = named.iter().map(|(text, one)| {
                    json!({"text": text, "type": one.kind, "signature": one.label, "start": start, "end": end})
                });
                json!({
                    "status": "ok",
                    "matches": named.iter().map(|(text, _)| text).collect::<Vec<_>>(),
                    "cursor_start": start,
                    "cursor_end": end,
                    "metadata": {"_jupyter_types_experimental": typed.collect::<Vec<_>>()},
                })
            }
            Err(why) => {
                tracing::debug!("completion: {why}");
                json!({"status": "ok", "matches": [], "cursor_start": at, "cursor_end": at, "metadata": {}})
            }
        };
        self.reply("complete_reply", content, request);
    }

    /// What is known of the name at the cursor.
    fn inspect(&mut self, request: &Request) {
        let code = request.text("code").to_owned();
        let at = end_of_name(&code, to_bytes(&code, place(request, &code)));
        let found = self.context.as_mut().ok();
        let found = found.and_then(|context| context.hover_at(&code, at).ok());
        let found = found.filter(|(plain, _)| plain != "No documentation found");
        let content = match found {
            Some((plain, html)) => json!({
                "status": "ok",
                "found": true,
                "data": {"text/plain": plain, "text/html": html},
                "metadata": {},
            }),
            None => json!({"status": "ok", "found": false, "data": {}, "metadata": {}}),
        };
        self.reply("inspect_reply", content, request);
    }
}

/// The cursor, in characters; at the end where the front end does not say.
fn place(request: &Request, code: &str) -> usize {
    let at = request
        .number("cursor_pos")
        .and_then(|at| usize::try_from(at).ok());
    at.unwrap_or_else(|| code.chars().count())
}

/// What a completion puts into the cell: the name of a function or macro, without arguments that
/// somebody would have to delete.
fn inserted<'a>(code: &'a str, kind: &str) -> &'a str {
    if kind != "function" {
        return code;
    }
    let end = code.find(['(', '[', '{']).unwrap_or(code.len());
    code[..end].trim_end()
}

/// The end of the name that a byte position is in.
fn end_of_name(code: &str, at: usize) -> usize {
    let rest = code[at..].char_indices();
    let mut rest = rest.skip_while(|(_, c)| c.is_alphanumeric() || *c == '_');
    rest.next().map_or(code.len(), |(after, _)| at + after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_completion_puts_a_name_there() {
        assert_eq!(inserted("sum(sum_dims)", "function"), "sum");
        assert_eq!(inserted("println!()", "function"), "println!");
        assert_eq!(inserted("len", "instance"), "len");
        assert_eq!(inserted("(a, b)", "instance"), "(a, b)");
    }

    #[test]
    fn a_name_is_inspected_wherever_the_cursor_is_in_it() {
        let code = "let é = aé.len();";
        let end = code.find(".len").unwrap_or_default();
        for at in [code.find("aé").unwrap_or_default(), end] {
            assert_eq!(end_of_name(code, at), end);
        }
        assert_eq!(end_of_name("abc", 1), 3);
    }
}
