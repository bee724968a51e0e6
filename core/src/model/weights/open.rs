//! Files that hold weights: which ones a folder has, and how a tensor is read from each kind.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use candle_core::pickle::PthTensors;
use candle_core::safetensors::{Load, MmapedSafetensors, SliceSafetensors};
use candle_core::{DType, Device, Tensor};
use safetensors::tensor::TensorView;

use crate::embedded::EmbeddedModel;
use crate::hub::ModelFiles;
use crate::hub::files::{self, WeightFiles};
use crate::model::nearest::quoted;
use crate::{Error, Result};

/// A kind of weight file.
#[derive(Clone, Copy)]
enum Format {
    Safetensors,
    Pickle,
}

/// Where weights are looked for, in this order.
const CANDIDATES: [(WeightFiles, Format); 2] = [
    (files::SAFETENSORS, Format::Safetensors),
    (files::PICKLE, Format::Pickle),
];

/// Weights of other libraries, which a folder may hold instead.
const FOREIGN: [&str; 4] = [
    "tf_model.h5",
    "flax_model.msgpack",
    "model.ckpt.index",
    "rust_model.ot",
];

/// Tensors that can be read one at a time.
pub(super) enum Store {
    /// A memory-mapped safetensors file.
    Safetensors {
        path: PathBuf,
        map: MmapedSafetensors,
    },
    /// A zipped pickle that `PyTorch` wrote.
    Pickle { path: PathBuf, file: PthTensors },
    /// A safetensors file inside the program.
    Embedded {
        path: PathBuf,
        file: SliceSafetensors<'static>,
    },
    /// Tensors made by the program.
    Memory(HashMap<String, Tensor>),
}

/// What is known of a tensor before its data is read.
pub(super) struct Header {
    pub(super) shape: Vec<usize>,
    /// Its number format, in words.
    pub(super) dtype: String,
    /// Whether that is one that weights may have.
    pub(super) is_float: bool,
}

impl Store {
    /// Names of the tensors, as the file spells them.
    pub(super) fn names(&self) -> Vec<String> {
        match self {
            Self::Safetensors { map, .. } => map.tensors().into_iter().map(|(n, _)| n).collect(),
            Self::Pickle { file, .. } => file.tensor_infos().keys().cloned().collect(),
            Self::Embedded { file, .. } => file.tensors().into_iter().map(|(n, _)| n).collect(),
            Self::Memory(tensors) => tensors.keys().cloned().collect(),
        }
    }

    /// The file, or `folder` for tensors that came from none.
    pub(super) fn path<'a>(&'a self, folder: &'a Path) -> &'a Path {
        match self {
            Self::Safetensors { path, .. }
            | Self::Pickle { path, .. }
            | Self::Embedded { path, .. } => path,
            Self::Memory(_) => folder,
        }
    }

    /// Shape and number format of a tensor; the error says why they are not known.
    pub(super) fn header(&self, name: &str) -> Result<Header, String> {
        let of = |shape: &[usize], dtype: DType| Header {
            shape: shape.to_vec(),
            dtype: dtype.as_str().to_owned(),
            is_float: is_float(dtype),
        };
        match self {
            Self::Safetensors { map, .. } => {
                Ok(of_view(&map.get(name).map_err(|error| text(&error))?))
            }
            Self::Embedded { file, .. } => {
                Ok(of_view(&file.get(name).map_err(|error| text(&error))?))
            }
            Self::Pickle { file, .. } => {
                let info = file.tensor_infos().get(name).ok_or("it is not there")?;
                Ok(of(info.layout.dims(), info.dtype))
            }
            Self::Memory(tensors) => {
                let tensor = tensors.get(name).ok_or("it is not there")?;
                Ok(of(tensor.dims(), tensor.dtype()))
            }
        }
    }

    /// Reads a tensor's data; the error says why that is not possible.
    pub(super) fn load(&self, name: &str, device: &Device) -> Result<Tensor, String> {
        match self {
            Self::Safetensors { map, .. } => map
                .get(name)
                .and_then(|view| view.load(device))
                .map_err(|error| text(&error)),
            Self::Embedded { file, .. } => file.load(name, device).map_err(|error| text(&error)),
            Self::Pickle { file, .. } => file
                .get(name)
                .map_err(|error| text(&error))?
                .ok_or_else(|| "it is not there".to_owned()),
            Self::Memory(tensors) => tensors
                .get(name)
                .cloned()
                .ok_or_else(|| "it is not there".to_owned()),
        }
    }

