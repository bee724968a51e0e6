//! Sweeps: a grid of runs in processes of their own, and a table that moves.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, sleep};
use std::time::Duration;

use compacter_core::Error;
use compacter_core::run::lock;
use compacter_core::sweep::{Report, Row, Sweep, SweepFolder, Value};

use super::process;
use crate::error::{NotebookError, Result};
use crate::interrupt::{self, LOOK};
use crate::show::{Bundle, Cell, DisplayHandle, Rich, Table, display};

/// Between two looks at the results.
const FRAME: Duration = Duration::from_millis(500);

/// A sweep: a grid of runs, and what they have come to.
///
/// Dropping it ends nothing, and neither does a restart of the notebook's process: the same
/// call shows the sweep again, and goes on with what is left of it.
#[derive(Debug, Clone)]
pub struct Sweeping {
    sweep: Arc<Sweep>,
    /// The process that starts the runs, where this one started it.
    process: Option<Arc<Mutex<Child>>>,
}

/// Trains and measures every run of a sweep's file, and shows the table while it fills.
///
/// A sweep that is there is gone on with; one that another process works on is only shown.
///
/// # Errors
/// When the file is refused, or the program that trains is not found or cannot be started.
pub fn sweep(file: impl AsRef<Path>) -> Result<Sweeping> {
    let sweep = Arc::new(Sweep::load(file.as_ref())?);
    let folder = SweepFolder::of(&sweep);
    folder.create()?;
    let mut sweeping = Sweeping {
        sweep,
        process: None,
    };
    let is_open = sweeping.report()?.tally.open > 0;
    if is_open && lock::holder(folder.path())?.is_none() {
        let child = start(file.as_ref(), &folder)?;
        sweeping.process = Some(Arc::new(Mutex::new(child)));
    }
    let handle = display(&sweeping);
    if is_open {
        let shown = sweeping.clone();
        let live = thread::Builder::new().name("live table".to_owned());
        let live = live.spawn(move || follow(&shown, &handle));
        live.map_err(Error::io(folder.path(), "start a thread for"))?;
    }
    Ok(sweeping)
}

/// Shows what has come of a sweep, until nobody works on it any more.
fn follow(sweeping: &Sweeping, handle: &DisplayHandle) {
    let (mut last, mut at_work) = (sweeping.bundle(), true);
    while at_work {
        sleep(FRAME);
        // Looked at before the results: the last ones are then among them.
        at_work = sweeping.is_running().unwrap_or(false);
        let bundle = sweeping.bundle();
        if bundle != last {
            handle.update(&bundle);
            last = bundle;
        }
    }
}

fn start(file: &Path, folder: &SweepFolder) -> Result<Child> {
    let program = process::find()?;
    let log = folder.path().join("sweep.log");
    let out = File::create(&log).map_err(Error::io(&log, "create"))?;
    let err = out.try_clone().map_err(Error::io(&log, "create"))?;
    let child = process::quiet(Command::new(&program).arg("sweep").arg(file))
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        // Out of the group of the cells' process, which a restart ends.
        .process_group(0)
        .spawn();
    Ok(child.map_err(Error::io(&program, "start"))?)
}

impl Sweeping {
    /// What the runs have come to so far.
    ///
    /// # Errors
    /// When a result cannot be read.
    pub fn report(&self) -> Result<Report> {
        Ok(Report::read(&self.sweep)?)
    }

    /// The sweep's folder, with `table.csv` and others once it is done.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.sweep.folder
    }

    /// Whether a process works on it.
    ///
    /// # Errors
    /// When the lock cannot be looked at.
    pub fn is_running(&self) -> Result<bool> {
        if let Some(process) = &self.process {
            let mut child = process.lock().unwrap_or_else(PoisonError::into_inner);
            let ended = child.try_wait().map_err(Error::io("sweep", "wait for"))?;
            return Ok(ended.is_none());
        }
        Ok(lock::holder(self.folder())?.is_some())
    }

    /// Waits until nobody works on it any more; an interrupt ends the waiting, not the sweep.
    ///
    /// # Errors
    /// When runs are left to be done, with what the process said, or the cell is interrupted.
    pub fn wait(&self) -> Result<Report> {
        while self.is_running()? {
            if interrupt::check().is_err() {
                return Err(NotebookError::Interrupted {
                    message: "the sweep goes on; the same call shows it again".to_owned(),
                });
            }
            sleep(LOOK);
        }
        let report = self.report()?;
        if report.tally.open > 0 {
            let said = fs::read_to_string(self.folder().join("sweep.log")).unwrap_or_default();
            let said = said
                .lines()
                .rev()
                .find_map(|line| line.strip_prefix("error: "));
            let open = report.tally.open;
            let message = said.map_or_else(
                || format!("it ended with {open} runs to be done"),
                str::to_owned,
            );
            return Err(NotebookError::Refused { message });
        }
        Ok(report)
    }

    /// The table so far.
    ///
    /// # Errors
    /// When a result cannot be read.
    pub fn table(&self) -> Result<Table> {
        Ok(table(&self.report()?))
    }
}

fn table(report: &Report) -> Table {
    let names = report.columns.iter().map(|column| column.name.clone());
    let tuned = report
        .tuned
        .iter()
        .map(|column| format!("{} (chosen)", column.name));
    let measured = ["trained", "n", "metric", "test"].map(str::to_owned);
    let baseline = report
        .baseline
        .as_ref()
        .map(|name| format!("− {name} [95 %]"));
    let mut table = Table::new(names.chain(tuned).chain(measured).chain(baseline));
    for row in &report.rows {
        table.push(cells(row));
    }
    table
}

fn cells(row: &Row) -> Vec<Cell> {
    let value = |value: &Option<Value>| match value {
        Some(Value {
            number: Some(n), ..
        }) => Cell::from(*n),
        value => value.as_ref().map(|value| value.text.as_str()).into(),
    };
    let mut cells: Vec<Cell> = row.values.iter().chain(&row.tuned).map(value).collect();
    let Some(found) = &row.found else {
        cells.extend([Cell::Empty, format!("0/{}", row.planned).into()]);
        return cells;
    };
    let spread = found
        .test
        .sd
        .map_or_else(String::new, |sd| format!(" ± {sd:.4}"));
    // As in the printed table, only what is better beyond the noise is marked.
    let mark = if row.best { "▲ " } else { "" };
    cells.push(found.trainable.into());
    cells.push(format!("{}/{}", found.test.n, row.planned).into());
    cells.push(found.metric.as_str().into());
    cells.push(format!("{mark}{:.4}{spread}", found.test.mean).into());
    let difference = found.difference.as_ref();
    cells.push(
        difference
            .map(|d| format!("{:+.4} [{:+.4}, {:+.4}]", d.mean, d.low, d.high))
            .into(),
    );
    cells
}

impl Rich for Sweeping {
    fn bundle(&self) -> Bundle {
        let report = match self.report() {
            Ok(report) => report,
            Err(error) => return error.bundle(),
        };
        let tally = report.tally;
        let all = tally.measured + tally.failed + tally.open;
        let failed = match tally.failed {
            0 => String::new(),
            failed => format!(", {failed} failed"),
        };
        let line = format!(
            "{}: {} of {all} runs measured{failed}",
            self.folder().display(),
            tally.measured
        );
        let table = table(&report);
        let html = format!(
            "<div>{}</div>{}",
            crate::show::html::escape(&line),
            table.to_html()
        );
        Bundle::plain(format!("{line}\n{}", table.to_text())).with_html(html)
    }
}
