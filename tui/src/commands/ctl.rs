//! `compacter ctl`: steers a run of another process.

use std::time::Duration;

use compacter_core::Result;
use compacter_core::run::{self, Envelope, Outcome, Request};
use serde::Serialize;

use crate::args::Ctl;
use crate::{Exit, print, report};

/// The outcome as JSON; `accepted` is null where there was no answer.
#[derive(Serialize)]
struct Told<'a> {
    id: &'a str,
    command: String,
    accepted: Option<bool>,
    message: Option<String>,
}

pub(crate) fn run(args: &Ctl) -> Result<Exit> {
    let request: Request = match args.action.words().parse() {
        Ok(request) => request,
        Err(message) => {
            report::message(&message);
            return Ok(Exit::Refused);
        }
    };
    let folder = run::find(&args.run)?;
    let envelope = run::envelope("ctl", &request);
    let limit = Duration::from_secs(args.timeout);
    let outcome = run::ask(&folder, &envelope, limit)?;
    tell(args, (&request, &envelope), outcome)
}

fn tell(args: &Ctl, (request, envelope): (&Request, &Envelope), outcome: Outcome) -> Result<Exit> {
    let (accepted, message) = match outcome {
        Outcome::Answered(answer) => (Some(answer.accepted), answer.message),
        Outcome::Unanswered(reason) => (None, Some(reason)),
    };
    let exit = match accepted {
        Some(true) => Exit::Done,
        Some(false) => Exit::Refused,
        None => Exit::Failed,
    };
    let text = message.clone().unwrap_or_else(|| "accepted".to_owned());
    if args.json {
        print::json(&Told {
            id: &envelope.id,
            command: request.to_string(),
            accepted,
            message,
        })?;
    } else if accepted == Some(true) {
        print::line(&format!("{request}: {text}"))?;
    } else {
        report::message(&format!("{request}: {text}"));
    }
    Ok(exit)
}
