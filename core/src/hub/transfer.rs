//! Moves one file from the hub into the cache.
//!
//! The library's stream neither goes on where it broke off nor checks what came. So the
//! bytes go into a file that outlives a cut, the next request asks for the rest only, and
//! length and hash are compared before anything is called by its name. A transfer is begun
//! again as long as bytes keep coming, and as often as the hub's client is told to where
//! none do.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::Path;
use std::pin::Pin;
use std::time::{Duration, Instant};

use hf_hub::repository::RepoType;
use hf_hub::{HFError, HFRepository};

use super::download::{Job, POLL};
use super::store::{Remote, Store};
use crate::{Error, Result};

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(200);
/// Between two lines of progress.
const TELL: Duration = Duration::from_secs(5);

/// How a request ended.
enum Ended {
    /// All bytes that there should be are there.
    Whole,
    /// The connection broke; what came is kept.
    Broken(HFError),
    /// The hub sent other bytes than were asked for.
    Wrong(String),
}

/// A file on its way.
pub(super) struct Transfer<'a, T: RepoType> {
    pub(super) job: &'a Job<'a>,
    pub(super) repository: &'a HFRepository<T>,
    pub(super) store: &'a Store<'a>,
    pub(super) commit: &'a str,
    pub(super) remote: &'a Remote,
}

impl<T: RepoType> Transfer<'_, T> {
    /// Brings the file into the cache, unless it is there.
    pub(super) async fn run(&self) -> Result<()> {
        let _lock = self.lock().await?;
        let name = match self.store.find(self.remote) {
            Some(name) => name,
            None => self.fetch().await?,
        };
        self.store.link(&name, self.commit, &self.remote.path)
    }

    async fn fetch(&self) -> Result<String> {
        let (remote, incomplete) = (self.remote, self.store.incomplete(self.remote));
        tracing::info!(of = %self.job.id, file = remote.path, bytes = remote.size, "downloading");
        let mut failures = 0;
        loop {
            let before = length(&incomplete);
            match self.receive(&incomplete, before).await? {
                Ended::Whole => break,
                Ended::Wrong(damage) => return Err(self.damaged(&incomplete, &damage)),
                Ended::Broken(error) => {
                    failures = if length(&incomplete) > before {
                        0
                    } else {
                        failures + 1
                    };
                    if failures > self.job.hub.retries {
                        return Err(self.job.explain(error));
                    }
                    self.job.sleep(PAUSE).await?;
                }
            }
        }
        match remote.check(&incomplete, &|| self.job.go_on())? {
            Ok(name) => {
                let blob = self.store.blob(&name);
                File::open(&incomplete)
                    .and_then(|file| file.sync_all())
                    .and_then(|()| fs::rename(&incomplete, &blob))
                    .map_err(Error::io(&blob, "write"))?;
                Ok(name)
            }
            Err(damage) => Err(self.damaged(&incomplete, &damage)),
        }
    }

    /// Asks for what is still to come after `have` bytes, and writes it.
    async fn receive(&self, incomplete: &Path, have: u64) -> Result<Ended> {
        let size = self.remote.size;
        if have > size {
            return Ok(Ended::Wrong(format!(
                "more than the {size} bytes that it has"
            )));
        }
        if have == size {
            // An empty file has nothing to ask for.
            self.open(incomplete)?;
            return Ok(Ended::Whole);
        }
        let request = self
            .repository
            .download_file_stream()
            .filename(&self.remote.path)
            .revision(self.commit)
            .maybe_range((have > 0).then_some(have..size))
            .send();
        let (announced, mut stream) = match self.job.asked(request).await? {
            Ok(answer) => answer,
            Err(error) => return Err(self.job.explain(error)),
        };
        // The length of the whole file is what some answers to a range announce.
        if let Some(length) = announced.filter(|length| ![size - have, size].contains(length)) {
            // Nothing of it was written: what has come before is still good.
            let wrong = format!("{length} bytes are announced instead of {}", size - have);
            return Ok(Ended::Broken(HFError::Io(std::io::Error::other(wrong))));
        }
        let mut file = self.open(incomplete)?;
        let (mut came, mut told) = (have, Instant::now());
        loop {
            let next = std::future::poll_fn(|cx| {
                futures_core::Stream::poll_next(Pin::new(&mut stream), cx)
            });
            match self.job.awaited(next).await? {
                Some(Ok(bytes)) => {
                    came += bytes.len() as u64;
                    if came > size && have > 0 {
                        // It sent the file from its start: so will we read it.
                        file.set_len(0)
                            .map_err(|error| self.unwritable(incomplete, error))?;
                        let ignored = "the hub does not go on in the middle of a file";
                        return Ok(Ended::Broken(HFError::Io(std::io::Error::other(ignored))));
                    }
                    let written = file.write_all(&bytes);
                    written.map_err(|error| self.unwritable(incomplete, error))?;
                }
                Some(Err(error)) => return Ok(Ended::Broken(error)),
                None => break,
            }
            if told.elapsed() >= TELL {
                told = Instant::now();
                let file = &self.remote.path;
                tracing::info!("downloading {file}: {}", progress(came, size));
            }
        }
        Ok(if came < size {
            let cut = format!("the connection ended after {came} of {size} bytes");
            Ended::Broken(HFError::Io(std::io::Error::other(cut)))
        } else {
            Ended::Whole
        })
    }

    fn open(&self, incomplete: &Path) -> Result<File> {
        let open = || {
            fs::create_dir_all(incomplete.parent().unwrap_or(incomplete))?;
            OpenOptions::new()
                .create(true)
                .append(true)
                .open(incomplete)
        };
        open().map_err(|error| self.unwritable(incomplete, error))
    }

    /// Waits until no other program fetches the same file.
    async fn lock(&self) -> Result<File> {
        let (cache, remote) = (&self.job.hub.cache, self.remote);
        let folder = self.store.repository.file_name().unwrap_or_default();
        let path = cache
            .join(".locks")
            .join(folder)
            .join(format!("{}.lock", remote.oid));
        let open = || {
            fs::create_dir_all(path.parent().unwrap_or(&path))?;
            File::create(&path)
        };
        let file = open().map_err(|error| self.unwritable(&path, error))?;
        let start = Instant::now();
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(self.unwritable(&path, error)),
            }
            if !told && start.elapsed() > TELL {
                told = true;
                tracing::info!("waiting for another program that downloads {}", remote.path);
            }
            self.job.sleep(POLL).await?;
        }
    }

    fn damaged(&self, incomplete: &Path, damage: &str) -> Error {
        // Gone is what it should be; anything else the next attempt reports.
        let _ = fs::remove_file(incomplete);
        let file = &self.remote.path;
        self.job.refuse(format!(
            "{file} arrived damaged ({damage}) and was removed again: try once more"
        ))
    }

    fn unwritable(&self, path: &Path, error: std::io::Error) -> Error {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        if !matches!(error.kind(), StorageFull | QuotaExceeded) {
            return Error::io(path, "write")(error);
        }
        let left = self.remote.size.saturating_sub(length(path));
        self.job.refuse(format!(
            "{} needs {left} more bytes, and the disk of {} is full: make room, or name another \
             folder in HF_HUB_CACHE; what has come is kept, and the download goes on after it",
            self.remote.path,
            self.job.hub.cache.display()
        ))
    }
}

/// Bytes of a file; none where there is no file.
fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |found| found.len())
}

fn progress(came: u64, size: u64) -> String {
    const MEGABYTE: f64 = 1e6;
    let (percent, all) = (100 * came / size.max(1), size as f64 / MEGABYTE);
    format!("{percent} % of {all:.1} MB")
}
