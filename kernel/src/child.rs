//! The process that runs cells, as the kernel sees it: through the relay, and by signals.

use std::io::Write;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fs, io, thread};

use crossbeam_channel::{Receiver, Sender, unbounded};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

use crate::outlet::Inlet;
use crate::relay::Heard;

/// How long the relay may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a cell may take to stop when it is asked to.
const GRACE: Duration = Duration::from_secs(2);
/// How often it is looked whether a compilation that was interrupted began another one: evcxr
/// takes the end of one for a mistake, and compiles once more to have it explained.
const LOOK: Duration = Duration::from_millis(50);

/// What became of a cell that was interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Nobody interrupted it.
    Left,
    /// It was asked to stop.
    Asked,
    /// Its compilation was ended.
    CompilerStopped,
    /// Its process was killed.
    Killed,
}

/// The process that runs cells.
#[derive(Debug)]
pub struct Child {
    state: Mutex<State>,
    fences: Receiver<u64>,
    told: Sender<u64>,
}

#[derive(Debug)]
struct State {
    /// The way to the relay.
    relay: Option<UnixStream>,
    pid: Option<Pid>,
    fence: u64,
    /// The number of the cell that runs; none runs where it is odd.
    turn: u64,
    /// Whether the cell is compiled, and runs.
    running: bool,
    fate: Fate,
}

/// Where the relay finds the kernel.
#[must_use]
pub fn address(folder: &Path) -> PathBuf {
    folder.join("relay")
}

impl Child {
    /// Listens for relays in the kernel's folder; what they tell goes to the outlet.
    ///
    /// # Errors
    /// When no socket can be made there.
    pub fn listen(folder: &Path, outlet: Sender<Inlet>) -> io::Result<Arc<Self>> {
        let listener = UnixListener::bind(address(folder))?;
        restrict(&address(folder))?;
        let (told, fences) = unbounded();
        let child = Arc::new(Self {
            state: Mutex::new(State {
                relay: None,
                pid: None,
                fence: 0,
                turn: 1,
                running: false,
                fate: Fate::Left,
            }),
            fences,
            told,
        });
        let heir = Arc::clone(&child);
        thread::Builder::new()
            .name("relays".to_owned())
            .spawn(move || {
                for stream in listener.incoming().flatten() {
                    if let Err(error) = heir.hear(stream, &outlet) {
                        tracing::warn!("relay: {error}");
                    }
                }
            })?;
        Ok(child)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics with it held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Listens to a relay on a thread of its own.
    fn hear(self: &Arc<Self>, stream: UnixStream, outlet: &Sender<Inlet>) -> io::Result<()> {
        let mut from = stream.try_clone()?;
        self.state().relay = Some(stream);
        let (child, outlet) = (Arc::clone(self), outlet.clone());
        thread::Builder::new()
            .name("relay".to_owned())
            .spawn(move || {
                loop {
                    match Heard::read(&mut from) {
                        Ok(Some(Heard::Child(id))) => {
                            child.state().pid = i32::try_from(id).ok().and_then(Pid::from_raw);
                        }
                        Ok(Some(Heard::Begun)) => child.state().running = true,
                        Ok(Some(Heard::Fence(number))) => {
                            let _gone = child.told.send(number);
                        }
                        Ok(Some(heard)) => {
                            if outlet.send(Inlet::Relay(heard)).is_err() {
                                return;
                            }
                        }
                        Ok(None) => return,
                        Err(error) => return tracing::warn!("relay: {error}"),
                    }
                }
            })?;
        Ok(())
    }

    /// Waits until all that was written has been told to the outlet.
    pub fn fence(&self) {
        let number = {
            let mut state = self.state();
            state.fence += 1;
            let number = state.fence;
            let asked = state
                .relay
                .as_mut()
                .map(|relay| relay.write_all(&number.to_be_bytes()));
            if !matches!(asked, Some(Ok(()))) {
                return;
            }
            number
        };
        while let Ok(told) = self.fences.recv_timeout(PATIENCE) {
            if told == number {
                return;
            }
        }
        tracing::warn!("the relay does not answer");
    }

    /// A cell begins.
    pub fn begin(&self) {
        let mut state = self.state();
        state.turn += 1;
        state.running = false;
        state.fate = Fate::Left;
    }

    /// A cell has ended; says what became of it.
    pub fn end(&self) -> Fate {
        let mut state = self.state();
        state.turn += 1;
        state.fate
    }

    /// Whether the cell that runs was interrupted.
    pub fn is_interrupted(&self) -> bool {
        self.state().fate != Fate::Left
    }

    /// Ends the compilation of the present cell; or asks the cell to stop, and kills its process
    /// if it does not.
    pub fn interrupt(self: &Arc<Self>, folder: &Path) {
        let turn = {
            let mut state = self.state();
            if state.turn % 2 == 1 {
                return;
            }
            if state.running {
                state.fate = Fate::Asked;
            } else {
                state.fate = Fate::CompilerStopped;
            }
            state.turn
        };
        let (child, folder) = (Arc::clone(self), folder.to_owned());
        thread::spawn(move || {
            while child.is_compiling(turn) {
                stop_compiler();
                thread::sleep(LOOK);
            }
            child.stop(turn, &folder);
        });
    }

    fn is_compiling(&self, turn: u64) -> bool {
        let state = self.state();
        state.turn == turn && !state.running
    }

    /// Asks the cell of a turn to stop, and kills its process if it has not in time.
    fn stop(&self, turn: u64, folder: &Path) {
        let Some(pid) = ({
            let mut state = self.state();
            if state.turn != turn {
                return;
            }
            state.fate = Fate::Asked;
            state.pid
        }) else {
            return;
        };
        note_interrupt(folder);
        if let Err(error) = kill_process(pid, Signal::INT) {
            tracing::warn!("the cell cannot be asked to stop: {error}");
        }
        thread::sleep(GRACE);
        let mut state = self.state();
        if state.turn == turn && state.pid == Some(pid) {
            state.fate = Fate::Killed;
            // Whatever it has started goes with it.
            let _gone = kill_process_group(pid, Signal::KILL);
        }
    }

    /// Ends the process.
    pub fn kill(&self) {
        if let Some(pid) = self.state().pid {
            let _gone = kill_process_group(pid, Signal::KILL);
        }
    }
}

/// Notes for the library that it is this cell that is to stop, and no later one.
fn note_interrupt(folder: &Path) {
    let cell = fs::read(folder.join("cell")).unwrap_or_default();
    if let Err(error) = fs::write(folder.join("cell.interrupt"), cell) {
        tracing::warn!("the interrupt cannot be noted: {error}");
    }
}

/// Ends what cargo of ours there is.
fn stop_compiler() {
    let mut system = System::new();
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, ProcessRefreshKind::nothing());
    let mine = sysinfo::Pid::from_u32(std::process::id());
    let children = |of: sysinfo::Pid| {
        let all = system.processes().iter();
        all.filter(move |(_, process)| {
            process.parent() == Some(of) && process.thread_kind().is_none()
        })
    };
    for (pid, process) in children(mine) {
        let name = process.name().to_string_lossy();
        if name != "cargo" && name != "mold" {
            continue;
        }
        // The compilers first, or they would go on without it.
        for (_, below) in children(*pid) {
            below.kill();
        }
        process.kill();
    }
}

/// Lets nobody else open a socket.
pub(crate) fn restrict(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
}
