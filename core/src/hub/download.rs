//! Fetches a model into the cache.
//!
//! A branch is pinned to its commit first, so that files of two commits never mix; the
//! branch's entry in the cache is written last, so that it never stands for half a model.
//! The library that moves the bytes checks neither their number nor their hash: both are
//! checked here.

use std::future::Future;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use hf_hub::repository::RepoTreeEntry;
use hf_hub::{HFClient, HFError, HFRepository, RepoTypeModel, split_id};
use sha2::{Digest, Sha256};

use super::explain::explain;
use super::files::{self, CONFIG, EXTRAS, TOKENIZERS, WEIGHTS, WeightFiles};
use super::{Hub, HubId, cache};
use crate::cancel::CancelToken;
use crate::{Error, Result};

/// How often a waiting download looks at its token.
const POLL: Duration = Duration::from_millis(50);

/// Bytes that are hashed between two looks at the token.
const CHUNK: usize = 1 << 20;

/// Downloads what the model lacks in the cache and returns its folder there.
pub(super) fn download(hub: &Hub, id: &HubId, cancel: &CancelToken) -> Result<PathBuf> {
    let job = Job { hub, id, cancel };
    // On a thread of its own: a runtime cannot start inside another, and the caller may
    // well be a notebook that has one.
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| job.refuse(format!("cannot start a download: {error}")))?
            .block_on(job.run())
    };
    std::thread::scope(|scope| match scope.spawn(runtime).join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

/// One download.
struct Job<'a> {
    hub: &'a Hub,
    id: &'a HubId,
    cancel: &'a CancelToken,
}

/// A file that the hub has.
struct Remote {
    path: String,
    size: u64,
}

