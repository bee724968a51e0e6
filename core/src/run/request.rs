//! What a running trainer can be asked from outside, in one line of text.
//!
//! | text                | asks to                                                    |
//! |---------------------|------------------------------------------------------------|
//! | `pause`             | wait after the present step                                |
//! | `resume`            | go on after a pause                                        |
//! | `step [N]`          | do N steps (1 when left out), then wait                    |
//! | `evaluate`, `eval`  | measure the validation split now                           |
//! | `checkpoint`        | write a checkpoint now                                     |
//! | `stop`              | end the run as complete after the present step, and save   |
//! | `set KEY=VALUE`     | change a setting while the run goes on                     |
//! | `learning_rate X`, `lr X` | the same as `set train.learning_rate=X`              |
//! | `undo`              | bring back the configuration before the last change        |
//!
//! The command line, the mailbox, the socket, the dashboard's palette and notebooks all
//! speak this, so what one of them can do, all can.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::machine;

/// Version of the envelope's form.
pub const VERSION: u32 = 1;

/// Largest envelope in bytes; what is longer is no command.
pub const LARGEST: usize = 64 << 10;

/// Longest name of a sender in characters; the rest is cut.
const LONGEST_FROM: usize = 100;

/// What a running trainer can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Wait after the present step.
    Pause,
    /// Go on after a pause.
    Resume,
    /// Do so many steps, then wait.
    Step(u64),
    /// Measure the validation split now.
    Evaluate,
    /// Write a checkpoint now.
    Checkpoint,
    /// End the run as complete after the present step.
    Stop,
    /// Change a setting while the run goes on.
    Set {
        /// Its dotted path, such as `train.weight_decay`.
        key: String,
        /// The value as TOML, or a plain word.
        value: String,
    },
    /// Bring back the configuration before the last change.
    Undo,
}

/// The setting that has a word of its own.
const LEARNING_RATE: &str = "train.learning_rate";

impl Request {
    /// A change of the peak learning rate; the value is checked by whoever applies it.
    #[must_use]
    pub fn learning_rate(value: impl fmt::Display) -> Self {
        Self::Set {
            key: LEARNING_RATE.to_owned(),
            value: value.to_string(),
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pause => f.write_str("pause"),
            Self::Resume => f.write_str("resume"),
            Self::Step(steps) => write!(f, "step {steps}"),
            Self::Evaluate => f.write_str("evaluate"),
            Self::Checkpoint => f.write_str("checkpoint"),
            Self::Stop => f.write_str("stop"),
            Self::Set { key, value } if key == LEARNING_RATE => write!(f, "learning_rate {value}"),
            Self::Set { key, value } => write!(f, "set {key}={value}"),
            Self::Undo => f.write_str("undo"),
        }
    }
}

impl FromStr for Request {
    /// Why the text is no request, for people.
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let rest = rest.trim();
        let request = match word {
            "pause" => Self::Pause,
            "resume" => Self::Resume,
            "evaluate" | "eval" => Self::Evaluate,
            "checkpoint" => Self::Checkpoint,
            "stop" => Self::Stop,
            "undo" => Self::Undo,
            "step" => return steps(rest),
            "set" => return setting(rest),
            "learning_rate" | "lr" if rest.is_empty() => {
                return Err(format!("`{word}` needs a value, such as `{word} 3e-4`"));
            }
            "learning_rate" | "lr" => return Ok(Self::learning_rate(rest)),
            _ => {
                return Err(format!(
                    "`{word}` is no command; there are pause, resume, step, eval, checkpoint, stop, lr, set and undo"
                ));
            }
        };
        if rest.is_empty() {
            Ok(request)
        } else {
            Err(format!("`{word}` takes nothing after it, found `{rest}`"))
        }
    }
}

fn steps(text: &str) -> Result<Request, String> {
    match text {
        "" => Ok(Request::Step(1)),
        text => match text.parse() {
            Ok(steps @ 1..) => Ok(Request::Step(steps)),
            _ => Err(format!("expected a number of steps from 1, found `{text}`")),
        },
    }
}

