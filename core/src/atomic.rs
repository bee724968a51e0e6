//! Files and folders that are there whole or not at all.
//!
//! What is made gets a name that starts with `.tmp-` in the folder that it is meant for, is
//! forced to the disk, and only then renamed. A folder that takes another's place has to
//! move that aside first, as `.old-<name>`; [`recover`] undoes or completes what a dying
//! process left.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::{Error, Result};

const UNFINISHED: &str = ".tmp-";
const MOVED_ASIDE: &str = ".old-";

/// Writes a file whole, in the place of what has its name.
///
/// # Errors
/// [`Error::Io`]; what was there before is then still there.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = unfinished(path)?;
    let written = File::create(&temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = written {
        // Best effort: a leftover does no harm, and the error is the one to tell.
        let _leftover = fs::remove_file(&temporary);
        return Err(Error::io(path, "write")(error));
    }
    sync_folder(parent(path)?)
}

/// Writes a file whole in the place of what is there, if that still is `expected`; says
/// whether it was. What a link leads to is replaced, and keeps its permissions.
///
/// # Errors
/// [`Error::Io`]; what was there before is then still there.
pub fn replace(path: &Path, expected: &[u8], bytes: &[u8]) -> Result<bool> {
    match replace_target(path, expected, bytes) {
        // Deleted or moved away since it was read, as some editors do while they save.
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(false),
        outcome => outcome,
    }
}

fn replace_target(path: &Path, expected: &[u8], bytes: &[u8]) -> Result<bool> {
    let target = path.canonicalize().map_err(Error::io(path, "open"))?;
    let temporary = unfinished(&target)?;
    let made = File::create(&temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::set_permissions(&temporary, fs::metadata(&target)?.permissions()))
        // As late as can be: what somebody saves from here on is lost.
        .and_then(|()| fs::read(&target))
        .and_then(|found| {
            if found == expected {
                fs::rename(&temporary, &target).map(|()| true)
            } else {
                fs::remove_file(&temporary).map(|()| false)
            }
        });
    let replaced = made.map_err(|error| {
        // Best effort, as above.
        let _leftover = fs::remove_file(&temporary);
        Error::io(path, "write")(error)
    })?;
    sync_folder(parent(&target)?)?;
    Ok(replaced)
}

/// Makes a folder whole, in the place of what has its name: `fill` writes its files, none
/// in sub-folders, into the folder that it is given.
///
/// # Errors
/// The error of `fill`, or [`Error::Io`]; what was there before is then still there.
pub fn write_dir(path: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let temporary = unfinished(path)?;
    let made = make_dir(&temporary, fill).and_then(|()| put_in_place(&temporary, path));
    if made.is_err() {
        // Best effort, as above.
        let _leftover = fs::remove_dir_all(&temporary);
    }
    made
}

/// Removes a folder with all it holds: it is there whole until it is not there at all.
///
/// # Errors
/// [`Error::Io`] when that is refused.
pub fn remove_dir(path: &Path) -> Result<()> {
    let leaving = unfinished(path)?;
    fs::rename(path, &leaving).map_err(Error::io(path, "remove"))?;
    remove(&leaving)
}

/// Brings a folder in order after a process died in it: removes what was not finished and
/// puts back what was moved aside and not replaced. Only for the folder's one writer.
///
/// # Errors
/// [`Error::Io`] when something cannot be removed or put back.
pub fn recover(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(Error::io(folder, "list"))? {
        let entry = entry.map_err(Error::io(folder, "list"))?;
        let (path, name) = (entry.path(), entry.file_name());
        let Some(name) = name.to_str() else { continue };
        if name.starts_with(UNFINISHED) {
            remove(&path)?;
        } else if let Some(original) = name.strip_prefix(MOVED_ASIDE) {
            let original = folder.join(original);
            if original.exists() {
                remove(&path)?;
            } else {
                fs::rename(&path, &original).map_err(Error::io(&path, "put back"))?;
            }
        }
    }
    sync_folder(folder)
}

/// Removes a file or a folder with all it holds.
fn remove(path: &Path) -> Result<()> {
    let removed = if path.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    removed.map_err(Error::io(path, "remove"))
}

fn make_dir(temporary: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    match fs::remove_dir_all(temporary) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(Error::io(temporary, "remove")(error));
        }
        _ => fs::create_dir(temporary).map_err(Error::io(temporary, "create"))?,
    }
    fill(temporary)?;
    for entry in fs::read_dir(temporary).map_err(Error::io(temporary, "list"))? {
        let path = entry.map_err(Error::io(temporary, "list"))?.path();
        File::open(&path)
            .and_then(|file| file.sync_all())
            .map_err(Error::io(&path, "write"))?;
    }
    sync_folder(temporary)
}

fn put_in_place(temporary: &Path, path: &Path) -> Result<()> {
    let folder = parent(path)?;
    let aside = folder.join(format!("{MOVED_ASIDE}{}", name(path)?));
    let replaces = path.exists();
    if replaces {
        // Unlike a file, a folder cannot be renamed over another.
        fs::rename(path, &aside).map_err(Error::io(path, "replace"))?;
    }
    if let Err(error) = fs::rename(temporary, path) {
        if replaces {
            fs::rename(&aside, path).map_err(Error::io(&aside, "put back"))?;
        }
        return Err(Error::io(path, "write")(error));
    }
    sync_folder(folder)?;
    if replaces {
        remove(&aside)?;
    }
    Ok(())
}

