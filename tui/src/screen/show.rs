//! The loop of the screen: waits, lets the state change, draws.
//!
//! It draws at most ten times a second, once a second while nobody looks, and only when
//! something changed. A key wakes it at once.

mod files;
mod leave;
mod others;

use std::io::{self, Write, stdout};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use compacter_core::run::RunFolder;
use compacter_core::view::Source;
use compacter_core::{Error, Result};
use crossbeam_channel::RecvTimeoutError;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{DisableMouseCapture, EnableMouseCapture};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::SetTitle;
use ratatui::layout::{Position, Rect};
use ratatui::{Terminal, TerminalOptions, Viewport};
use signal_hook::consts::{SIGCONT, SIGTSTP};
use signal_hook::low_level::emulate_default_handler;

use super::app::{App, Wish};
use super::draw::draw;
use super::guard::{Takes, TerminalGuard};
use super::input::{Input, Inputs};
use super::process::{Life, Trainer};
use super::seen::Stand;
use super::steer::Steer;
use super::theme::Theme;
use crate::Exit;
use crate::args::Look;

use files::copy;
use leave::{Left, edit, farewell, summary};
use others::Forking;

/// Between two drawings.
const FRAME: Duration = Duration::from_millis(100);
/// The same while nobody looks, and between looks whether the trainer is there.
const SLOW: Duration = Duration::from_secs(1);

/// What is shown.
pub(crate) struct Watched {
    /// The run.
    pub(crate) folder: RunFolder,
    /// Its record.
    pub(crate) source: Source,
    /// The way to it.
    pub(crate) steer: Box<dyn Steer>,
}

/// The screen while it is up.
struct Screen {
    app: App,
    inputs: Inputs,
    guard: TerminalGuard,
    terminal: Terminal<CrosstermBackend<io::Stdout>>,
    mouse: bool,
    looked_at: bool,
    title: String,
    forking: Option<Forking>,
}

/// Shows a run until somebody leaves; says how it left.
///
/// # Errors
/// Fails if the terminal does, or if the run's record cannot be read.
pub(crate) fn show(watched: Watched, look: &Look) -> Result<Exit> {
    let mut screen = Screen::open(watched, look)?;
    let left = screen.run();
    let Screen {
        app,
        guard,
        mut terminal,
        ..
    } = screen;
    if look.inline.is_some() {
        // The card stays in the scroll-back; what follows stands below it.
        let end = terminal.get_frame().area().bottom().saturating_sub(1);
        let _gone = terminal.set_cursor_position((0, end));
    }
    drop(terminal);
    drop(guard);
    summary(&app, left?, look.inline.is_some())
}

impl Screen {
    fn open(watched: Watched, look: &Look) -> Result<Self> {
        let Watched {
            folder,
            source,
            steer,
        } = watched;
        let theme = Theme::of_environment(look.theme, look.ascii);
        let takes = Takes {
            whole_screen: look.inline.is_none(),
            mouse: look.inline.is_none() && !look.no_mouse,
        };
        let viewport = look.inline.map_or(Viewport::Fullscreen, Viewport::Inline);
        let mut app = App::new(folder, source, theme, steer);
        if look.inline.is_some() {
            app.advice = "";
        }
        let refused = |error| Error::io("terminal", "use")(error);
        // Signals first: one that comes while the terminal is being taken is not missed.
        let inputs = Inputs::start()?;
        let guard = TerminalGuard::enter(takes, farewell(&app)).map_err(refused)?;
        let backend = CrosstermBackend::new(stdout());
        let terminal =
            Terminal::with_options(backend, TerminalOptions { viewport }).map_err(refused)?;
        inputs.listen();
        let title = String::new();
        Ok(Self {
            app,
            inputs,
            guard,
            terminal,
            mouse: takes.mouse,
            looked_at: true,
            title,
            forking: None,
        })
    }

    fn run(&mut self) -> Result<Left> {
        let refused = |error| Error::io("terminal", "use")(error);
        let (mut dirty, mut drawn) = (true, None::<Instant>);
        let mut checked = Instant::now();
        loop {
            dirty |= self.read()?;
            if checked.elapsed() >= SLOW {
                checked = Instant::now();
                dirty |= self.look_for_trainer();
            }
            dirty |= self.app.tick();
            dirty |= self.look_for_fork();
            if self.app.saving && !self.app.seen().stand().goes_on() {
                return Ok(Left::Saved);
            }
            let pace = if self.looked_at { FRAME } else { SLOW };
            let since = drawn.map_or(pace, |at| at.elapsed());
            if dirty && since >= pace {
                self.draw().map_err(refused)?;
                (dirty, drawn) = (false, Some(Instant::now()));
            }
            // A picture that is due waits for its time, a still one for the next look.
            let due = pace
                .saturating_sub(since)
                .clamp(Duration::from_millis(1), FRAME);
            let wait = if dirty { due } else { FRAME };
            let mut next = match self.inputs.receiver().recv_timeout(wait) {
                Ok(input) => Some(input),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return Ok(Left::Detached),
            };
            while let Some(input) = next {
                dirty = true;
                if let Some(left) = self.take(input).map_err(refused)? {
                    return Ok(left);
                }
                next = self.inputs.receiver().try_recv().ok();
            }
        }
    }

    /// Reads what the run recorded; says whether something came.
    fn read(&mut self) -> Result<bool> {
        let before = self.app.seen().stand();
        let new = self.app.read(wall_clock())?;
        self.ring(before);
        Ok(new || self.app.progress().is_some())
    }

