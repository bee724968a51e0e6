//! What rust-analyzer is shown of the crates that cells link.
//!
//! evcxr has rust-analyzer find the types of variables, and that asks `cargo metadata` what
//! there is to read. The whole answer is some 180 crates; it would look for implementations of
//! traits in all of them before it knew the type of a single tensor, and again after each cell.
//! Cells can name a dozen. So this program stands in `cargo`'s place for rust-analyzer, and for
//! nothing else: it asks the real one, and leaves out of the answer what the library keeps to
//! itself. What a cell adds with `:dep` is shown whole. Everything is still built by cargo, from
//! the whole graph.
//!
//! rust-analyzer looks for cargo in `$CARGO_HOME/bin` before all else; the kernel's own process
//! has a folder there in which `cargo` is this program ([`enter`]).

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{fs, io};

use serde_json::Value;

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
    let whole = arguments
        .first()
        .is_some_and(|what| what == "metadata")
        .then(|| arguments.iter().all(|argument| argument != "--no-deps"));
    if whole != Some(true) {
        return fail(&cargo.exec());
    }
    let output = match cargo.stderr(std::process::Stdio::inherit()).output() {
        Ok(output) => output,
        Err(error) => return fail(&error),
    };
    if !output.status.success() {
        return ExitCode::FAILURE;
    }
    // What is not understood is passed on as it is: rust-analyzer knows what to do with it.
    let shown = serde_json::from_slice(&output.stdout)
        .ok()
        .map(|mut metadata| {
            prune(&mut metadata);
            metadata.to_string().into_bytes()
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

/// Leaves out of `cargo metadata`'s answer what only crates of [`SHOWN`] reach.
fn prune(metadata: &mut Value) {
    let names: HashMap<String, String> = each(metadata, "/packages")
        .filter_map(|package| Some((text(package, "id")?, text(package, "name")?)))
        .collect();
    let hides = |from: &str, to: &str| {
        let shown = |id| names.get(id).is_some_and(|name| SHOWN.contains(&&**name));
        shown(from) && !shown(to)
    };
    let edges: HashMap<String, Vec<String>> = each(metadata, "/resolve/nodes")
        .filter_map(|node| {
            let id = text(node, "id")?;
            let to = each(node, "/dependencies").filter_map(Value::as_str);
            let to = to.filter(|to| !hides(&id, to)).map(str::to_owned);
            let to = to.collect();
            Some((id, to))
        })
        .collect();
    let mut reached = HashSet::new();
    let mut ahead: Vec<String> = each(metadata, "/workspace_members")
        .filter_map(|member| member.as_str().map(str::to_owned))
        .collect();
    while let Some(id) = ahead.pop() {
        ahead.extend(edges.get(&id).into_iter().flatten().cloned());
        reached.insert(id);
        ahead.retain(|id| !reached.contains(id));
    }

    let stays = |id: Option<&str>| id.is_some_and(|id| reached.contains(id));
    retain(metadata.pointer_mut("/packages"), |package| {
        stays(package["id"].as_str())
    });
    retain(metadata.pointer_mut("/resolve/nodes"), |node| {
        stays(node["id"].as_str())
    });
    let nodes = metadata.pointer_mut("/resolve/nodes");
    for node in nodes.and_then(Value::as_array_mut).into_iter().flatten() {
        let id = node["id"].as_str().unwrap_or_default().to_owned();
        retain(node.get_mut("deps"), |dep| {
            !hides(&id, dep["pkg"].as_str().unwrap_or_default())
        });
        retain(node.get_mut("dependencies"), |dep| {
            !hides(&id, dep.as_str().unwrap_or_default())
        });
    }
}

fn each<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    let found = value.pointer(pointer).and_then(Value::as_array);
    found.into_iter().flatten()
}

fn text(value: &Value, name: &str) -> Option<String> {
    value[name].as_str().map(str::to_owned)
}

fn retain(list: Option<&mut Value>, keep: impl Fn(&Value) -> bool) {
    if let Some(list) = list.and_then(Value::as_array_mut) {
        list.retain(keep);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn metadata(edges: &[(&str, &[&str])]) -> Value {
        let packages = edges.iter().map(|(name, _)| {
            let id = format!("{name} 1");
            json!({"name": name, "id": id})
        });
        let nodes = edges.iter().map(|(name, to)| {
            let to: Vec<String> = to.iter().map(|to| format!("{to} 1")).collect();
            let deps: Vec<Value> = to.iter().map(|to| json!({"pkg": to})).collect();
            json!({"id": format!("{name} 1"), "dependencies": to, "deps": deps})
        });
        json!({
            "packages": packages.collect::<Vec<_>>(),
            "resolve": {"nodes": nodes.collect::<Vec<_>>()},
            "workspace_members": ["ctx 1"],
        })
    }

    #[test]
    fn what_the_library_keeps_to_itself_is_left_out_and_what_a_cell_adds_is_not() {
        let mut given = metadata(&[
            ("ctx", &["compacter-notebook", "regex"]),
            ("compacter-notebook", &["candle-core", "plotters"]),
            ("candle-core", &["half", "rayon", "memchr"]),
            ("half", &["zerocopy"]),
            ("regex", &["memchr", "half"]),
            ("plotters", &["rayon"]),
            ("rayon", &[]),
            ("memchr", &[]),
            ("zerocopy", &[]),
        ]);
        prune(&mut given);
        let expected = metadata(&[
            ("ctx", &["compacter-notebook", "regex"]),
            ("compacter-notebook", &["candle-core"]),
            ("candle-core", &["half"]),
            ("half", &[]),
            ("regex", &["memchr", "half"]),
            ("memchr", &[]),
        ]);
        assert_eq!(given, expected);
    }

    #[test]
    fn an_answer_of_another_shape_is_left_alone() {
        for mut given in [json!({}), json!([1]), json!({"packages": 3})] {
            let before = given.clone();
            prune(&mut given);
            assert_eq!(given, before);
        }
    }
}
