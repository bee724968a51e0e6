//! What has to be there before anything can be built.

use std::path::Path;
use std::process::Command;

/// What a build takes at most, in bytes.
pub(super) const BUILDING: u64 = 3 << 30;

/// What is left for cells and their history once the library is built, in bytes.
pub(super) const RUNNING: u64 = 256 << 20;

/// The compiler that there is, after checking that all else is there too.
pub(super) fn check(cuda: bool) -> Result<String, String> {
    let toolchain = toolchain()?;
    linker()?;
    if cuda {
        compiler_of_kernels()?;
    }
    disk(&crate::folders::data()?, BUILDING)?;
    Ok(toolchain)
}

/// What `rustc -vV` says.
pub(super) fn toolchain() -> Result<String, String> {
    let missing = "there is no Rust compiler: install one from https://rustup.rs";
    // Cells are compiled elsewhere, where no folder says which compiler is meant.
    let output = Command::new("rustc").arg("-vV").current_dir("/").output();
    let output = output.map_err(|_| missing.to_owned())?;
    if !output.status.success() {
        return Err(format!(
            "rustc -vV: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ));
    }
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let cargo = Command::new("cargo").arg("-V").current_dir("/").output();
    if !cargo.is_ok_and(|output| output.status.success()) {
        return Err(
            "there is a Rust compiler, but no cargo: install both from https://rustup.rs"
                .to_owned(),
        );
    }
    Ok(text)
}

/// A line of what `rustc -vV` says.
pub(super) fn line<'a>(toolchain: &'a str, name: &str) -> &'a str {
    let mut lines = toolchain.lines().filter_map(|line| line.split_once(": "));
    lines
        .find(|(key, _)| *key == name)
        .map_or("", |(_, value)| value)
}

/// The linker that the compiler calls.
pub(super) fn linker() -> Result<String, String> {
    let output = Command::new("cc").arg("--version").output();
    match output {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            Ok(super::first_line(&text).to_owned())
        }
        _ => Err(
            "there is no C compiler, by which Rust links: install gcc or clang \
                  (apt install build-essential; xcode-select --install)"
                .to_owned(),
        ),
    }
}

/// NVIDIA's compiler, where the library is to train on its GPUs.
fn compiler_of_kernels() -> Result<(), String> {
    let nvcc = std::env::var_os("NVCC").unwrap_or_else(|| "nvcc".into());
    let output = Command::new(nvcc).arg("--version").output();
    if !output.is_ok_and(|output| output.status.success()) {
        return Err(
            "--cuda needs NVIDIA's compiler, and there is no nvcc: install the CUDA toolkit \
             (https://developer.nvidia.com/cuda-toolkit) and put its `bin` folder on PATH, or \
             install without --cuda"
                .to_owned(),
        );
    }
    Ok(())
}

/// The room on the disk that a folder is on, or will be; refused where less is left than
/// `needed` bytes.
pub(super) fn disk(folder: &Path, needed: u64) -> Result<String, String> {
    let there = folder.ancestors().find(|folder| folder.exists());
    let there = there.unwrap_or(Path::new("/"));
    let disk =
        rustix::fs::statvfs(there).map_err(|error| format!("{}: {error}", there.display()))?;
    let free = disk.f_bavail * disk.f_frsize;
    let text = |bytes: u64| format!("{:.1} GB", bytes as f64 / 1e9);
    if free < needed {
        return Err(format!(
            "{} has {} left, and up to {} are needed: make room, or set XDG_DATA_HOME to a larger disk",
            there.display(),
            text(free),
            text(needed)
        ));
    }
    Ok(format!("{} left in {}", text(free), there.display()))
}
