//! Where the kernel keeps what: the build that the installation made, and each kernel's own.
//!
//! ```text
//! <data>/compacter/kernel/
//!   builds/<key>/     what the installation built; nobody writes to it afterwards
//!     lib/, facade/, ctx/ and more: see install/build.rs
//!   kernels/<pid>/    a running kernel's own, with its sockets; goes away with it
//!   history.jsonl
//! ```
//!
//! All kernels link the one library; only the folder that evcxr makes cells in is copied.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What the installation built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facade {
    /// The crate that names the notebook library.
    pub library: PathBuf,
    /// Features it is built with.
    pub features: Vec<String>,
    /// What `rustc -vV` said.
    pub toolchain: String,
    /// A hash of all the sources.
    pub sources: String,
    /// The version of the kernel that built it.
    pub version: String,
}

impl Facade {
    const FILE: &str = "facade.json";

    /// Reads what a build, or a copy of it, is.
    ///
    /// # Errors
    /// Why it cannot be read, for people.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let path = folder.join(Self::FILE);
        let text =
            fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Writes it into a build's folder.
    ///
    /// # Errors
    /// When that is refused.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        fs::write(folder.join(Self::FILE), serde_json::to_string_pretty(self)?)
    }

    /// The folder of the build.
    #[must_use]
    pub fn build(&self) -> PathBuf {
        self.library.join("../..")
    }

    /// The folder of the compiled library.
    #[must_use]
    pub fn library_folder(&self) -> PathBuf {
        self.build().join("lib")
    }

    /// evcxr's command that makes the library known to cells as `compacter`.
    #[must_use]
    pub fn dependency_line(&self) -> String {
        format!(":dep compacter = {}", self.dependency())
    }

    /// The library as a dependency in TOML.
    #[must_use]
    pub fn dependency(&self) -> String {
        format!("{{ path = {} }}", quoted(&self.library))
    }
}

/// A path as a string of TOML.
pub(crate) fn quoted(path: &Path) -> String {
    toml_edit::Value::from(&*path.to_string_lossy()).to_string()
}

/// The kernel's folder of data.
///
/// # Errors
/// When there is no home for it.
pub fn data() -> Result<PathBuf, String> {
    let of = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let home = || of("HOME").map(|home| home.join(".local/share"));
    let base = of("XDG_DATA_HOME")
        .filter(|path| path.is_absolute())
        .or_else(home);
    base.map(|base| base.join("compacter/kernel"))
        .ok_or_else(|| {
            "neither XDG_DATA_HOME nor HOME is set: there is no place for the kernel's data"
                .to_owned()
        })
}

/// A kernel's own folder; removed when it is dropped.
#[derive(Debug)]
pub struct Own {
    path: PathBuf,
}

impl Own {
    /// Makes a folder of one's own, with a copy of a build; what dead kernels left is removed.
    ///
    /// # Errors
    /// Why it cannot be made, for people.
    pub fn make(data: &Path, build: &Path) -> Result<Self, String> {
        let kernels = data.join("kernels");
        let failed = |what: &Path| {
            let what = what.display().to_string();
            move |error: io::Error| format!("{what}: {error}")
        };
        fs::create_dir_all(&kernels).map_err(failed(&kernels))?;
        sweep(&kernels);
        let path = kernels.join(std::process::id().to_string());
        // Of a process that had this number before.
        let _gone = fs::remove_dir_all(&path);
        let own = Self { path };
        fs::create_dir(&own.path)
            .and_then(|()| only_mine(&own.path))
            .map_err(failed(&own.path))?;
        for part in ["ctx", ".cargo", Facade::FILE] {
            let part = build.join(part);
            copy(&part, &own.path.join(part.file_name().unwrap_or_default()))
                .map_err(failed(&part))?;
        }
        let settings = format!(
            "[evcxr]\ntmpdir = {}\noffline_mode = true\nopt_level = \"0\"\n",
            quoted(&own.path.join("ctx"))
        );
        fs::write(own.path.join("evcxr.toml"), settings).map_err(failed(&own.path))?;
        Ok(own)
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // What stays is swept up by the next kernel.
        let _left = fs::remove_dir_all(&self.path);
    }
}

fn only_mine(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
}

/// Removes the folders of kernels that are not there any more.
fn sweep(kernels: &Path) {
    let Ok(entries) = fs::read_dir(kernels) else {
        return;
    };
    for entry in entries.flatten() {
        let pid = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        let pid = pid.and_then(rustix::process::Pid::from_raw);
        let lives = pid.is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok());
        if !lives {
            let _left = fs::remove_dir_all(entry.path());
        }
    }
}

/// Copies a file or folder with its times, by which cargo knows what is fresh.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if from.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            // What the compiler of cells left to go on from is of no use elsewhere.
            if entry.file_name() != "incremental" {
                copy(&entry.path(), &to.join(entry.file_name()))?;
            }
        }
        return Ok(());
    }
    fs::copy(from, to)?;
    let times = fs::FileTimes::new().set_modified(fs::metadata(from)?.modified()?);
    fs::File::options().write(true).open(to)?.set_times(times)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_kernel_has_a_folder_of_its_own_to_make_cells_in() {
        let data = tempfile::tempdir().unwrap();
        let build = data.path().join("builds/key");
        let deps = build.join("ctx/target/debug/deps");
        for folder in [
            &deps,
            &deps.join("../incremental/ctx"),
            &build.join("lib"),
            &build.join(".cargo"),
        ] {
            fs::create_dir_all(folder).unwrap();
        }
        for file in [
            "ctx/target/debug/deps/facade.d",
            "lib/library.so",
            ".cargo/config.toml",
            "facade.json",
        ] {
            fs::write(build.join(file), file).unwrap();
        }
        let old = data.path().join("kernels/999999999");
        fs::create_dir_all(&old).unwrap();

        let own = Own::make(data.path(), &build).unwrap();
        let inner = |file: &str| own.path().join("ctx/target/debug").join(file);
        let modified = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
        assert_eq!(
            modified(&inner("deps/facade.d")),
            modified(&deps.join("facade.d"))
        );
        assert!(!inner("incremental").exists());
        assert!(own.path().join(".cargo/config.toml").exists());
        assert!(
            !own.path().join("lib").exists(),
            "the library is everybody's"
        );
        assert!(!old.exists());
        assert_eq!(fs::metadata(own.path()).unwrap().mode() & 0o777, 0o700);
        let path = own.path().to_owned();
        drop(own);
        assert!(!path.exists() && deps.join("facade.d").exists());
    }

    #[test]
    fn a_facade_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let facade = Facade {
            library: "/a b/\"c\"".into(),
            features: vec!["cuda".to_owned()],
            toolchain: "rustc 1\nhost: x".to_owned(),
            sources: "5eed".to_owned(),
            version: "0.1.0".to_owned(),
        };
        facade.write(folder.path()).unwrap();
        assert_eq!(Facade::read(folder.path()), Ok(facade.clone()));
        let table: toml_edit::DocumentMut = format!("a = {}", facade.dependency()).parse().unwrap();
        assert_eq!(table["a"]["path"].as_str(), Some("/a b/\"c\""));
        assert!(Facade::read(&folder.path().join("none")).is_err());
    }
}
