//! What rust-analyzer is shown of the crates that cells link.
//!
//! evcxr has rust-analyzer find the types of variables, and that asks `cargo metadata` what
//! there is to read. For cargo the library is one small crate without dependencies; behind it
//! are 170, and in all of them rust-analyzer would look for implementations of traits before it
//! knew the type of a single tensor, and again after each cell. Cells can name a dozen. So this
//! program stands in `cargo`'s place for rust-analyzer, and for nothing else: it asks the real
//! one, and puts those dozen behind the crate that names the library. What a cell adds with
//! `:dep` is there as cargo tells it.
//!
//! rust-analyzer looks for cargo in `$CARGO_HOME/bin` before all else; the kernel's own process
//! has a folder there in which `cargo` is this program ([`enter`]).

use std::collections::HashSet;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{fs, io};

use serde_json::{Value, json};

/// Names cargo's own home, while the kernel's `CARGO_HOME` is the view's.
const HOME: &str = "COMPACTER_KERNEL_CARGO_HOME";

/// Crates that the library shows of itself: whatever has a name in types that cells see.
const SHOWN: [&str; 11] = [
    "compacter-notebook",
    "compacter-core",
    "candle-core",
    "candle-nn",
    "half",
    "safetensors",
    "serde",
    "serde_core",
    "serde_json",
    "toml",
    "toml_edit",
];

/// Whether this process was started in `cargo`'s place.
#[must_use]
pub fn is_wanted() -> bool {
    let name = std::env::args_os().next().map(PathBuf::from);
    name.is_some_and(|name| name.file_name() == Some("cargo".as_ref()))
}

/// Goes on as a process whose cargo, for rust-analyzer, is this program; returns at once where
/// this is that process.
///
/// # Errors
/// When the view's folder cannot be made, or this program not be started again; for people.
pub fn enter(data: &Path) -> Result<(), String> {
    let view = data.join("view");
    if std::env::var_os("CARGO_HOME").is_some_and(|home| home == view) {
        return Ok(());
    }
    let program = std::env::current_exe().map_err(|error| format!("this program: {error}"))?;
    stand_in(&view, &program).map_err(|error| format!("{}: {error}", view.display()))?;
    let mut again = Command::new(program);
    again
        .args(std::env::args_os().skip(1))
        .env("CARGO_HOME", &view);
    match std::env::var_os("CARGO_HOME") {
        Some(home) => again.env(HOME, home),
        None => again.env_remove(HOME),
    };
    Err(format!("this program, once more: {}", again.exec()))
}

/// Makes `bin/cargo` this program, in one step: other kernels may be using it.
fn stand_in(view: &Path, program: &Path) -> io::Result<()> {
    let bin = view.join("bin");
    let cargo = bin.join("cargo");
    if fs::read_link(&cargo).is_ok_and(|target| target == program) {
        return Ok(());
    }
    fs::create_dir_all(&bin)?;
    let new = bin.join(format!("cargo.{}", std::process::id()));
    let _of_a_dead_kernel = fs::remove_file(&new);
    std::os::unix::fs::symlink(program, &new)?;
    fs::rename(&new, cargo)
}

/// Cargo's own home, as everything but rust-analyzer is to see it.
///
/// # Errors
/// When there is none; for people.
pub fn cargo_home() -> Result<PathBuf, String> {
    let home = std::env::var_os(HOME).map(PathBuf::from);
    let usual = || std::env::home_dir().map(|home| home.join(".cargo"));
    home.or_else(usual)
        .ok_or_else(|| "neither CARGO_HOME nor HOME is set".to_owned())
}

/// Gives a process cargo's own home back.
pub fn leave(command: &mut Command) -> &mut Command {
    match std::env::var_os(HOME) {
        Some(home) => command.env("CARGO_HOME", home),
        None => command.env_remove("CARGO_HOME"),
    }
    .env_remove(HOME)
}

