//! Compiles the notebook library once, and makes of it what cells link.
//!
//! ```text
//! builds/<key>/
//!   lib/            one dynamic library, and what the compiler reads of the crates in it
//!   facade/         crates without dependencies that name it: compacter, candle-core, candle-nn
//!   hidden.json     private names of the crates that rust-analyzer is shown
//!   view.json       the crates that rust-analyzer is shown behind them
//!   ctx/            the manifest that evcxr writes, with the facade compiled
//!   facade.json     what all this is; written last
//! ```
//!
//! To cargo, which evcxr runs for every cell, a cell depends on one small crate and not on the 170
//! behind it; looking after those would take longer than the cell's compilation.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::{needs, shown, write};
use crate::folders::{Facade, quoted};
use crate::{hidden, view};

/// The manifest that evcxr writes, and makes a cell of.
fn manifest(facade: &Facade) -> String {
    format!(
        "\n[package]\nname = \"ctx\"\nversion = \"1.0.0\"\nedition = \"2024\"\n\n[lib]\n\
         crate-type = [\"cdylib\"]\npath = \"src/lib.rs\"\n\n[profile.dev]\nopt-level = 0\n\
         debug = false\nstrip = \"debuginfo\"\nrpath = true\nlto = false\ndebug-assertions = true\n\
         codegen-units = 16\npanic = 'unwind'\nincremental = true\noverflow-checks = true\n\n\
         [dependencies]\ncompacter = {}\n\n",
        facade.dependency()
    )
}

/// Crates that training spends its time in, which the compiler takes its time for.
const HOT: [&str; 17] = [
    "compacter-core",
    "candle-core",
    "candle-nn",
    "gemm",
    "gemm-common",
    "gemm-f32",
    "gemm-f64",
    "gemm-f16",
    "pulp",
    "half",
    "rayon",
    "rayon-core",
    "tokenizers",
    "safetensors",
    "memchr",
    "serde_json",
    "num-traits",
];

/// Settings of the library's compilation.
fn settings() -> String {
    let hot = HOT.map(|name| format!("[profile.release.package.{name}]\nopt-level = 3\n"));
    format!(
        "[profile.release]\nopt-level = 1\ndebug = false\nincremental = false\nrpath = true\n\
         strip = \"debuginfo\"\n{}",
        hot.concat()
    )
}

/// Crates that a cell may name, or another crate that it adds, and that must be the library's
/// own: with a second candle, numbers of variables would repeat and gradients be silently wrong.
const SHARED: [&str; 2] = ["candle-core", "candle-nn"];

/// Builds into a folder, going on from what an interrupted installation left. Only a build that
/// is whole says what it is.
pub(super) fn build(build: &Path, sources: &Path, facade: &Facade) -> Result<(), String> {
    super::say("compiling the notebook library (minutes, once)");
    write(&sources.join(".cargo/config.toml"), &settings())?;
    let target = target(sources);
    let compiled = compile(sources, &target, facade)?;
    let failed = |what: &Path| {
        let what = what.display().to_string();
        move |error: io::Error| format!("{what}: {error}")
    };
    let lib = build.join("lib");
    if lib.exists() {
        fs::remove_dir_all(&lib).map_err(failed(&lib))?;
    }
    fs::create_dir_all(&lib).map_err(failed(&lib))?;
    for file in compiled {
        let to = lib.join(file.file_name().unwrap_or_default());
        fs::copy(&file, to).map_err(failed(&file))?;
    }
    let mut view = view::of_library(&metadata(sources, facade)?)?;
    shown::keep(&mut view, sources)?;
    crates(build, &view)?;
    write(&build.join(view::FILE), &view.to_string())?;
    hidden::note(&view, build)?;
    try_out(build, facade)?;
    facade.write(build).map_err(failed(build))
}

/// Where the library is compiled.
pub(super) fn target(sources: &Path) -> PathBuf {
    sources.join("target")
}