    /// Notices a process that went without a word; says whether it did.
    fn look_for_trainer(&mut self) -> bool {
        if !self.app.is_live() || !self.app.seen().stand().goes_on() {
            return false;
        }
        let gone =
            Trainer::of(self.app.folder.path()).is_some_and(|trainer| trainer.life() == Life::Gone);
        // Its last words may have come meanwhile.
        let spoke = gone && self.read().unwrap_or(false);
        if !gone || spoke {
            return spoke;
        }
        let before = self.app.seen().stand();
        self.app.gone = true;
        self.ring(before);
        true
    }

    /// Tells the terminal that a run has ended which went on before.
    fn ring(&self, before: Stand) {
        let stand = self.app.seen().stand();
        if before != Stand::Running || stand.goes_on() || !self.app.is_live() {
            return;
        }
        // BEL, and a notification (OSC 9), which the name of a run cannot end early.
        let name = self.app.seen().name;
        let name: String = name.chars().filter(|c| !c.is_control()).collect();
        let word = stand.word().to_lowercase();
        let text = format!("\x07\x1b]9;{name}: {word}\x07");
        let mut out = stdout();
        let _gone = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    fn draw(&mut self) -> io::Result<()> {
        let title = self.app.seen().tab_title();
        if title != self.title {
            let plain: String = title.chars().filter(|c| !c.is_control()).collect();
            execute!(stdout(), SetTitle(plain))?;
            self.title = title;
        }
        let (app, start) = (&mut self.app, Instant::now());
        self.terminal.draw(|frame| {
            panic_for_a_test();
            draw(frame, app);
        })?;
        // For benchmarks: `COMPACTER_LOG=trace`, with standard error in a file.
        tracing::trace!("frame drawn in {} µs", start.elapsed().as_micros());
        Ok(())
    }

    /// Takes an input; says how the screen was left, if it was.
    fn take(&mut self, input: Input) -> io::Result<Option<Left>> {
        let wish = match input {
            Input::Key(key) => self.app.key(key),
            Input::Mouse(event) => self.app.mouse(event),
            Input::Paste(text) => {
                self.app.paste(&text);
                Wish::None
            }
            Input::Resized => Wish::None,
            Input::Focus(looked_at) => {
                self.looked_at = looked_at;
                Wish::None
            }
            Input::Signal(SIGTSTP) => Wish::Suspend,
            Input::Signal(SIGCONT) => {
                // Somebody else stopped us: the shell may have changed the terminal since.
                self.guard.take()?;
                Wish::Redraw
            }
            Input::Signal(signal) => return Ok(Some(Left::BySignal(signal))),
            Input::Gone => return Ok(Some(Left::Detached)),
        };
        self.grant(wish)
    }

    /// Draws everything at the next opportunity, whatever the terminal shows now.
    ///
    /// `Terminal::clear` asks the terminal where its cursor is, which not every one answers
    /// and for which the input has to be quiet; a change of size does not, on a whole screen.
    fn anew(&mut self) -> io::Result<()> {
        let size = self.terminal.size()?;
        let terminal = &mut self.terminal;
        self.inputs
            .without(|| terminal.resize(Rect::from((Position::ORIGIN, size))))
    }

    fn grant(&mut self, wish: Wish) -> io::Result<Option<Left>> {
        match wish {
            Wish::None => {}
            Wish::Leave => return Ok(Some(Left::Detached)),
            Wish::Save => {
                if self.signal_trainer(Trainer::end) {
                    self.app.saving = true;
                    self.app.tell("told the run to save and end", false);
                }
            }
            Wish::Kill => {
                let killed = self.signal_trainer(Trainer::kill);
                return Ok(killed.then_some(Left::Killed));
            }
            Wish::Suspend => {
                self.guard.lend();
                self.inputs.without(|| emulate_default_handler(SIGTSTP))?;
                self.guard.take()?;
                self.anew()?;
            }
            Wish::Edit => {
                self.guard.lend();
                let edited = self.inputs.without(|| edit(&self.app.folder.config_path()));
                self.guard.take()?;
                self.anew()?;
                if let Err(error) = edited {
                    self.app.tell(error, true);
                }
            }
            Wish::Redraw => self.anew()?,
            Wish::Copy(text) => {
                copy(&text)?;
                self.app.tell(format!("copied {text}"), false);
            }
            Wish::Export(name) => self.export(&name),
            Wish::Open(run) => self.open_run(&run),
            Wish::Fork(run, step) => self.fork_run(&run, step),
            Wish::Mouse => {
                self.mouse = !self.mouse;
                if self.mouse {
                    execute!(stdout(), EnableMouseCapture)?;
                } else {
                    execute!(stdout(), DisableMouseCapture)?;
                }
            }
        }
        Ok(None)
    }

    /// Signals the run's process; tells if that cannot be done, and says whether it was.
    fn signal_trainer(&mut self, send: fn(&Trainer) -> Result<()>) -> bool {
        let refused = match Trainer::of(self.app.folder.path()).as_ref().map(send) {
            Some(Ok(())) => return true,
            Some(Err(error)) => error.to_string(),
            None => "no process writes to this run".to_owned(),
        };
        self.app.tell(refused, true);
        false
    }
}

/// Seconds since 1970.
pub(crate) fn wall_clock() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}

/// Fails the drawing where a test asks for it, to see the terminal put back.
fn panic_for_a_test() {
    let asked = cfg!(debug_assertions) && std::env::var_os("COMPACTER_TEST_PANIC").is_some();
    assert!(!asked, "a test asked for a panic in drawing");
}
