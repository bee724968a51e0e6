//! A trainer on a thread of this process, for teaching and for cells' own code.
//!
//! It writes the same folder and hears the same commands as one in a process of its own, so
//! that it can be watched and steered from a terminal too.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};

use compacter_core::Error;
use compacter_core::cancel::CancelToken;
use compacter_core::config::RunConfig;
use compacter_core::event::Bus;
use compacter_core::event::Refusal;
use compacter_core::run::watch::{ConfigWatch, Reload};
use compacter_core::run::{RunFolder, Start};
use compacter_core::train::control::{Command, Control};
use compacter_core::train::prepare::Prepared;
use compacter_core::train::session::{Connections, Session};
use compacter_core::train::steer::Steering;

use crate::channel::complain;
use crate::error::{NotebookError, Result};
use crate::interrupt::{self, LOOK};

/// Makes model and data of a configuration.
pub(super) type Prepare =
    Box<dyn Fn(RunConfig, &CancelToken) -> compacter_core::Result<Prepared> + Send>;

/// A trainer of this process.
#[derive(Debug)]
pub(super) struct Local {
    cancel: CancelToken,
    thread: JoinHandle<()>,
}

impl Local {
    /// Tells the trainer to save and end.
    pub(super) fn cancel(&self) {
        self.cancel.cancel();
    }

    /// Whether it has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }
}

/// Starts a trainer on a thread, and waits until the run has begun.
///
/// # Errors
/// When the run is refused, or the cell interrupted before it has begun.
pub(super) fn start(config: RunConfig, how: Start, prepare: Prepare) -> Result<Arc<Local>> {
    let cancel = CancelToken::default();
    let (sender, begun) = mpsc::channel();
    let token = cancel.clone();
    let trainer = thread::Builder::new().name("trainer".to_owned());
    let thread = trainer
        .spawn(move || {
            let path = config.output.directory.join(&config.name);
            if let Err(error) = train(config, how, &prepare, token, &sender) {
                // Whoever waits for the start is told; what comes later is in the record.
                if let Err(mpsc::SendError(Err(error))) = sender.send(Err(error)) {
                    complain(&format!("{}: {error}", path.display()));
                }
            }
        })
        .map_err(Error::io("trainer", "start a thread for"))?;
    let local = Local { cancel, thread };
    loop {
        match begun.recv_timeout(LOOK) {
            Ok(Ok(())) => return Ok(Arc::new(local)),
            Ok(Err(error)) => return Err(error.into()),
            Err(RecvTimeoutError::Timeout) if interrupt::check().is_err() => {
                local.cancel();
                return Err(NotebookError::Interrupted {
                    message: "the run had not begun, and nothing was left behind".to_owned(),
                });
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(NotebookError::Refused {
                    message: "the trainer's thread panicked; the text above says where".to_owned(),
                });
            }
        }
    }
}

fn train(
    config: RunConfig,
    how: Start,
    prepare: &Prepare,
    cancel: CancelToken,
    begun: &Sender<compacter_core::Result<()>>,
) -> compacter_core::Result<()> {
    let control = Control::default();
    let handle = control.handle();
    let folder = config.output.directory.join(&config.name);
    let copy = RunFolder::config_path_of(&config);
    let connections = Connections {
        bus: Bus::new(&config.name),
        control,
        cancel,
    };
    let session = Session::open_with(config, how, connections, &**prepare)?;
    let Session::Ready(mut trainer, _lock) = session else {
        // It is complete: there is only something to show.
        let _begun = begun.send(Ok(()));
        return Ok(());
    };
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let _steering = Steering::start(&folder, runtime, handle.clone())?;
    let watch = ConfigWatch::start(&[copy], &[])?;
    let reloads = watch.receiver().clone();
    let follower = thread::spawn(move || {
        for reload in reloads {
            if handle.deliver(command(reload)).is_err() {
                return;
            }
        }
    });
    let _begun = begun.send(Ok(()));
    let trained = trainer.run();
    // Both end the follower: nobody takes what it delivers, and its channel has no sender.
    drop(trainer);
    drop(watch);
    let _ended = follower.join();
    trained.map(|_| ())
}

/// What a save of the run's configuration asks of the trainer.
fn command(reload: Reload) -> Command {
    match reload {
        Reload::Changed(saved) => Command::Edit(saved),
        Reload::Refused(refusal) => Command::Refuse(refusal),
        Reload::Gone(path) => {
            let file = path.display().to_string();
            let message = format!("{file}: the file is gone; its last values stay in force");
            Command::Refuse(Refusal::new(message))
        }
    }
}