fn setting(text: &str) -> Result<Request, String> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    let (key, value) = (key.trim(), value.trim());
    if key.is_empty() || value.is_empty() {
        return Err(format!(
            "expected KEY=VALUE, such as train.weight_decay=0.1, found `{text}`"
        ));
    }
    Ok(Request::Set {
        key: key.to_owned(),
        value: value.to_owned(),
    })
}

/// A request with what is written around it when it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Version of this form: [`VERSION`].
    pub v: u32,
    /// The command's number, which comes back in the event that acknowledges it.
    pub id: String,
    /// Who sends it, such as `ctl alice@login1`.
    pub from: String,
    /// The request's text.
    pub command: String,
}

impl Envelope {
    /// An envelope with a new number, from a program such as `ctl` in the hands of a user.
    #[must_use]
    pub fn new(program: &str, user: &str, request: &Request) -> Self {
        Self {
            v: VERSION,
            id: super::mailbox::new_id(),
            from: format!("{program} {user}@{}", machine::host()),
            command: request.to_string(),
        }
    }

    /// Reads an envelope; its request may still be one that this program does not know.
    ///
    /// # Errors
    /// Why it is none, for people.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > LARGEST {
            return Err(format!("is longer than {LARGEST} bytes"));
        }
        let mut envelope: Self =
            serde_json::from_slice(bytes).map_err(|error| format!("is no command: {error}"))?;
        envelope.from = envelope.from.chars().take(LONGEST_FROM).collect();
        Ok(envelope)
    }

    /// The request in it.
    ///
    /// # Errors
    /// Why this program cannot do what the envelope asks, for people.
    pub fn request(&self) -> Result<Request, String> {
        if self.v != VERSION {
            let theirs = self.v;
            return Err(format!(
                "is written in form {theirs}, this program reads {VERSION}"
            ));
        }
        self.command.parse()
    }
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The request's number.
    pub id: String,
    /// Whether it was done, or begun where it takes long.
    pub accepted: bool,
    /// Why it was refused, or what came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn every_request_reads_as_it_is_written() {
        let texts = [
            "pause",
            "resume",
            "step 10",
            "evaluate",
            "checkpoint",
            "stop",
            "learning_rate 3e-4",
            "set eval.every=\"epoch\"",
            "undo",
        ];
        for text in texts {
            assert_eq!(text.parse::<Request>().unwrap().to_string(), text);
        }
        let same = [
            ("step", "step 1"),
            (" eval ", "evaluate"),
            ("lr 3e-4", "learning_rate 3e-4"),
            ("set train.learning_rate = 3e-4", "learning_rate 3e-4"),
        ];
        for (short, long) in same {
            assert_eq!(short.parse::<Request>().unwrap().to_string(), long);
        }
    }

    #[test]
    fn what_is_no_request_is_refused_with_what_would_be_one() {
        let cases = [
            ("", "is no command; there are pause"),
            ("halt", "`halt` is no command"),
            ("pause now", "takes nothing after it"),
            ("step 0", "steps from 1"),
            ("step -1", "steps from 1"),
            ("lr", "needs a value"),
            ("set train.epochs", "expected KEY=VALUE"),
            ("set =1", "expected KEY=VALUE"),
        ];
        for (text, fragment) in cases {
            let message = text.parse::<Request>().unwrap_err();
            assert!(message.contains(fragment), "{text}: {message}");
        }
    }

    #[test]
    fn an_envelope_of_a_newer_program_is_read_and_its_request_refused() {
        let bytes = br#"{"v":2,"id":"1","from":"ctl","command":"pause","more":1}"#;
        let envelope = Envelope::parse(bytes).unwrap();
        assert!(envelope.request().unwrap_err().contains("form 2"));
        assert!(Envelope::parse(b"{}").unwrap_err().contains("no command"));
        assert!(
            Envelope::parse(&vec![b' '; LARGEST + 1])
                .unwrap_err()
                .contains("longer")
        );
    }
}
