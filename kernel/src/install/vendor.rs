//! The crates that the notebook library needs, kept beside its sources.
//!
//! evcxr runs cargo for every cell, and cargo wants to see every crate of the lock file, also
//! those for other systems. Of these only the manifest is kept: they are never compiled.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// Fills `vendor/` in the sources' folder.
pub(super) fn vendor(sources: &Path) -> Result<(), String> {
    super::say("collecting the crates (from cargo's own store, or the network)");
    let cargo = |words: &[&str]| {
        let mut command = Command::new("cargo");
        command
            .args(words)
            .current_dir(sources)
            .stderr(Stdio::inherit());
        let output = command
            .output()
            .map_err(|error| format!("cargo: {error}"))?;
        if output.status.success() {
            Ok(output.stdout)
        } else {
            Err(format!("`cargo {}` failed: see above", words.join(" ")))
        }
    };
    cargo(&["vendor", "--quiet", "--versioned-dirs", "vendor"])?;
    let host = super::needs::toolchain()?;
    let host = super::needs::line(&host, "host");
    let metadata = cargo(&[
        "metadata",
        "--format-version",
        "1",
        "--filter-platform",
        host,
    ])?;
    let metadata: Value =
        serde_json::from_slice(&metadata).map_err(|error| format!("cargo metadata: {error}"))?;
    strip(&sources.join("vendor"), &used(&metadata)).map_err(|error| format!("vendor: {error}"))
}

/// Folders of `vendor/` that this system needs, of cargo's description.
fn used(metadata: &Value) -> HashSet<String> {
    let nodes = metadata["resolve"]["nodes"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let ids: HashSet<&str> = nodes
        .iter()
        .filter_map(|node| node["id"].as_str())
        .collect();
    let packages = metadata["packages"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let packages = packages
        .iter()
        .filter(|package| package["id"].as_str().is_some_and(|id| ids.contains(id)));
    packages
        .filter_map(|package| {
            Some(format!(
                "{}-{}",
                package["name"].as_str()?,
                package["version"].as_str()?
            ))
        })
        .collect()
}

/// Leaves of the others what cargo has to see.
fn strip(vendor: &Path, used: &HashSet<String>) -> std::io::Result<()> {
    for entry in fs::read_dir(vendor)? {
        let entry = entry?;
        if used.contains(&*entry.file_name().to_string_lossy()) {
            continue;
        }
        let folder = entry.path();
        let checksum = folder.join(".cargo-checksum.json");
        let sums: Value = serde_json::from_slice(&fs::read(&checksum)?)?;
        for inner in fs::read_dir(&folder)? {
            let inner = inner?;
            if inner.file_type()?.is_dir() {
                fs::remove_dir_all(inner.path())?;
            } else if inner.file_name() != "Cargo.toml" {
                fs::remove_file(inner.path())?;
            }
        }
        fs::create_dir(folder.join("src"))?;
        fs::write(folder.join("src/lib.rs"), "")?;
        let empty = json!({"files": {}, "package": sums["package"]});
        fs::write(&checksum, empty.to_string())?;
    }
    Ok(())
}
