//! Files of tensors, in the safetensors format.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::Path;

use candle_core::Tensor;
use safetensors::SafeTensorError;

use crate::{Error, Result};

/// Writes tensors with the permissions that any new file gets: the library gives its own ones
/// that lock out everyone else. What is wrong with the tensors themselves, `refuse` tells.
///
/// # Errors
/// [`Error::Io`] when the file cannot be written.
pub(crate) fn write<'a>(
    path: &Path,
    tensors: impl IntoIterator<Item = (&'a str, &'a Tensor)>,
    metadata: Option<HashMap<String, String>>,
    refuse: impl FnOnce(String) -> Error,
) -> Result<()> {
    let permissions = File::create(path)
        .and_then(|file| file.metadata())
        .map_err(Error::io(path, "write"))?
        .permissions();
    safetensors::serialize_to_file(tensors, metadata, path).map_err(|error| match error {
        SafeTensorError::IoError(error) => Error::io(path, "write")(error),
        other => refuse(other.to_string()),
    })?;
    fs::set_permissions(path, permissions).map_err(Error::io(path, "write"))
}

#[cfg(all(test, unix))]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::os::unix::fs::PermissionsExt;

    use candle_core::{DType, Device};

    use super::*;

    #[test]
    fn a_file_of_tensors_can_be_read_by_whoever_can_read_others() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        let other = folder.path().join("config.json");
        fs::write(&other, "{}").unwrap();
        let path = folder.path().join("model.safetensors");
        let tensor = Tensor::zeros(2, DType::F32, &Device::Cpu).unwrap();
        write(&path, [("x", &tensor)], None, Error::method).unwrap();
        assert_eq!(mode(&path), mode(&other));
        let nowhere = folder.path().join("none/model.safetensors");
        let error = write(&nowhere, [("x", &tensor)], None, Error::method).unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error}");
    }
}