    fn open(path: &Path, format: Format) -> Result<Self> {
        check_file(path)?;
        let damaged = |error: candle_core::Error| {
            Error::model(
                path,
                format!("cut off or damaged ({}): download it again", text(&error)),
            )
        };
        let path = path.to_path_buf();
        match format {
            Format::Safetensors => {
                #[expect(unsafe_code, reason = "maps files larger than memory could hold twice")]
                // SAFETY: the map is private to `Weights`, is only ever copied from, and its
                // header was checked against the file's length; as with any mapped file,
                // nobody may cut the file short while it is being read.
                let map = unsafe { MmapedSafetensors::new(&path) }.map_err(damaged)?;
                Ok(Self::Safetensors { path, map })
            }
            Format::Pickle => {
                check_zip(&path)?;
                let file = PthTensors::new(&path, None).map_err(damaged)?;
                if file.tensor_infos().is_empty() {
                    return Err(Error::model(&path, "holds no tensors"));
                }
                Ok(Self::Pickle { path, file })
            }
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.path(Path::new("in memory"));
        f.debug_tuple("Store").field(&name).finish()
    }
}

fn of_view(view: &TensorView<'_>) -> Header {
    Header {
        shape: view.shape().to_vec(),
        dtype: view.dtype().to_string(),
        is_float: DType::try_from(view.dtype()).is_ok_and(is_float),
    }
}

/// Opens the weights of a model inside the program.
pub(super) fn embedded(model: &EmbeddedModel) -> Result<Store> {
    let name = files::SAFETENSORS.single;
    let path = ModelFiles::Embedded(*model).location().join(name);
    let bytes = model.file(name);
    let bytes = bytes.ok_or_else(|| Error::model(&path, "holds no weights"))?;
    let file = SliceSafetensors::new(bytes).map_err(|error| Error::model(&path, text(&error)))?;
    Ok(Store::Embedded { path, file })
}

fn is_float(dtype: DType) -> bool {
    matches!(dtype, DType::F16 | DType::BF16 | DType::F32 | DType::F64)
}

/// The first line of a library's error, which may go on with a backtrace.
fn text(error: &candle_core::Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

/// Opens whatever weights the folder has.
pub(super) fn stores(folder: &Path) -> Result<Vec<Store>> {
    if !folder.is_dir() {
        let what = if folder.exists() {
            "is a file; give the folder that holds it"
        } else {
            "there is no such folder"
        };
        return Err(Error::model(folder, what));
    }
    for (WeightFiles { single, index }, format) in CANDIDATES {
        // A broken link in a cache counts as there: its own error says more.
        if folder.join(single).symlink_metadata().is_ok() {
            return Ok(vec![Store::open(&folder.join(single), format)?]);
        }
        if folder.join(index).symlink_metadata().is_ok() {
            return shards(folder, &folder.join(index), format);
        }
    }
    let sought = CANDIDATES.map(|(files, _)| [files.single, files.index]);
    let sought = sought.concat();
    let foreign = FOREIGN
        .iter()
        .find(|name| folder.join(name).exists())
        .map(|name| format!("; `{name}` is of another library: convert it to safetensors"));
    let message = format!(
        "holds no weights; looked for {}{}",
        quoted(&sought),
        foreign.unwrap_or_default()
    );
    Err(Error::model(folder, message))
}

fn shards(folder: &Path, index: &Path, format: Format) -> Result<Vec<Store>> {
    check_file(index)?;
    let mut stores = Vec::new();
    for (file, expected) in files::shards(index)? {
        let path = folder.join(&file);
        if path.symlink_metadata().is_err() {
            let message = format!("names the shard `{file}`, which is missing: download it too");
            return Err(Error::model(index, message));
        }
        let store = Store::open(&path, format)?;
        let held: BTreeSet<String> = store.names().into_iter().collect();
        if let Some(name) = expected.difference(&held).next() {
            let message = format!("says that `{file}` holds `{name}`, but it does not");
            return Err(Error::model(index, message));
        }
        stores.push(store);
    }
    Ok(stores)
}

/// Refuses what is no file, is empty, or only stands for a file.
fn check_file(path: &Path) -> Result<()> {
    let about = std::fs::metadata(path).map_err(Error::io(path, "open"))?;
    if about.is_dir() {
        return Err(Error::model(path, "is a folder, not a file"));
    }
    if about.len() == 0 {
        return Err(Error::model(path, "is empty: download it again"));
    }
    if starts_with(path, b"version https://git-lfs")? {
        return Err(Error::model(
            path,
            "is a Git LFS pointer, not the file itself: run `git lfs pull`",
        ));
    }
    Ok(())
}

fn check_zip(path: &Path) -> Result<()> {
    if starts_with(path, b"PK\x03\x04")? {
        return Ok(());
    }
    Err(Error::model(
        path,
        "is not a zipped PyTorch file (those before 1.6 were not zipped): \
         load it with PyTorch and save it again, or convert it to safetensors",
    ))
}

fn starts_with(path: &Path, magic: &[u8]) -> Result<bool> {
    let mut start = Vec::new();
    File::open(path)
        .and_then(|file| file.take(magic.len() as u64).read_to_end(&mut start))
        .map_err(Error::io(path, "read"))?;
    Ok(start == magic)
}
