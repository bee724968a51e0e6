//! How tensors of another library are made of ours, read in both directions.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use candle_core::Tensor;

use crate::peft::Parameter;
use crate::{Error, Result};

/// Left-over tensors that an error lists before it only counts them.
const LISTED: usize = 4;

/// Stands among the parts of an entry for an extent that nothing of ours stands for: 0 where
/// it is written, not read where it is.
pub(super) const GAP: &str = "";

/// Tensors of a file by their names there.
pub(super) type Tensors = BTreeMap<String, Tensor>;

/// One tensor of another library: tensors of ours, one after another along an axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its name there.
    pub(super) name: String,
    /// Its shape there.
    pub(super) shape: Vec<usize>,
    /// The axis along which the parts follow each other.
    pub(super) axis: usize,
    /// Names of ours, or [`GAP`]; each has the same extent along the axis.
    pub(super) parts: Vec<String>,
    /// How much of the axis follows that nothing of ours stands for, and the other library
    /// does not read.
    pub(super) unused: usize,
    /// Whether the file holds it as a vector.
    pub(super) is_flat: bool,
}

impl Entry {
    /// A tensor of ours under another name and in another shape of as many elements.
    pub(super) fn one(
        name: impl Into<String>,
        shape: impl Into<Vec<usize>>,
        ours: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            shape: shape.into(),
            axis: 0,
            parts: vec![ours.into()],
            unused: 0,
            is_flat: false,
        }
    }

    /// The same, as a vector in the file.
    pub(super) fn flat(mut self) -> Self {
        self.is_flat = true;
        self
    }

    /// The shape in the file.
    fn stored(&self) -> Vec<usize> {
        if self.is_flat {
            vec![self.shape.iter().product()]
        } else {
            self.shape.clone()
        }
    }

    /// A tensor of theirs that nothing of ours stands for.
    pub(super) fn gap(name: impl Into<String>, shape: impl Into<Vec<usize>>) -> Self {
        Self::one(name, shape, GAP)
    }

    /// The shape of one part.
    fn part(&self) -> Result<Vec<usize>> {
        let mut shape = self.shape.clone();
        let extent = shape.get_mut(self.axis);
        let extent = extent.ok_or_else(|| Error::method(format!("{} has no axis", self.name)))?;
        *extent = extent.saturating_sub(self.unused) / self.parts.len().max(1);
        Ok(shape)
    }

    /// Joins tensors of ours.
    fn join(&self, ours: &Tensors) -> Result<Tensor> {
        let shape = self.part()?;
        let mut parts = Vec::with_capacity(self.parts.len() + 1);
        let like = self.parts.iter().find_map(|name| ours.get(name));
        for name in &self.parts {
            let part = match (ours.get(name), like) {
                (Some(found), _) => found.reshape(shape.as_slice())?,
                (None, Some(like)) if name == GAP => {
                    Tensor::zeros(shape.as_slice(), like.dtype(), like.device())?
                }
                (None, _) => return Err(Error::method(format!("{name} is not trained"))),
            };
            parts.push(part);
        }
        if self.unused > 0 {
            let mut rest = shape;
            rest[self.axis] = self.unused;
            let (dtype, device) = (parts[0].dtype(), parts[0].device().clone());
            parts.push(Tensor::zeros(rest, dtype, &device)?);
        }
        let joined = Tensor::cat(&parts, self.axis)?.contiguous()?;
        Ok(joined.reshape(self.stored())?)
    }

    /// Takes a tensor of theirs apart; parts have the shapes that ours have.
    fn split(&self, theirs: &Tensor, ours: &[Parameter]) -> Result<Vec<(String, Tensor)>> {
        let extent = self.part()?[self.axis];
        let theirs = theirs.reshape(self.shape.as_slice())?;
        let part = |(at, name): (usize, &String)| -> Result<_> {
            let parameter = ours.iter().find(|parameter| parameter.name == *name);
            let parameter = parameter
                .ok_or_else(|| Error::method(format!("{name} is not trained by this method")))?;
            let part = theirs.narrow(self.axis, at * extent, extent)?;
            let part = part.contiguous()?.reshape(parameter.shape.as_slice())?;
            Ok((name.clone(), part))
        };
        let parts = self.parts.iter().enumerate();
        parts.filter(|(_, name)| *name != GAP).map(part).collect()
    }
}

/// Tensors of theirs, made of ours.
pub(super) fn to_theirs(entries: &[Entry], ours: &Tensors) -> Result<Tensors> {
    let mut theirs = Tensors::new();
    for entry in entries {
        let joined = entry.join(ours)?;
        theirs.insert(entry.name.clone(), joined);
    }
    Ok(theirs)
}

/// Tensors of ours, made of those of the file `path`.
///
/// # Errors
/// Fails if the file lacks a tensor, holds one of another shape, or one that nothing of ours
/// stands for, naming it.
pub(super) fn to_ours(
    entries: &[Entry],
    theirs: &Tensors,
    ours: &[Parameter],
    path: &Path,
) -> Result<Vec<(String, Tensor)>> {
    let mut left: BTreeSet<&str> = theirs.keys().map(String::as_str).collect();
    let mut named = Vec::new();
    for entry in entries {
        let found = theirs.get(&entry.name);
        let found =
            found.ok_or_else(|| Error::model(path, format!("holds no tensor `{}`", entry.name)))?;
        if found.dims() != entry.stored() {
            let message = format!(
                "`{}` is {:?}; the model and the adapter's configuration ask for {:?}: does it \
                 belong to this model?",
                entry.name,
                found.dims(),
                entry.stored()
            );
            return Err(Error::model(path, message));
        }
        named.extend(entry.split(found, ours)?);
        left.remove(entry.name.as_str());
    }
    if !left.is_empty() {
        let listed: Vec<String> = left.iter().take(LISTED).map(|n| format!("`{n}`")).collect();
        let more = match left.len() - listed.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let message = format!(
            "holds tensors that the adapter's configuration does not speak of: {}{more}",
            listed.join(", ")
        );
        return Err(Error::model(path, message));
    }
    Ok(named)
}