/// A `cargo` that compiles as evcxr's does.
fn cargo(folder: &Path, target: &Path, facade: &Facade) -> Result<Command, String> {
    let mut command = Command::new("cargo");
    command
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_BUILD_BUILD_DIR", target)
        .env("RUSTC", rustc(&facade.toolchain)?)
        .env("RUSTFLAGS", "-Cprefer-dynamic")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    Ok(command)
}

/// Compiles the library; the files that cells need of it.
fn compile(sources: &Path, target: &Path, facade: &Facade) -> Result<Vec<PathBuf>, String> {
    let host = needs::line(&facade.toolchain, "host");
    let output = cargo(sources, target, facade)?
        .args(["build", "--release", "--package", LIBRARY])
        .args(["--features", &facade.features.join(",")])
        .args(["--target", host])
        .args(["--message-format", "json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo: {error}"))?;
    if !output.status.success() {
        return Err("`cargo build` of the notebook library failed: see above".to_owned());
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(files(&text, &target.join(host)))
}

/// The package that is the library.
const LIBRARY: &str = "compacter-notebook";

/// Of what cargo says it made: the library, what the compiler reads of the crates in it, and
/// procedural macros, which are programs of the compiler's own.
fn files(messages: &str, target: &Path) -> Vec<PathBuf> {
    let artifacts = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact");
    let mut files = Vec::new();
    for artifact in artifacts {
        let named = |kind: &str| {
            let kinds = artifact["target"]["kind"].as_array();
            kinds.is_some_and(|kinds| kinds.iter().any(|one| one == kind))
        };
        let all = artifact["filenames"].as_array().into_iter().flatten();
        let all = all.filter_map(|name| name.as_str().map(PathBuf::from));
        files.extend(all.filter(|file| {
            let ending = file.extension().and_then(|ending| ending.to_str());
            match ending {
                Some("so" | "dylib") => named("dylib") || named("proc-macro"),
                Some("rmeta") => !named("dylib") && file.starts_with(target),
                _ => false,
            }
        }));
    }
    files
}

/// Writes the crates that cells see in the library's place.
fn crates(build: &Path, view: &Value) -> Result<(), String> {
    let facade = build.join("facade");
    let script = "fn main() {\n    println!(\"cargo::rerun-if-changed=build.rs\");\n    \
                  let lib = concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/../../lib\");\n    \
                  println!(\"cargo::rustc-link-search=dependency={lib}\");\n    \
                  println!(\"cargo::rustc-link-search=crate={lib}\");\n}\n";
    let one = |name: &str, version: &str, path: &str, features: &str| {
        let folder = facade.join(name);
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"{version}\"\nedition = \"2024\"\n\
             links = \"compacter-{name}\"\nbuild = \"build.rs\"\n\n[lib]\ndoctest = false\n\n\
             [features]\n{features}\n[workspace]\n"
        );
        write(&folder.join("Cargo.toml"), &manifest)?;
        write(&folder.join("build.rs"), script)?;
        let code = format!(
            "//! The notebook library's own.\nextern crate compacter_notebook;\npub use {path}::*;\n"
        );
        write(&folder.join("src/lib.rs"), &code)
    };
    one(
        "compacter",
        env!("CARGO_PKG_VERSION"),
        "compacter_notebook",
        "",
    )?;
    let mut patches = String::from("[patch.crates-io]\n");
    for name in SHARED {
        let (version, features) = released(view, name)?;
        let path = format!("compacter_notebook::{}", name.replace('-', "_"));
        one(name, &version, &path, &features)?;
        let folder = quoted(&facade.join(name));
        patches += name;
        patches += " = { path = ";
        patches += &folder;
        patches += " }\n";
    }
    let settings = format!("{patches}\n[profile.dev.package.\"*\"]\nopt-level = 2\n");
    write(&build.join(".cargo/config.toml"), &settings)
}