impl Job<'_> {
    async fn run(&self) -> Result<PathBuf> {
        let client = self.client().map_err(|error| self.explain(error))?;
        let (owner, name) = split_id(&self.id.repository);
        let repository = client.model(owner, name);
        let info = repository.info().revision(&self.id.revision).send();
        let info = self.wait(info).await?;
        let commit = info
            .sha
            .filter(|sha| cache::is_commit(sha))
            .ok_or_else(|| self.refuse("the hub names no commit for this revision".to_owned()))?;
        let listed = info.siblings.unwrap_or_default();
        let has = |file: &str| listed.iter().any(|sibling| sibling.rfilename == file);

        let (mut wanted, weights) = self.choose(has)?;
        let folder = cache::repository(&self.hub.cache, self.id)
            .join("snapshots")
            .join(&commit);
        self.fetch_all(&repository, &commit, &wanted).await?;
        if !has(weights.single) {
            wanted = files::shards(&folder.join(weights.index))?
                .into_keys()
                .collect();
            self.fetch_all(&repository, &commit, &wanted).await?;
        }
        if let Some(what) = cache::lacking(&folder)? {
            return Err(self.refuse(format!("the download lacks {what}")));
        }
        self.write_reference(&commit)?;
        Ok(folder)
    }

    fn client(&self) -> Result<HFClient, HFError> {
        let builder = HFClient::builder()
            .cache_dir(&self.hub.cache)
            .retry_max_attempts(self.hub.retries);
        match &self.hub.endpoint {
            Some(endpoint) => builder.endpoint(endpoint).build(),
            None => builder.build(),
        }
    }

    /// The files to fetch, shards apart, and how the weights are kept.
    fn choose(&self, has: impl Fn(&str) -> bool) -> Result<(Vec<String>, WeightFiles)> {
        let Some(weights) = WEIGHTS.into_iter().find(|w| has(w.single) || has(w.index)) else {
            return Err(self.refuse(format!(
                "the hub has this model, but not as {} or {}",
                WEIGHTS[0].single, WEIGHTS[1].single
            )));
        };
        if !has(CONFIG) || !TOKENIZERS.iter().any(|file| has(file)) {
            return Err(self.refuse(format!(
                "the hub has this repository, but without {CONFIG} or a tokenizer ({})",
                TOKENIZERS.join(", ")
            )));
        }
        let kept = if has(weights.single) {
            weights.single
        } else {
            weights.index
        };
        let small = [CONFIG].into_iter().chain(TOKENIZERS).chain(EXTRAS);
        let files = small.filter(|file| has(file)).chain([kept]);
        Ok((files.map(str::to_owned).collect(), weights))
    }

    async fn fetch_all(
        &self,
        repository: &HFRepository<RepoTypeModel>,
        commit: &str,
        wanted: &[String],
    ) -> Result<()> {
        let listing = repository
            .get_paths_info()
            .paths(wanted.to_vec())
            .revision(commit)
            .send();
        let entries = self.wait(listing).await?;
        for wanted in wanted {
            let remote = entries.iter().find_map(|entry| match entry {
                RepoTreeEntry::File { path, size, .. } if path == wanted => Some(Remote {
                    path: path.clone(),
                    size: *size,
                }),
                _ => None,
            });
            let remote =
                remote.ok_or_else(|| self.refuse(format!("the hub does not have {wanted}")))?;
            self.fetch(repository, commit, &remote).await?;
        }
        Ok(())
    }

    async fn fetch(
        &self,
        repository: &HFRepository<RepoTypeModel>,
        commit: &str,
        remote: &Remote,
    ) -> Result<()> {
        tracing::info!(model = %self.id, file = remote.path, bytes = remote.size, "downloading");
        let file = repository
            .download_file()
            .filename(&remote.path)
            .revision(commit)
            .send();
        let link = self.wait(file).await?;
        if let Some(damage) = self.damage(&link, remote.size)? {
            let blob = std::fs::canonicalize(&link).unwrap_or_else(|_| link.clone());
            for broken in [&link, &blob] {
                // Gone is what it should be; anything else the next attempt reports.
                let _ = std::fs::remove_file(broken);
            }
            let file = &remote.path;
            return Err(self.refuse(format!(
                "{file} arrived damaged ({damage}) and was removed again: try once more"
            )));
        }
        Ok(())
    }

    /// How a file differs from what the hub has.
    fn damage(&self, link: &Path, size: u64) -> Result<Option<String>> {
        let found = std::fs::metadata(link)
            .map_err(Error::io(link, "read"))?
            .len();
        if found != size {
            return Ok(Some(format!("{found} bytes instead of {size}")));
        }
        // The cache names a large file by its SHA-256 and a small one by a git hash.
        let Ok(blob) = std::fs::canonicalize(link) else {
            return Ok(None);
        };
        let name = blob.file_name().and_then(|name| name.to_str());
        let is_sha256 =
            |name: &&str| name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit());
        let Some(expected) = name.filter(is_sha256) else {
            return Ok(None);
        };
        let found = self.sha256(&blob)?;
        Ok((found != expected).then(|| format!("SHA-256 {found} instead of {expected}")))
    }

    fn sha256(&self, path: &Path) -> Result<String> {
        let mut file = std::fs::File::open(path).map_err(Error::io(path, "open"))?;
        let mut chunk = vec![0; CHUNK];
        let mut hash = Sha256::new();
        loop {
            self.cancel.check()?;
            match file.read(&mut chunk).map_err(Error::io(path, "read"))? {
                0 => break,
                length => hash.update(&chunk[..length]),
            }
        }
        Ok(hex(&hash.finalize()))
    }

    /// Lets later runs find the commit under the revision's name.
    fn write_reference(&self, commit: &str) -> Result<()> {
        if cache::is_commit(&self.id.revision) {
            return Ok(());
        }
        let path = cache::repository(&self.hub.cache, self.id)
            .join("refs")
            .join(&self.id.revision);
        let parent = path.parent().unwrap_or(&path);
        std::fs::create_dir_all(parent).map_err(Error::io(parent, "create"))?;
        // Other programs read it at any time: it must never be seen half written.
        let draft = path.with_extension(format!("{}.part", std::process::id()));
        std::fs::write(&draft, commit).map_err(Error::io(&draft, "write"))?;
        std::fs::rename(&draft, &path).map_err(Error::io(&path, "write"))
    }

    /// Waits for the hub, but no longer than the token allows; dropping the request ends it.
    async fn wait<T>(&self, request: impl Future<Output = Result<T, HFError>>) -> Result<T> {
        let mut request = pin!(request);
        loop {
            self.cancel.check()?;
            if let Ok(done) = tokio::time::timeout(POLL, request.as_mut()).await {
                return done.map_err(|error| self.explain(error));
            }
        }
    }

    fn refuse(&self, message: String) -> Error {
        Error::model(self.id.to_string(), message)
    }

    fn explain(&self, error: HFError) -> Error {
        self.refuse(explain(self.id, error))
    }
}

/// Writes bytes as a hash is written.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16);
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(digit).collect()
}