/// Does what cargo was asked for, by cargo; of metadata, says what is shown.
#[must_use]
pub fn run() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let mut cargo = Command::new(cargo());
    leave(&mut cargo).args(&arguments);
    let of_all = arguments.first().is_some_and(|what| what == "metadata")
        && arguments.iter().all(|argument| argument != "--no-deps");
    if !of_all {
        return fail(&cargo.exec());
    }
    let output = match cargo.stderr(std::process::Stdio::inherit()).output() {
        Ok(output) => output,
        Err(error) => return fail(&error),
    };
    if !output.status.success() {
        return ExitCode::FAILURE;
    }
    // Before the first `:dep` there is no library in it, and nothing to add.
    let shown = serde_json::from_slice(&output.stdout)
        .ok()
        .and_then(|mut metadata| {
            add_library(&mut metadata, |file| {
                serde_json::from_slice(&fs::read(file).ok()?).ok()
            })?;
            Some(metadata.to_string().into_bytes())
        });
    match io::Write::write_all(&mut io::stdout(), &shown.unwrap_or(output.stdout)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

#[expect(clippy::print_stderr, reason = "this is a program's last word")]
fn fail(error: &io::Error) -> ExitCode {
    eprintln!("cargo: {error}");
    ExitCode::FAILURE
}

/// The real one: of the toolchain that rust-analyzer names, or the one that is found.
fn cargo() -> PathBuf {
    let of_toolchain = std::env::var_os("RUSTUP_TOOLCHAIN")
        .map(|toolchain| Path::new(&toolchain).join("bin/cargo"))
        .filter(|path| path.is_absolute() && path.exists());
    of_toolchain.unwrap_or_else(|| PathBuf::from("cargo"))
}

/// The file of a build that says what is behind the crate that names the library.
pub(crate) const FILE: &str = "view.json";

/// Of `cargo metadata`'s answer on the library's sources, packages that cells can name and the
/// edges between them.
///
/// # Errors
/// When it is no such answer; for people.
pub(crate) fn of_library(metadata: &Value) -> Result<Value, String> {
    let named = |package: &Value| SHOWN.iter().any(|name| package["name"] == *name);
    let packages: Vec<Value> = each(metadata, "/packages")
        .filter(|package| named(package))
        .cloned()
        .collect();
    let ids: HashSet<&str> = packages
        .iter()
        .filter_map(|one| one["id"].as_str())
        .collect();
    let root = packages.iter().find(|one| one["name"] == SHOWN[0]);
    let root = root.ok_or("cargo metadata does not tell of the library")?["id"].clone();
    let nodes = each(metadata, "/resolve/nodes").cloned();
    let nodes = nodes.filter(|node| node["id"].as_str().is_some_and(|id| ids.contains(id)));
    let nodes = nodes.map(|mut node| {
        retain(&mut node["deps"], |dep| {
            dep["pkg"].as_str().is_some_and(|id| ids.contains(id))
        });
        retain(&mut node["dependencies"], |dep| {
            dep.as_str().is_some_and(|id| ids.contains(id))
        });
        node
    });
    let nodes: Vec<Value> = nodes.collect();
    Ok(json!({"root": root, "nodes": nodes, "packages": packages}))
}

/// Puts the library behind the crates that name it. None where there are none, or `read` finds
/// nothing of it.
fn add_library(metadata: &mut Value, read: impl Fn(&Path) -> Option<Value>) -> Option<()> {
    // <build>/facade/<name>/Cargo.toml
    let build = |package: &Value| {
        let manifest = Path::new(package["manifest_path"].as_str()?);
        let folder = manifest.parent()?.parent()?;
        let build = folder.parent()?.to_owned();
        (folder.file_name()? == "facade").then_some(build)
    };
    let facades: HashSet<String> = each(metadata, "/packages")
        .filter(|package| build(package).is_some())
        .filter_map(|package| package["id"].as_str().map(str::to_owned))
        .collect();
    let build = each(metadata, "/packages").find_map(build)?;
    let library = read(&build.join(FILE))?;
    let root = library["root"].as_str()?;
    let nodes = metadata.pointer_mut("/resolve/nodes")?.as_array_mut()?;
    for node in nodes.iter_mut() {
        if node["id"].as_str().is_some_and(|id| facades.contains(id)) {
            node["dependencies"].as_array_mut()?.push(json!(root));
            node["deps"].as_array_mut()?.push(json!({
                "name": SHOWN[0].replace('-', "_"),
                "pkg": root,
                "dep_kinds": [{"kind": null, "target": null}],
            }));
        }
    }
    nodes.extend(each(&library, "/nodes").cloned());
    let packages = metadata.pointer_mut("/packages")?.as_array_mut()?;
    // A crate that a cell adds may be one of them, the same release out of cargo's store.
    let known: HashSet<String> = packages.iter().map(|one| one["id"].to_string()).collect();
    let new = each(&library, "/packages").filter(|one| !known.contains(&one["id"].to_string()));
    packages.extend(new.cloned());
    let nodes = metadata.pointer_mut("/resolve/nodes")?.as_array_mut()?;
    let mut told = HashSet::new();
    nodes.retain(|node| told.insert(node["id"].to_string()));
    Some(())
}

fn each<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    let found = value.pointer(pointer).and_then(Value::as_array);
    found.into_iter().flatten()
}

