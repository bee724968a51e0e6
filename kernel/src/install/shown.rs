//! The sources behind what cells can name, kept for completion and for the types of variables:
//! cargo may clear its own store.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Copies the packages of a view that are not in `sources` into `sources/shown`, and has the view
/// name these.
pub(super) fn keep(view: &mut Value, sources: &Path) -> Result<(), String> {
    let kept = sources.join("shown");
    let packages = view["packages"].as_array_mut().into_iter().flatten();
    for package in packages {
        let manifest = PathBuf::from(package["manifest_path"].as_str().unwrap_or_default());
        let (Some(folder), false) = (manifest.parent(), manifest.starts_with(sources)) else {
            continue;
        };
        let to = kept.join(folder.file_name().unwrap_or_default());
        copy(folder, &to).map_err(|error| format!("{}: {error}", folder.display()))?;
        rename(package, &folder.to_string_lossy(), &to.to_string_lossy());
    }
    Ok(())
}

/// Manifests and Rust, which is all that is read.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        let ending = from.extension().and_then(|ending| ending.to_str());
        if entry.file_type()?.is_dir() {
            copy(&from, &to)?;
        } else if matches!(ending, Some("rs" | "toml" | "md")) {
            fs::copy(&from, &to)?;
        }
    }
    Ok(())
}

/// Puts another folder's name into every path.
fn rename(value: &mut Value, from: &str, to: &str) {
    match value {
        Value::String(text) => {
            if let Some(rest) = text.strip_prefix(from)
                && (rest.is_empty() || rest.starts_with('/'))
            {
                *text = format!("{to}{rest}");
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| rename(value, from, to)),
        Value::Object(values) => values
            .values_mut()
            .for_each(|value| rename(value, from, to)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    #[test]
    fn what_lies_elsewhere_is_copied_and_named_there() {
        let store = tempfile::tempdir().unwrap();
        let sources = tempfile::tempdir().unwrap();
        let a = store.path().join("a-1");
        fs::create_dir_all(a.join("src")).unwrap();
        for file in ["Cargo.toml", "src/lib.rs", "picture.png"] {
            fs::write(a.join(file), file).unwrap();
        }
        let own = sources.path().join("core/Cargo.toml");
        let mut view = json!({"packages": [
            {"manifest_path": a.join("Cargo.toml"), "targets": [{"src_path": a.join("src/lib.rs")}]},
            {"manifest_path": own},
        ]});
        keep(&mut view, sources.path()).unwrap();
        let kept = sources.path().join("shown/a-1");
        let expected = json!({"packages": [
            {"manifest_path": kept.join("Cargo.toml"), "targets": [{"src_path": kept.join("src/lib.rs")}]},
            {"manifest_path": own},
        ]});
        assert_eq!(view, expected);
        assert!(kept.join("src/lib.rs").exists() && !kept.join("picture.png").exists());
    }
}