/// Version of a crate of the view, and its features, each of which switches nothing: what the
/// library was compiled with is what there is.
fn released(view: &Value, name: &str) -> Result<(String, String), String> {
    let mut packages = view["packages"].as_array().into_iter().flatten();
    let package = packages.find(|package| package["name"] == name);
    let package = package.ok_or_else(|| format!("the library has no {name}"))?;
    let version = package["version"].as_str().unwrap_or_default();
    let features = package["features"].as_object().into_iter().flatten();
    let mut switches = String::new();
    for (name, _) in features {
        switches += "\"";
        switches += name;
        switches += "\" = []\n";
    }
    Ok((version.to_owned(), switches))
}

/// What cargo says of the library's crates.
fn metadata(sources: &Path, facade: &Facade) -> Result<Value, String> {
    let host = needs::line(&facade.toolchain, "host");
    let output = Command::new("cargo")
        .args(["metadata", "--format-version", "1"])
        .args(["--filter-platform", host])
        .current_dir(sources)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo: {error}"))?;
    serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata: {error}"))
}

/// Compiles an empty cell, so that the facade is compiled for every kernel, and one that names
/// the library, so that one that is not whole is found out here.
fn try_out(build: &Path, facade: &Facade) -> Result<(), String> {
    let cell = build.join("ctx");
    write(&cell.join("Cargo.toml"), &manifest(facade))?;
    write(
        &cell.join(".cargo/config.toml"),
        "\n[net]\noffline = true\n",
    )?;
    let host = needs::line(&facade.toolchain, "host");
    // What evcxr runs for a cell, and what it runs when a cell's types are in doubt.
    for code in ["pub use compacter::prelude::Tensor;\n", ""] {
        write(&cell.join("src/lib.rs"), code)?;
        for what in ["build", "check"] {
            let status = cargo(&cell, Path::new("target"), facade)?
                .args(["--offline", what, "--quiet", "--target", host])
                .status()
                .map_err(|error| format!("cargo: {error}"))?;
            if !status.success() {
                return Err(format!("`cargo {what}` of a cell failed: see above"));
            }
        }
    }
    Ok(())
}

/// The compiler itself, by the path that evcxr finds it by.
fn rustc(toolchain: &str) -> Result<PathBuf, String> {
    let output = Command::new("rustc")
        .args(["--print", "sysroot"])
        .current_dir("/")
        .output()
        .map_err(|error| format!("rustc: {error}"))?;
    let path = Path::new(String::from_utf8_lossy(&output.stdout).trim()).join("bin/rustc");
    if path.exists() {
        Ok(path)
    } else {
        Err(format!(
            "{}: there is no such compiler ({})",
            path.display(),
            super::first_line(toolchain)
        ))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cells_get_the_library_macros_and_what_the_compiler_reads() {
        let message = |kind: &str, names: &[&str]| json!({"reason": "compiler-artifact", "target": {"kind": [kind]}, "filenames": names});
        let messages = [
            message(
                "lib",
                &[
                    "/t/h/release/deps/liba-1.rlib",
                    "/t/h/release/deps/liba-1.rmeta",
                ],
            ),
            // Of a procedural macro, for the machine that compiles.
            message(
                "lib",
                &[
                    "/t/release/deps/libsyn-1.rlib",
                    "/t/release/deps/libsyn-1.rmeta",
                ],
            ),
            message("proc-macro", &["/t/release/deps/libm-1.so"]),
            message("custom-build", &["/t/release/build/a-1/build-script-build"]),
            message(
                "dylib",
                &["/t/h/release/libn.so", "/t/h/release/deps/libn-1.rmeta"],
            ),
            json!({"reason": "build-finished", "success": true}),
        ];
        let messages = messages.map(|message| message.to_string()).join("\n");
        let expected = [
            "/t/h/release/deps/liba-1.rmeta",
            "/t/release/deps/libm-1.so",
            "/t/h/release/libn.so",
        ];
        assert_eq!(
            files(&messages, Path::new("/t/h")),
            expected.map(PathBuf::from)
        );
    }
}
