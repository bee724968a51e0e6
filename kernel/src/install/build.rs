//! Compiles the notebook library as evcxr will ask for it, so that it never has to.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{needs, write};
use crate::folders::{Facade, quoted};

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
const HOT: [&str; 18] = [
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
    "nalgebra",
    "num-traits",
];

/// Settings of all that is compiled there: crates are optimised, cells are not; nothing is
/// looked for elsewhere.
fn settings(sources: &Path) -> String {
    let hot = HOT.map(|name| format!("[profile.dev.package.{name}]\nopt-level = 3\n"));
    format!(
        "[profile.dev.package.\"*\"]\nopt-level = 1\n{}\n[net]\noffline = true\n\n\
         [source.crates-io]\nreplace-with = \"kept\"\n\n[source.kept]\ndirectory = {}\n",
        hot.concat(),
        quoted(&sources.join("vendor"))
    )
}

/// Builds into a folder, going on from what an interrupted installation left. Only a build that
/// is whole says what it is.
pub(super) fn build(build: &Path, sources: &Path, facade: &Facade) -> Result<(), String> {
    super::say("compiling the notebook library (minutes, once)");
    let cell = build.join("ctx");
    write(&build.join(".cargo/config.toml"), &settings(sources))?;
    write(&cell.join("Cargo.toml"), &manifest(facade))?;
    write(&cell.join("src/lib.rs"), "")?;
    write(
        &cell.join(".cargo/config.toml"),
        "\n[net]\noffline = true\n",
    )?;
    let lock = fs::read_to_string(sources.join("Cargo.lock")).map_err(|error| error.to_string())?;
    write(&cell.join("Cargo.lock"), &lock)?;
    let rustc = rustc(&facade.toolchain)?;
    // What evcxr runs for a cell, and what it runs when a cell's types are in doubt.
    for what in ["build", "check"] {
        let status = Command::new("cargo")
            .args([
                "--offline",
                what,
                "--target",
                needs::line(&facade.toolchain, "host"),
            ])
            .current_dir(&cell)
            .env("CARGO_TARGET_DIR", "target")
            .env("CARGO_BUILD_BUILD_DIR", "target")
            .env("RUSTC", &rustc)
            .env("RUSTFLAGS", "-Cprefer-dynamic")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .status()
            .map_err(|error| format!("cargo: {error}"))?;
        if !status.success() {
            return Err(format!(
                "`cargo {what}` of the notebook library failed: see above"
            ));
        }
    }
    facade
        .write(build)
        .map_err(|error| format!("{}: {error}", build.display()))
}

/// The compiler itself, by the path that evcxr finds it by.
fn rustc(toolchain: &str) -> Result<std::path::PathBuf, String> {
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
