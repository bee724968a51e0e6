//! What a run would have computed if nobody had interrupted it.

use compacter_core::cancel::CancelToken;
use compacter_core::config::RunConfig;
use compacter_core::event::{Bus, Event, Kind, Sink};
use compacter_core::run::Start;
use compacter_core::train::Outcome;
use compacter_core::train::control::{Command, Control, ControlHandle};
use compacter_core::train::session::{Connections, Session};

use crate::runs::{Lab, NAME};

/// A configuration that is put in force after a step.
#[derive(Debug)]
pub struct Edit {
    /// The step.
    pub step: u64,
    /// The configuration; where its run is kept does not count.
    pub config: RunConfig,
}

/// Trains a lab's configuration in this process, with one edit, to its end or to the step
/// given.
///
/// # Panics
/// When it cannot.
#[track_caller]
#[must_use]
pub fn uninterrupted(lab: &Lab, mut edit: Edit, last: Option<u64>) -> Outcome {
    let (control, cancel) = (Control::default(), CancelToken::default());
    edit.config.output = lab.config().output;
    let during = During {
        edit,
        last,
        handle: control.handle(),
        cancel: cancel.clone(),
    };
    let connections = Connections {
        bus: Bus::new(NAME).with(during),
        control,
        cancel,
    };
    let session = Session::open(lab.config(), Start::New, connections);
    let Ok(Session::Ready(mut trainer, _lock)) = session else {
        panic!("{session:?}");
    };
    trainer.run().unwrap_or_else(|error| panic!("{error}"))
}

/// What is done to the run between its steps.
struct During {
    edit: Edit,
    last: Option<u64>,
    handle: ControlHandle,
    cancel: CancelToken,
}

impl Sink for During {
    fn event(&mut self, event: &Event) -> compacter_core::Result<()> {
        if !matches!(event.kind, Kind::Step(_)) {
            return Ok(());
        }
        if event.step == self.edit.step {
            let command = Command::Apply(Box::new(self.edit.config.clone()));
            self.handle.send(command)?;
        }
        if Some(event.step) == self.last {
            self.cancel.cancel();
        }
        Ok(())
    }
}