/// A name for what is to become `path`, which no other thread of any process gives.
pub(crate) fn unfinished(path: &Path) -> Result<PathBuf> {
    let process = std::process::id();
    let thread = format!("{:?}", std::thread::current().id());
    let thread: String = thread.chars().filter(char::is_ascii_digit).collect();
    let name = format!("{UNFINISHED}{process}-{thread}-{}", name(path)?);
    Ok(parent(path)?.join(name))
}

fn name(path: &Path) -> Result<&str> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.ok_or_else(|| Error::io(path, "write")(ErrorKind::InvalidFilename.into()))
}

/// The folder that holds `path`; `.` for a bare name.
fn parent(path: &Path) -> Result<&Path> {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Ok(Path::new(".")),
        Some(parent) => Ok(parent),
        None => Err(Error::io(path, "write")(ErrorKind::InvalidFilename.into())),
    }
}

/// Forces a folder's list of names to the disk, so that a rename outlives a power cut.
#[cfg(unix)]
pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder)
        .and_then(|file| file.sync_all())
        .map_err(Error::io(folder, "write"))
}

/// Other systems cannot open folders and order renames themselves.
#[cfg(not(unix))]
pub(crate) fn sync_folder(_: &Path) -> Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn put(folder: &Path, text: &str) -> Result<()> {
        fs::write(folder.join("a"), text).map_err(Error::io(folder, "write"))
    }

    #[test]
    fn threads_that_write_the_same_file_are_not_in_each_others_way() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::thread::scope(|scope| {
            for text in ["one", "two"] {
                let path = &path;
                scope.spawn(move || {
                    for _ in 0..20 {
                        write(path, text.as_bytes()).unwrap();
                    }
                });
            }
        });
        let left = fs::read_to_string(&path).unwrap();
        assert!(["one", "two"].contains(&left.as_str()), "{left}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_takes_the_place_of_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index.json");
        write(&path, b"first").unwrap();
        write(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(names(folder.path()), ["index.json"]);
    }

    #[test]
    fn a_failed_write_leaves_nothing_and_says_where() {
        let folder = tempfile::tempdir().unwrap();
        let occupied = folder.path().join("occupied");
        fs::create_dir(&occupied).unwrap();
        let message = write(&occupied, b"text").unwrap_err().to_string();
        assert!(message.contains("occupied: cannot write"), "{message}");
        assert_eq!(names(folder.path()), ["occupied"]);
        let nowhere = folder.path().join("none/file");
        let message = write(&nowhere, b"text").unwrap_err().to_string();
        assert!(message.contains("none/file: cannot write"), "{message}");
    }

    #[test]
    fn a_file_is_replaced_only_if_it_is_as_expected() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.toml");
        fs::write(&path, "first").unwrap();
        assert!(replace(&path, b"first", b"second").unwrap());
        assert!(!replace(&path, b"first", b"third").unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(names(folder.path()), ["run.toml"]);
        // Deleted since it was read, as an editor may while it saves.
        assert!(!replace(&folder.path().join("none"), b"", b"").unwrap());
    }

    #[cfg(unix)]
    #[test]
    fn what_a_link_leads_to_is_replaced_and_keeps_its_permissions() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "first").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("file", &link).unwrap();
        assert!(replace(&link, b"first", b"second").unwrap());
        assert!(link.is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"second");
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o640
        );
    }

    #[test]
    fn a_folder_takes_the_place_of_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("step-000001");
        write_dir(&path, |dir| put(dir, "first")).unwrap();
        write_dir(&path, |dir| put(dir, "second")).unwrap();
        assert_eq!(fs::read(path.join("a")).unwrap(), b"second");
        assert_eq!(names(folder.path()), ["step-000001"]);
    }

    #[test]
    fn a_folder_that_cannot_be_filled_leaves_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("step-000001");
        write_dir(&path, |dir| put(dir, "first")).unwrap();
        let failed = write_dir(&path, |dir| {
            put(dir, "second")?;
            Err(Error::Cancelled)
        });
        assert!(matches!(failed, Err(Error::Cancelled)));
        assert_eq!(fs::read(path.join("a")).unwrap(), b"first");
        assert_eq!(names(folder.path()), ["step-000001"]);
    }

    #[test]
    fn leftovers_of_a_killed_process_are_removed_or_put_back() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at(".tmp-7-index.json"), "{").unwrap();
        fs::create_dir(at(".tmp-7-step-000003")).unwrap();
        put(&at(".tmp-7-step-000003"), "half").unwrap();
        // Killed between the two renames: the old one is all there is.
        fs::create_dir(at(".old-step-000001")).unwrap();
        put(&at(".old-step-000001"), "old").unwrap();
        // Killed after them: the new one is in place.
        for name in [".old-step-000002", "step-000002"] {
            fs::create_dir(at(name)).unwrap();
            put(&at(name), name).unwrap();
        }
        recover(folder.path()).unwrap();
        assert_eq!(names(folder.path()), ["step-000001", "step-000002"]);
        assert_eq!(fs::read(at("step-000001/a")).unwrap(), b"old");
        assert_eq!(fs::read(at("step-000002/a")).unwrap(), b"step-000002");
    }
}
