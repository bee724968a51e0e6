//! The installation: everything slow, once.
//!
//! ```text
//! sources in this program ─▶ unpack ─▶ compile ─▶ try a cell ─▶ tell Jupyter
//! ```
//!
//! | file           | what                                                            |
//! |----------------|-----------------------------------------------------------------|
//! | `needs.rs`     | compiler, linker, disk: what has to be there                    |
//! | `sources.rs`   | core and the notebook library, out of this program              |
//! | `build.rs`     | compiles them, and makes of that what cells link                |
//! | `shown.rs`     | keeps the sources that completion reads                         |
//! | `std_sources.rs` | the standard library's sources, for completion                |
//! | `spec.rs`      | what Jupyter is told                                            |
//!
//! Nothing of it needs the checkout, or the network, afterwards.

mod build;
mod needs;
mod shown;
mod sources;
mod spec;
mod std_sources;

use std::fs;
use std::path::{Path, PathBuf};

use crate::folders::{Facade, data};
pub use spec::Place;

/// What a build is found by: the same compiler, crates and features can go on with it.
fn key(toolchain: &str, features: &[String]) -> Result<String, String> {
    let lock = sources::lock()?;
    Ok(hash(&[
        lock.as_bytes(),
        toolchain.as_bytes(),
        features.join(",").as_bytes(),
    ]))
}

fn hash(parts: &[&[u8]]) -> String {
    use sha2::Digest;
    let mut hash = sha2::Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let hash = hash.finalize();
    let number = hash[..6]
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte));
    format!("{number:012x}")
}

/// The file that says which build is the present one.
fn current(data: &Path) -> PathBuf {
    data.join("current")
}

/// The build that a kernel starts from.
///
/// # Errors
/// When there is none, or it is of another version or compiler; what to do, for people.
pub fn current_build(data: &Path) -> Result<PathBuf, String> {
    let again = "run `compacter kernel install`";
    let name = fs::read_to_string(current(data))
        .map_err(|_| format!("the notebook library has not been built: {again}"))?;
    let build = data.join("builds").join(name.trim());
    let facade = Facade::read(&build).map_err(|why| format!("{why}: {again}"))?;
    if facade.version != env!("CARGO_PKG_VERSION") {
        return Err(format!(
            "the notebook library was built by version {}, this is {}: {again}",
            facade.version,
            env!("CARGO_PKG_VERSION")
        ));
    }
    let toolchain = needs::toolchain()?;
    if facade.toolchain != toolchain {
        return Err(format!(
            "the compiler has changed since the notebook library was built (from {} to {}): {again}",
            first_line(&facade.toolchain),
            first_line(&toolchain)
        ));
    }
    Ok(build)
}

/// The release of the compiler that a build was made with.
///
/// # Errors
/// When the build does not say what it is.
pub fn release(build: &Path) -> Result<String, String> {
    let facade = Facade::read(build)?;
    Ok(needs::line(&facade.toolchain, "release").to_owned())
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// Builds the notebook library and tells Jupyter of the kernel.
///
/// # Errors
/// What is missing or went wrong, and what to do, for people.
pub fn install(place: &Place, cuda: bool, keep_build: bool) -> Result<(), String> {
    let toolchain = needs::check(cuda)?;
    let data = data()?;
    let features: Vec<String> = cuda.then(|| "cuda".to_owned()).into_iter().collect();
    let key = key(&toolchain, &features)?;
    let archive = hash(&[sources::ARCHIVE]);
    let build = data.join("builds").join(&key);
    say(&format!(
        "building with {} in {}",
        first_line(&toolchain),
        data.display()
    ));
    if Facade::read(&build).is_ok_and(|facade| facade.sources == archive) {
        say("the notebook library is built already");
    } else {
        let sources = data.join("sources").join(&key);
        sources::unpack(&sources)?;
        let facade = Facade {
            library: build.join("facade/compacter"),
            features,
            toolchain,
            sources: archive,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        build::build(&build, &sources, &facade)?;
        if !keep_build {
            let target = build::target(&sources);
            fs::remove_dir_all(&target)
                .map_err(|error| format!("{}: {error}", target.display()))?;
        }
    }
    let std_sources = std_sources::find_or_make(&data)?;
    write(&current(&data), &key)?;
    sweep(&data, &key);
    let programs = spec::programs(&data)?;
    let spec = spec::write(place, &programs, &std_sources)?;
    say(&format!(
        "Jupyter knows the kernel `{}`: {}",
        spec::NAME,
        spec.display()
    ));
    Ok(())
}

/// Takes the kernel away from Jupyter, and what was built for it.
///
/// # Errors
/// What cannot be removed.
pub fn uninstall(place: &Place) -> Result<(), String> {
    let spec = spec::folder(place)?;
    let data = data()?;
    for folder in [
        spec,
        data.join("builds"),
        data.join("sources"),
        data.join("bin"),
        data.join("rust-src"),
        data.join("view"),
    ] {
        match fs::remove_dir_all(&folder) {
            Ok(()) => say(&format!("removed {}", folder.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("{}: {error}", folder.display())),
        }
    }
    say("kernels that other folders tell Jupyter of do not start any more: install them again");
    // The history is the user's.
    let _gone = fs::remove_file(current(&data));
    Ok(())
}

/// Says what is there and what is not.
///
/// # Errors
/// When something is missing; what to do has been said.
pub fn doctor(place: &Place) -> Result<(), String> {
    let data = data()?;
    let spec = spec::folder(place)?.join("kernel.json");
    let build = current_build(&data);
    let room = if build.is_ok() {
        needs::RUNNING
    } else {
        needs::BUILDING
    };
    let checks: Vec<(&str, Result<String, String>)> = vec![
        (
            "compiler",
            needs::toolchain().map(|text| first_line(&text).to_owned()),
        ),
        ("linker", needs::linker()),
        ("disk", needs::disk(&data, room)),
        ("library", build.map(|build| build.display().to_string())),
        (
            "sources of std",
            std_sources::find(&data).map(|path| path.display().to_string()),
        ),
        ("Jupyter", spec::check(&spec)),
    ];
    let mut missing = 0;
    for (what, found) in &checks {
        match found {
            Ok(text) => say(&format!("ok       {what}: {text}")),
            Err(why) => {
                missing += 1;
                say(&format!("missing  {what}: {why}"));
            }
        }
    }
    if missing == 0 {
        Ok(())
    } else {
        Err(format!("{missing} of {} are missing", checks.len()))
    }
}

/// Removes builds and sources of earlier versions.
fn sweep(data: &Path, key: &str) {
    for folder in ["builds", "sources"] {
        let Ok(entries) = fs::read_dir(data.join(folder)) else {
            continue;
        };
        for entry in entries.flatten().filter(|entry| entry.file_name() != key) {
            let _left = fs::remove_dir_all(entry.path());
        }
    }
}

/// Writes a file, with the folder it is in.
fn write(path: &Path, text: &str) -> Result<(), String> {
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| fs::write(path, text))
        .map_err(|error| format!("{}: {error}", path.display()))
}

#[expect(clippy::print_stdout, reason = "progress of a command")]
fn say(text: &str) {
    println!("{text}");
}
