//! Runs one cell: what it is told of, what it is answered, what is left when it fails.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use evcxr::{CommandContext, Error, EvalCallbacks, EvalOutputs};
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::{Engine, Job, magic, shell, start};
use crate::child::Fate;
use crate::outlet::{Cell, Happened, Inlet};
use crate::parse;
use crate::wire::{Request, message};

/// How long the outlet may take to have shown everything.
const SHOWN: Duration = Duration::from_secs(10);

impl Engine {
    /// Answers a request to run a cell.
    pub(super) fn execute(&mut self, request: &Request) {
        let silent = request.flag("silent", false);
        let code = request.text("code").to_owned();
        if !silent && request.flag("store_history", true) {
            self.count += 1;
            self.around.history.add(self.count, &code);
        }
        if !silent {
            let content = json!({"code": code, "execution_count": self.count});
            self.publish("execute_input", content, request);
        }
        let cell = Cell {
            header: request.header.clone(),
            count: self.count,
            silent,
        };
        match self.run_cell(&cell, &code, request) {
            Ok(()) => {
                let expressions = self.user_expressions(&cell, request);
                let content = json!({
                    "status": "ok",
                    "execution_count": self.count,
                    "user_expressions": expressions,
                    "payload": [],
                });
                self.reply("execute_reply", content, request);
            }
            Err(failure) => {
                let mut content = failure.content();
                if !silent {
                    self.publish("error", content.clone(), request);
                }
                content["status"] = "error".into();
                content["execution_count"] = self.count.into();
                self.reply("execute_reply", content, request);
                self.aborts = request.flag("stop_on_error", true);
            }
        }
    }

    /// Cells that were asked for before one failed are not run.
    pub(super) fn abort_queued(&mut self) {
        let mut queued: VecDeque<Request> = std::mem::take(&mut self.waiting);
        while let Ok(Job::Shell(request)) = self.around.jobs.try_recv() {
            queued.push_back(request);
        }
        for request in queued {
            if request.header.msg_type == "execute_request" {
                self.publish("status", json!({"execution_state": "busy"}), &request);
                self.reply("execute_reply", json!({"status": "aborted"}), &request);
                self.publish("status", json!({"execution_state": "idle"}), &request);
            } else {
                self.waiting.push_back(request);
            }
        }
    }

    fn run_cell(&mut self, cell: &Cell, code: &str, request: &Request) -> Result<(), Failure> {
        let spelt = magic::spell(code).map_err(|why| Failure::new("Magic", why))?;
        self.begin(cell);
        if let Some(text) = spelt.says {
            self.say(cell, text);
        }
        let start = Instant::now();
        self.run_shell(&spelt.shell)?;
        let (outcome, happened) = self.evaluate(&spelt.code, Some(request))?;
        match outcome {
            Ok(outputs) => {
                self.hidden.learn(&spelt.code);
                self.result(cell, &outputs);
                for name in parse::statics(&spelt.code) {
                    self.write(cell, "stderr", &of_static(&name));
                }
                if spelt.timed {
                    self.say(cell, &times(&outputs, start.elapsed()));
                }
                Failure::of_run(&happened).map_or(Ok(()), Err)
            }
            Err(error) => Err(Failure::of(&error, &spelt.code, cell.count)),
        }
    }

    fn run_shell(&self, lines: &[String]) -> Result<(), Failure> {
        if lines.is_empty() {
            return Ok(());
        }
        let around = &self.around;
        around.child.begin();
        let done = lines.iter().try_for_each(|line| shell::run(around, line));
        around.child.end();
        shown(around);
        done
    }

    fn begin(&self, cell: &Cell) {
        // The outlet ends only with the kernel.
        let _gone = self.around.outlet.send(Inlet::Cell(Box::new(cell.clone())));
        start::note_cell(&self.around.folder, &cell.header.msg_id);
    }

    /// Compiles and runs code; says what evcxr says, and what happened while it ran.
    ///
    /// Fails when there is no evcxr, and when somebody had to end the process that ran it.
    fn evaluate(
        &mut self,
        code: &str,
        request: Option<&Request>,
    ) -> Result<(Result<EvalOutputs, Error>, Happened), Failure> {
        let around = &self.around;
        let context = self
            .context
            .as_mut()
            .map_err(|why| Failure::new("NotReady", why.clone()))?;
        let variables: Vec<String> = names(context);
        around.child.begin();
        let outcome = context.execute_with_callbacks(
            code,
            &mut EvalCallbacks {
                input_reader: &|input| match request {
                    Some(request) => asked(around, request, &input.prompt, input.is_password),
                    None => NOBODY.to_owned(),
                },
            },
        );
        let fate = around.child.end();
        let died = matches!(outcome, Err(Error::SubprocessTerminated(_)));
        if !died {
            around.child.fence();
        }
        let happened = shown(around);
        if let Err(Error::SubprocessTerminated(how)) = &outcome {
            start::prepare_child(context).map_err(|why| Failure::new("NotReady", why))?;
            return Err(lost(fate, how, &variables));
        }
        match (fate, &outcome) {
            (Fate::CompilerStopped, Err(_)) => Err(Failure::new(
                "Interrupted",
                "while it was compiled: nothing of it ran, and nothing is lost",
            )),
            _ => Ok((outcome, happened)),
        }
    }

