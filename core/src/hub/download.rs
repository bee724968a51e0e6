//! Fetches a repository, or some files of one, into the cache.
//!
//! A branch is pinned to its commit first, so that files of two commits never mix; the
//! branch's entry in the cache is written last, so that it never stands for half of what is
//! needed.

use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use hf_hub::repository::{RepoSibling, RepoTreeEntry, RepoType};
use hf_hub::{HFClient, HFError, HFRepository, split_id};

use super::explain::explain;
use super::files::{self, CONFIG, EXTRAS, TOKENIZERS, WEIGHTS, WeightFiles};
use super::store::{Remote, Store};
use super::transfer::Transfer;
use super::{Choose, Hub, HubId, cache};
use crate::{Error, Result, atomic};

/// How often who waits looks at whether to stop.
pub(super) const POLL: Duration = Duration::from_millis(50);

/// Downloads what a model lacks in the cache and returns its folder there.
pub(super) fn model(
    hub: &Hub,
    id: &HubId,
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Result<PathBuf> {
    let job = Job { hub, id, cancelled };
    job.started(|| job.model())
}

/// Downloads the files of a data set that `choose` names, and returns its folder.
pub(super) fn data_set(
    hub: &Hub,
    id: &HubId,
    choose: Choose<'_>,
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Result<PathBuf> {
    let job = Job { hub, id, cancelled };
    job.started(|| job.data_set(choose))
}

/// One download.
pub(super) struct Job<'a> {
    pub(super) hub: &'a Hub,
    pub(super) id: &'a HubId,
    cancelled: &'a (dyn Fn() -> bool + Sync),
}

impl Job<'_> {
    /// Runs a download on a thread of its own: a runtime cannot start inside another, and
    /// the caller may well be a notebook that has one.
    fn started<F: Future<Output = Result<PathBuf>>>(
        &self,
        download: impl FnOnce() -> F + Send,
    ) -> Result<PathBuf> {
        let runtime = || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| self.refuse(format!("cannot start a download: {error}")))?
                .block_on(download())
        };
        std::thread::scope(|scope| match scope.spawn(runtime).join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    }

    async fn model(&self) -> Result<PathBuf> {
        let client = self.client().map_err(|error| self.explain(error))?;
        let (owner, name) = split_id(&self.id.repository);
        let repository = client.model(owner, name);
        let info = repository.info().revision(&self.id.revision).send();
        let info = self.wait(info).await?;
        let (commit, listed) = self.pinned(info.sha, info.siblings)?;
        let has = |file: &str| listed.iter().any(|name| name == file);

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

    async fn data_set(&self, choose: Choose<'_>) -> Result<PathBuf> {
        let client = self.client().map_err(|error| self.explain(error))?;
        let (owner, name) = split_id(&self.id.repository);
        let repository = client.dataset(owner, name);
        let info = repository.info().revision(&self.id.revision).send();
        let info = self.wait(info).await?;
        let (commit, listed) = self.pinned(info.sha, info.siblings)?;
        let wanted = choose(&listed)?;
        self.fetch_all(&repository, &commit, &wanted).await?;
        self.write_reference(&commit)?;
        let repository = cache::repository(&self.hub.cache, self.id);
        Ok(repository.join("snapshots").join(commit))
    }

    /// The commit of the revision asked for, and its files.
    fn pinned(
        &self,
        commit: Option<String>,
        listed: Option<Vec<RepoSibling>>,
    ) -> Result<(String, Vec<String>)> {
        let commit = commit.filter(|commit| cache::is_commit(commit));
        let commit = commit
            .ok_or_else(|| self.refuse("the hub names no commit for this revision".to_owned()))?;
        let listed = listed.unwrap_or_default().into_iter();
        Ok((commit, listed.map(|sibling| sibling.rfilename).collect()))
    }

    fn client(&self) -> Result<HFClient, HFError> {
        let builder = HFClient::builder()
            .cache_dir(&self.hub.cache)
            .retry_max_attempts(self.hub.retries);
        let builder = match &self.hub.token {
            Some(token) => builder.token(token),
            None => builder,
        };
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

    async fn fetch_all<T: RepoType>(
        &self,
        repository: &HFRepository<T>,
        commit: &str,
        wanted: &[String],
    ) -> Result<()> {
        let listing = repository
            .get_paths_info()
            .paths(wanted.to_vec())
            .revision(commit)
            .send();
        let entries = self.wait(listing).await?;
        let folder = cache::repository(&self.hub.cache, self.id);
        let store = Store {
            repository: &folder,
        };
        for wanted in wanted {
            let found = entries.iter().find_map(|entry| remote(entry, wanted));
            let found =
                found.ok_or_else(|| self.refuse(format!("the hub does not have {wanted}")))?;
            if !is_safe(&found) {
                let message = format!("the hub tells nothing sensible of {wanted}");
                return Err(self.refuse(message));
            }
            let transfer = Transfer {
                job: self,
                repository,
                store: &store,
                commit,
                remote: &found,
            };
            transfer.run().await?;
        }
        Ok(())
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
        atomic::write(&path, commit.as_bytes())
    }

    /// Waits for the hub's answer, or for being told to stop.
    async fn wait<T>(&self, request: impl Future<Output = Result<T, HFError>>) -> Result<T> {
        self.asked(request)
            .await?
            .map_err(|error| self.explain(error))
    }

    /// As [`Self::wait`], with the hub's own error.
    pub(super) async fn asked<T>(
        &self,
        request: impl Future<Output = Result<T, HFError>>,
    ) -> Result<Result<T, HFError>> {
        self.awaited(request).await
    }

    /// Waits, but no longer than until told to stop; dropping what is awaited ends it.
    pub(super) async fn awaited<T>(&self, awaited: impl Future<Output = T>) -> Result<T> {
        let mut awaited = pin!(awaited);
        loop {
            self.go_on()?;
            if let Ok(done) = tokio::time::timeout(POLL, awaited.as_mut()).await {
                return Ok(done);
            }
        }
    }

    pub(super) async fn sleep(&self, duration: Duration) -> Result<()> {
        self.awaited(tokio::time::sleep(duration)).await
    }

    /// Refuses to go on once told to stop.
    pub(super) fn go_on(&self) -> Result<()> {
        if (self.cancelled)() {
            return Err(Error::Cancelled);
        }
        Ok(())
    }

    pub(super) fn refuse(&self, message: String) -> Error {
        self.id.refuse(message)
    }

    pub(super) fn explain(&self, error: HFError) -> Error {
        self.refuse(explain(self.id, error))
    }
}

/// What the hub tells of the file wanted, if the entry is that.
fn remote(entry: &RepoTreeEntry, wanted: &str) -> Option<Remote> {
    match entry {
        RepoTreeEntry::File {
            path,
            size,
            oid,
            lfs,
            ..
        } if path == wanted => Some(Remote {
            path: path.clone(),
            size: *size,
            oid: oid.clone(),
            large: lfs.is_some(),
        }),
        _ => None,
    }
}

/// Whether path and hash can be parts of paths on this machine.
fn is_safe(remote: &Remote) -> bool {
    let inside = remote
        .path
        .split('/')
        .all(|part| !["", ".", ".."].contains(&part));
    let hash = cache::is_commit(&remote.oid);
    inside && hash && !remote.path.contains('\\')
}