fn retain(list: &mut Value, keep: impl Fn(&Value) -> bool) {
    if let Some(list) = list.as_array_mut() {
        list.retain(keep);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn metadata(edges: &[(&str, &[&str])]) -> Value {
        let packages = edges.iter().map(|(name, _)| {
            let manifest = format!("/k/builds/1/facade/{name}/Cargo.toml");
            let manifest = if *name == "compacter" {
                manifest
            } else {
                format!("/s/{name}/Cargo.toml")
            };
            json!({"name": name, "id": format!("{name} 1"), "manifest_path": manifest})
        });
        let nodes = edges.iter().map(|(name, to)| {
            let ids: Vec<String> = to.iter().map(|to| format!("{to} 1")).collect();
            let deps = to.iter().map(|to| {
                json!({"name": to.replace('-', "_"), "pkg": format!("{to} 1"), "dep_kinds": [{"kind": null, "target": null}]})
            });
            json!({"id": format!("{name} 1"), "dependencies": ids, "deps": deps.collect::<Vec<_>>()})
        });
        json!({
            "packages": packages.collect::<Vec<_>>(),
            "resolve": {"nodes": nodes.collect::<Vec<_>>()},
        })
    }

    #[test]
    fn cells_are_shown_what_they_can_name_behind_the_facade() {
        let library = metadata(&[
            ("compacter-notebook", &["candle-core", "plotters"]),
            ("candle-core", &["half", "rayon"]),
            ("half", &["zerocopy"]),
            ("plotters", &["rayon"]),
            ("rayon", &[]),
            ("zerocopy", &[]),
        ]);
        let library = of_library(&library).unwrap();
        let mut given = metadata(&[
            ("ctx", &["compacter", "regex"]),
            ("compacter", &[]),
            ("regex", &["memchr", "half"]),
            ("memchr", &[]),
            ("half", &["zerocopy"]),
            ("zerocopy", &[]),
        ]);
        add_library(&mut given, |file| {
            assert_eq!(file, Path::new("/k/builds/1/view.json"));
            Some(library.clone())
        })
        .unwrap();
        let expected = metadata(&[
            ("ctx", &["compacter", "regex"]),
            ("compacter", &["compacter-notebook"]),
            ("regex", &["memchr", "half"]),
            ("memchr", &[]),
            ("half", &["zerocopy"]),
            ("zerocopy", &[]),
            ("compacter-notebook", &["candle-core"]),
            ("candle-core", &["half"]),
        ]);
        assert_eq!(given, expected);
    }

    #[test]
    fn an_answer_of_another_shape_is_left_alone() {
        for mut given in [json!({}), json!([1]), json!({"packages": 3})] {
            let before = given.clone();
            assert_eq!(add_library(&mut given, |_| None), None);
            assert_eq!(given, before);
        }
    }
}
