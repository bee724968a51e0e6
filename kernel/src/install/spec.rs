//! What Jupyter is told of the kernel.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

/// The kernel's name, by which notebooks ask for it.
pub(super) const NAME: &str = "compacter";

/// The logo; Jupyter Lab takes it from here.
const LOGO: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><rect width="64" height="64" rx="12" fill="#0072b2"/><g fill="#fff"><rect x="12" y="12" width="16" height="16" rx="2"/><rect x="36" y="12" width="16" height="40" rx="2" opacity=".65"/><rect x="12" y="36" width="16" height="16" rx="2" opacity=".85"/></g></svg>"##;

/// For whom the kernel is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The user.
    User,
    /// The Python environment that is active.
    Environment,
    /// Whoever looks under this folder.
    Prefix(PathBuf),
}

/// The folder of the kernel's description.
pub(super) fn folder(place: &Place) -> Result<PathBuf, String> {
    let jupyter = match place {
        Place::Prefix(prefix) => prefix.join("share/jupyter"),
        Place::Environment => environment()?.join("share/jupyter"),
        Place::User => user()?,
    };
    Ok(jupyter.join("kernels").join(NAME))
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

/// Where Jupyter looks for the user's kernels.
fn user() -> Result<PathBuf, String> {
    if let Some(folder) = variable("JUPYTER_DATA_DIR") {
        return Ok(folder);
    }
    let home = variable("HOME").ok_or("HOME is not set: use --prefix")?;
    if cfg!(target_os = "macos") {
        return Ok(home.join("Library/Jupyter"));
    }
    let data = variable("XDG_DATA_HOME").unwrap_or_else(|| home.join(".local/share"));
    Ok(data.join("jupyter"))
}

/// The folder of the active Python environment.
fn environment() -> Result<PathBuf, String> {
    if let Some(folder) = variable("VIRTUAL_ENV").or_else(|| variable("CONDA_PREFIX")) {
        return Ok(folder);
    }
    let words = ["-c", "import sys; print(sys.prefix)"];
    let output = Command::new("python3").args(words).output();
    match output {
        Ok(output) if output.status.success() => Ok(PathBuf::from(
            String::from_utf8_lossy(&output.stdout).trim(),
        )),
        _ => Err(
            "no Python environment is active: activate one, or use --user or --prefix".to_owned(),
        ),
    }
}

/// Programs that the kernel needs, kept where no rebuild of a checkout touches them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Programs {
    /// This one.
    kernel: PathBuf,
    /// The one that trains, if there is one beside this.
    trainer: Option<PathBuf>,
}

/// Keeps this program, and the one that trains if it lies beside it.
pub(super) fn programs(data: &Path) -> Result<Programs, String> {
    let this = std::env::current_exe().map_err(|error| format!("this program: {error}"))?;
    let bin = data.join("bin");
    let failed = |error: std::io::Error| format!("{}: {error}", bin.display());
    fs::create_dir_all(&bin).map_err(failed)?;
    let keep = |from: &Path| {
        let name = from.file_name().unwrap_or_default();
        let (to, new) = (bin.join(name), bin.join(format!(".new-{}", name.display())));
        if from != to {
            // A program that runs cannot be written to, but another can take its name.
            fs::copy(from, &new)
                .and_then(|_| fs::rename(&new, &to))
                .map_err(failed)?;
        }
        Ok::<_, String>(to)
    };
    let trainer = this.with_file_name("compacter");
    Ok(Programs {
        kernel: keep(&this)?,
        trainer: if trainer.exists() {
            Some(keep(&trainer)?)
        } else {
            None
        },
    })
}

/// Writes the description; says where.
pub(super) fn write(
    place: &Place,
    programs: &Programs,
    std_sources: &Path,
) -> Result<PathBuf, String> {
    let folder = folder(place)?;
    let mut environment = json!({"RUST_SRC_PATH": std_sources});
    if let Some(trainer) = &programs.trainer {
        environment["COMPACTER_PROGRAM"] = json!(trainer);
    }
    // In the kernel's folder no file says which compiler is meant.
    if let Some(toolchain) = active_toolchain() {
        environment["RUSTUP_TOOLCHAIN"] = json!(toolchain);
    }
    let spec = json!({
        "argv": [programs.kernel, "run", "{connection_file}"],
        "display_name": "Rust (Compacter)",
        "language": "rust",
        "interrupt_mode": "message",
        "kernel_protocol_version": crate::wire::PROTOCOL,
        "env": environment,
        "metadata": {"debugger": false},
    });
    let text = serde_json::to_string_pretty(&spec).map_err(|error| error.to_string())?;
    super::write(&folder.join("kernel.json"), &text)?;
    super::write(&folder.join("logo-svg.svg"), LOGO)?;
    Ok(folder)
}

/// The toolchain that rustup uses outside of any checkout; `None` without rustup.
fn active_toolchain() -> Option<String> {
    let output = Command::new("rustup")
        .args(["show", "active-toolchain"])
        .current_dir("/")
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().next().map(str::to_owned)
}

/// Whether a description is there and its program too.
pub(super) fn check(spec: &Path) -> Result<String, String> {
    let again = "run `compacter kernel install`";
    let text = fs::read_to_string(spec)
        .map_err(|error| format!("{}: {error}: {again}", spec.display()))?;
    let value: Value = serde_json::from_str(&text)
        .map_err(|error| format!("{}: {error}: {again}", spec.display()))?;
    let program = value["argv"][0].as_str().unwrap_or_default();
    if Path::new(program).exists() {
        Ok(spec.display().to_string())
    } else {
        Err(format!(
            "{}: its program {program} is gone: {again}",
            spec.display()
        ))
    }
}
