//! The sources of core and of the notebook library, out of this program.

use std::fs;
use std::io::Read;
use std::path::Path;

use toml_edit::{Array, DocumentMut};

/// The sources, packed when this program was built.
pub(super) const ARCHIVE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/sources.tar"));

/// The lock file among them, which names the crates.
pub(super) fn lock() -> Result<String, String> {
    let failed = |error: std::io::Error| format!("the sources in this program: {error}");
    let mut archive = tar::Archive::new(ARCHIVE);
    for entry in archive.entries().map_err(failed)? {
        let mut entry = entry.map_err(failed)?;
        if entry.path().map_err(failed)?.as_os_str() == "Cargo.lock" {
            let mut text = String::new();
            entry.read_to_string(&mut text).map_err(failed)?;
            return Ok(text);
        }
    }
    Err("the sources in this program have no lock file".to_owned())
}

/// Unpacks them into a folder, as a workspace of these two alone.
pub(super) fn unpack(folder: &Path) -> Result<(), String> {
    super::say("unpacking the sources");
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    fs::create_dir_all(folder).map_err(failed)?;
    // What an earlier installation compiled is gone on from.
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        if entry.file_type().map_err(failed)?.is_dir() && entry.file_name() != "target" {
            fs::remove_dir_all(path).map_err(failed)?;
        }
    }
    let mut archive = tar::Archive::new(ARCHIVE);
    // In the archive all files are equally old, and cargo goes by that.
    archive.set_preserve_mtime(false);
    archive.unpack(folder).map_err(failed)?;
    edit(&folder.join("Cargo.toml"), |workspace| {
        let members: Array = ["core", "kernel/notebook"].into_iter().collect();
        workspace["workspace"]["members"] = toml_edit::value(members);
        if let Some(table) = workspace["workspace"].as_table_like_mut() {
            table.remove("default-members");
        }
    })?;
    for package in ["core", "kernel/notebook"] {
        edit(&folder.join(package).join("Cargo.toml"), |manifest| {
            // What only tests need is not kept, nor built.
            manifest.remove("dev-dependencies");
            for target in ["test", "bench", "example"] {
                manifest.remove(target);
            }
        })?;
    }
    edit(&folder.join("kernel/notebook/Cargo.toml"), |manifest| {
        // One copy for all cells, and no other that one could link.
        manifest["lib"]["crate-type"] = toml_edit::value(Array::from_iter(["dylib"]));
    })
}

fn edit(path: &Path, change: impl FnOnce(&mut DocumentMut)) -> Result<(), String> {
    let failed = |why: String| format!("{}: {why}", path.display());
    let text = fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    let mut document: DocumentMut = text
        .parse()
        .map_err(|error: toml_edit::TomlError| failed(error.to_string()))?;
    change(&mut document);
    fs::write(path, document.to_string()).map_err(|error| failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_sources_are_a_workspace_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let sources = folder.path().join("sources");
        unpack(&sources).unwrap();
        // Once more, over what an interrupted installation left.
        unpack(&sources).unwrap();
        for file in [
            "core/src/lib.rs",
            "core/assets/template.toml",
            "kernel/notebook/src/lib.rs",
            "Cargo.lock",
        ] {
            assert!(sources.join(file).exists(), "{file}");
        }
        let manifest = fs::read_to_string(sources.join("kernel/notebook/Cargo.toml")).unwrap();
        assert!(manifest.contains("crate-type = [\"dylib\"]"), "{manifest}");
        let workspace = fs::read_to_string(sources.join("Cargo.toml")).unwrap();
        assert!(!workspace.contains("default-members"), "{workspace}");
    }
}
