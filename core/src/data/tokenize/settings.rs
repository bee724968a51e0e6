//! What `tokenizer_config.json` and `special_tokens_map.json` say.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error;
use crate::{Error, Result};

/// The settings that matter here; files hold many more.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Settings {
    pub(super) do_lower_case: Option<bool>,
    pub(super) tokenize_chinese_chars: Option<bool>,
    pub(super) strip_accents: Option<bool>,
    pub(super) extra_ids: Option<u32>,
    pub(super) legacy: Option<bool>,
    pub(super) added_tokens_decoder: BTreeMap<u32, Content>,
    #[serde(flatten)]
    special: Special,
}

/// A token, written as its text or as an object around it.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Token {
    Text(String),
    Object(Content),
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Content {
    pub(super) content: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Special {
    #[serde(rename = "pad_token")]
    pad: Option<Token>,
    #[serde(rename = "eos_token")]
    eos: Option<Token>,
    #[serde(rename = "sep_token")]
    sep: Option<Token>,
    #[serde(rename = "cls_token")]
    cls: Option<Token>,
    #[serde(rename = "unk_token")]
    unk: Option<Token>,
    #[serde(rename = "mask_token")]
    mask: Option<Token>,
}

/// What a special token is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Role {
    Pad,
    Eos,
    Sep,
    Cls,
    Unk,
    Mask,
}

impl Settings {
    /// Reads both files; one that is not there says nothing.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let mut settings: Self = read(&folder.join("tokenizer_config.json"))?;
        let map: Special = read(&folder.join("special_tokens_map.json"))?;
        let special = &mut settings.special;
        special.pad = special.pad.take().or(map.pad);
        special.eos = special.eos.take().or(map.eos);
        special.sep = special.sep.take().or(map.sep);
        special.cls = special.cls.take().or(map.cls);
        special.unk = special.unk.take().or(map.unk);
        special.mask = special.mask.take().or(map.mask);
        Ok(settings)
    }

    /// The text of a special token, where the files give one.
    pub(super) fn token(&self, role: Role) -> Option<&str> {
        let special = &self.special;
        let token = match role {
            Role::Pad => &special.pad,
            Role::Eos => &special.eos,
            Role::Sep => &special.sep,
            Role::Cls => &special.cls,
            Role::Unk => &special.unk,
            Role::Mask => &special.mask,
        };
        token.as_ref().map(|token| match token {
            Token::Text(text) | Token::Object(Content { content: text }) => text.as_str(),
        })
    }
}

fn read<T: DeserializeOwned + Default>(path: &Path) -> Result<T> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| error(path, e.to_string())),
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => Ok(T::default()),
        Err(source) => Err(Error::io(path, "read")(source)),
    }
}
