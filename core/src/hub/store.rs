//! One file of a repository in the cache: what it is called, and whether it is whole.
//!
//! The hub tells of each file the hash that git has for it. Of a large file git holds a
//! pointer only, three lines with the SHA-256 and the size of the content; so the hash of
//! the content that came makes a pointer whose own hash must be the one told. In the cache a
//! small file is named by git's hash, a large one by its SHA-256, as by every other library.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::{Error, Result, atomic};

/// Bytes that are hashed between two looks at whether to stop.
const CHUNK: usize = 1 << 20;

/// A file that the hub has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remote {
    /// Path in the repository.
    pub(super) path: String,
    /// Bytes.
    pub(super) size: u64,
    /// Git's hash of the content, or of the pointer to it.
    pub(super) oid: String,
    /// Whether git holds a pointer only.
    pub(super) large: bool,
}

/// The folder of a repository in the cache.
#[derive(Debug)]
pub(super) struct Store<'a> {
    pub(super) repository: &'a Path,
}

impl Remote {
    /// Git's hash of the file, were its content of this SHA-256; `None` for small files.
    fn pointer(&self, sha256: &str) -> Option<String> {
        let size = self.size;
        let text = format!(
            "version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n"
        );
        self.large
            .then(|| hex(&git(text.len() as u64).chain_update(text).finalize()))
    }

    /// What is wrong with a content, or the name that the cache has for it.
    pub(super) fn check(
        &self,
        file: &Path,
        go_on: &dyn Fn() -> Result<()>,
    ) -> Result<Result<String, String>> {
        let found = fs::metadata(file).map_err(Error::io(file, "read"))?.len();
        if found != self.size {
            return Ok(Err(format!("{found} bytes instead of {}", self.size)));
        }
        let (mut git, mut sha256) = (git(self.size), Sha256::new());
        let mut opened = File::open(file).map_err(Error::io(file, "open"))?;
        let mut chunk = vec![0; CHUNK];
        loop {
            go_on()?;
            let length = opened.read(&mut chunk).map_err(Error::io(file, "read"))?;
            match &chunk[..length] {
                [] => break,
                read if self.large => sha256.update(read),
                read => git.update(read),
            }
        }
        if !self.large {
            let found = hex(&git.finalize());
            let wrong = || format!("git's hash is {found} instead of {}", self.oid);
            return Ok(if found == self.oid {
                Ok(found)
            } else {
                Err(wrong())
            });
        }
        let found = hex(&sha256.finalize());
        Ok(match self.pointer(&found) {
            Some(pointer) if pointer == self.oid => Ok(found),
            _ => Err(format!(
                "its SHA-256 {found} is not the one that the hub names"
            )),
        })
    }
}

impl Store<'_> {
    fn blobs(&self) -> PathBuf {
        self.repository.join("blobs")
    }

    /// Where a content of this name belongs.
    pub(super) fn blob(&self, name: &str) -> PathBuf {
        self.blobs().join(name)
    }

    /// What has come of a file so far; it stays when a download is cut off.
    pub(super) fn incomplete(&self, remote: &Remote) -> PathBuf {
        self.blobs().join(format!("{}.incomplete", remote.oid))
    }

    /// The name of a file's content where some revision or library has brought it already.
    pub(super) fn find(&self, remote: &Remote) -> Option<String> {
        let has = |name: &str| {
            let found = fs::metadata(self.blob(name));
            found.is_ok_and(|found| found.is_file() && found.len() == remote.size)
        };
        if !remote.large {
            return has(&remote.oid).then(|| remote.oid.clone());
        }
        let entries = fs::read_dir(self.blobs()).ok()?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names
            .filter(|name| name.len() == 64)
            .find(|name| remote.pointer(name).as_ref() == Some(&remote.oid) && has(name))
    }

    /// Shows a content under a file's path in the snapshot of a commit.
    pub(super) fn link(&self, name: &str, commit: &str, path: &str) -> Result<()> {
        let link = self.repository.join("snapshots").join(commit).join(path);
        let folder = link.parent().unwrap_or(&link);
        fs::create_dir_all(folder).map_err(Error::io(folder, "create"))?;
        // Relative, so that the cache can be moved: out of `snapshots/<commit>/` and of the
        // folders in the path.
        let up = "../".repeat(path.matches('/').count() + 2);
        let target = PathBuf::from(format!("{up}blobs/{name}"));
        if fs::read_link(&link).is_ok_and(|found| found == target) {
            return Ok(());
        }
        // Another program may be reading: the file is there at every moment.
        let draft = atomic::unfinished(&link)?;
        point(&draft, &target, &self.blob(name))
            .and_then(|()| fs::rename(&draft, &link))
            .map_err(Error::io(&link, "create"))
    }
}

#[cfg(unix)]
fn point(link: &Path, relative: &Path, _blob: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(relative, link)
}

/// Links need privileges here; other libraries copy too.
#[cfg(not(unix))]
fn point(link: &Path, _relative: &Path, blob: &Path) -> std::io::Result<()> {
    fs::copy(blob, link).map(drop)
}

/// Git's hash of a content of so many bytes, which are still to come.
fn git(size: u64) -> Sha1 {
    Sha1::new().chain_update(format!("blob {size}\0"))
}

/// Writes bytes as a hash is written.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16);
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(digit).collect()
}
