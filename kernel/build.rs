//! Packs the sources that the kernel's cells are built on into the program, so that it can
//! install itself wherever it was moved to.

use std::error::Error;
use std::fs::File;
use std::path::{Path, PathBuf};

/// What is packed, of the workspace.
const PACKED: [&str; 7] = [
    "Cargo.toml",
    "Cargo.lock",
    "core/Cargo.toml",
    "core/build.rs",
    "core/src",
    "core/assets",
    "kernel/notebook",
];

fn main() -> Result<(), Box<dyn Error>> {
    let workspace = PathBuf::from("..");
    let to = PathBuf::from(std::env::var("OUT_DIR")?).join("sources.tar");
    let mut archive = tar::Builder::new(File::create(to)?);
    // The same sources make the same archive.
    archive.mode(tar::HeaderMode::Deterministic);
    for name in PACKED {
        println!("cargo::rerun-if-changed=../{name}");
        pack(&mut archive, &workspace, Path::new(name))?;
    }
    archive.finish()?;
    Ok(())
}

fn pack(
    archive: &mut tar::Builder<File>,
    workspace: &Path,
    name: &Path,
) -> Result<(), Box<dyn Error>> {
    let path = workspace.join(name);
    if !path.is_dir() {
        archive.append_path_with_name(&path, name)?;
        return Ok(());
    }
    let mut entries: Vec<_> = std::fs::read_dir(&path)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        pack(archive, workspace, &name.join(entry.file_name()))?;
    }
    Ok(())
}