    /// Values that the front end wants beside the cell's own.
    fn user_expressions(&mut self, cell: &Cell, request: &Request) -> Value {
        let Some(wanted) = request.content["user_expressions"].as_object().cloned() else {
            return json!({});
        };
        let mut values = Map::new();
        for (name, expression) in wanted {
            let silent = Cell {
                silent: true,
                ..cell.clone()
            };
            self.begin(&silent);
            let code = expression.as_str().unwrap_or_default();
            let value = match self.evaluate(code, None) {
                Ok((Ok(outputs), happened)) => match Failure::of_run(&happened) {
                    None => {
                        let data = happened
                            .result
                            .unwrap_or_else(|| json!(outputs.content_by_mime_type));
                        json!({"status": "ok", "data": data, "metadata": {}})
                    }
                    Some(failure) => with_status(&failure),
                },
                Ok((Err(error), _)) => with_status(&Failure::of(&error, code, cell.count)),
                Err(failure) => with_status(&failure),
            };
            values.insert(name, value);
        }
        Value::Object(values)
    }

    /// Shows what a command of evcxr's has to say.
    fn result(&self, cell: &Cell, outputs: &EvalOutputs) {
        if outputs.is_empty() || cell.silent {
            return;
        }
        let content = json!({
            "execution_count": cell.count,
            "data": outputs.content_by_mime_type,
            "metadata": {},
        });
        let _gone =
            self.around
                .iopub
                .blocking_send(message("execute_result", content, Some(&cell.header)));
    }

    /// Shows text of the kernel's own.
    fn say(&self, cell: &Cell, text: &str) {
        self.write(cell, "stdout", text);
    }

    fn write(&self, cell: &Cell, stream: &str, text: &str) {
        if cell.silent {
            return;
        }
        let content = json!({"name": stream, "text": text});
        let _gone = self
            .around
            .iopub
            .blocking_send(message("stream", content, Some(&cell.header)));
    }
}

fn with_status(failure: &Failure) -> Value {
    let mut content = failure.content();
    content["status"] = "error".into();
    content
}

/// Names of the variables that cells have made.
fn names(context: &CommandContext) -> Vec<String> {
    let mut names: Vec<String> = context
        .variables_and_types()
        .map(|(name, _)| name.to_owned())
        .collect();
    names.sort();
    names
}

/// Waits until all that the outlet was told is shown; what happened in the cell.
fn shown(around: &super::Surroundings) -> Happened {
    let (asker, answer) = crossbeam_channel::bounded(1);
    let _gone = around.outlet.send(Inlet::Asked(asker));
    answer.recv_timeout(SHOWN).unwrap_or_default()
}

/// What a cell is told when nobody answers; the library makes an error of it.
const NOBODY: &str = "\u{18}";

/// What somebody typed when a cell asked.
fn asked(around: &super::Surroundings, request: &Request, prompt: &str, password: bool) -> String {
    let (to, typed) = &around.stdin;
    // What was typed after an earlier question was given up.
    while typed.try_recv().is_ok() {}
    if !request.flag("allow_stdin", true) {
        return NOBODY.to_owned();
    }
    // evcxr ends a prompt at either, so the library writes others.
    let prompt = prompt.replace('\u{1f}', ":").replace('\u{1e}', "\n");
    // What the cell printed is there before the question.
    around.child.fence();
    shown(around);
    let content = json!({"prompt": prompt, "password": password});
    let _gone = to.blocking_send(request.reply("input_request", content));
    loop {
        match typed.recv_timeout(Duration::from_millis(50)) {
            // It goes to the cell as one line.
            Ok(text) => return text.replace(['\n', '\r'], " "),
            Err(crossbeam_channel::RecvTimeoutError::Timeout) if !around.child.is_interrupted() => {
            }
            Err(_) => return NOBODY.to_owned(),
        }
    }
}

/// The word on a process that ran a cell and is gone.
fn lost(fate: Fate, how: &str, variables: &[String]) -> Failure {
    let variables = match variables {
        [] => "no variable was lost".to_owned(),
        names => format!("lost: {}", names.join(", ")),
    };
    let (name, what) = match fate {
        Fate::Killed => (
            "Interrupted",
            "the cell did not stop when it was asked to, so the process that runs cells was replaced".to_owned(),
        ),
        _ => ("Died", format!("the process that runs cells ended: {}", how.trim())),
    };
    Failure::new(
        name,
        format!(
            "{what}; {variables}. Functions, types and imports are still there: run the cells that make the variables again"
        ),
    )
}

/// The word on a static: evcxr compiles a cell's items again into each later one.
fn of_static(name: &str) -> String {
    format!(
        "note: `static {name}` begins anew in each cell that uses it; a value that cells share is a variable, such as `let {} = std::sync::Arc::new(…);`\n",
        name.to_lowercase()
    )
}

/// How long a cell took, in seconds.
fn times(outputs: &EvalOutputs, all: Duration) -> String {
    let ran = outputs
        .phases
        .iter()
        .filter(|phase| phase.name == "Execution");
    let ran: Duration = ran.map(|phase| phase.duration).sum();
    let made = all.saturating_sub(ran);
    format!(
        "ran {:.3} s, compiled {:.3} s\n",
        ran.as_secs_f64(),
        made.as_secs_f64()
    )
}
