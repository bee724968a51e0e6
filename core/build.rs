//! Compiles our CUDA kernels to PTX where the feature `cuda` is on; does nothing otherwise.
//!
//! `NVCC` names the compiler, else it is the `nvcc` on the path. PTX for compute capability 8.0
//! serves every GPU since (bf16 begins there): the driver compiles it for the one it finds.

use std::error::Error;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the sources are.
const FOLDER: &str = "src/ops/cuda";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_CUDA").is_none() {
        return Ok(());
    }
    println!("cargo::rerun-if-changed={FOLDER}");
    println!("cargo::rerun-if-env-changed=NVCC");
    let nvcc = std::env::var_os("NVCC").unwrap_or_else(|| OsString::from("nvcc"));
    let to = PathBuf::from(std::env::var("OUT_DIR")?);
    for entry in std::fs::read_dir(FOLDER)? {
        let source = entry?.path();
        if source
            .extension()
            .is_some_and(|extension| extension == "cu")
        {
            compile(&nvcc, &source, &to)?;
        }
    }
    Ok(())
}

fn compile(nvcc: &OsString, source: &Path, to: &Path) -> Result<(), Box<dyn Error>> {
    let name = source.file_stem().unwrap_or_default();
    let ptx = to.join(name).with_extension("ptx");
    let flags = ["-ptx", "-O3", "-arch=compute_80"];
    let status = Command::new(nvcc)
        .args(flags)
        .arg("-o")
        .arg(ptx)
        .arg(source)
        .status()
        .map_err(|error| {
            let nvcc = nvcc.display();
            format!("the feature `cuda` needs NVIDIA's compiler, and `{nvcc}` cannot be started ({error}): install the CUDA toolkit, or name its compiler in NVCC")
        })?;
    if status.success() {
        return Ok(());
    }
    Err(format!("{} does not compile {}", nvcc.display(), source.display()).into())
}
