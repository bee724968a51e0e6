//! Prompt tuning: trained rows stand before every embedded input.
//!
//! ```text
//! encoder([P; embed(x)])          Lester et al., arXiv:2104.08691
//! ```
//!
//! | symbol | parameter | shape | starts |
//! |---|---|---|---|
//! | `P` | `….prompt` of the encoder | `[rows, d_model]` | Prompt Tuning-R: uniform in ±0.5; -T: the first rows of the token embedding |
//!
//! T5's encoder, its relative positions and the decoder's attention to it see the rows as
//! tokens; the decoder gets none. BERT's rows come after the norm on its embeddings, as in
//! `AdapterHub`, so they have no position; with `placement = "peft"` they come as words do, at
//! the first positions, and tokens after them. In both they take part in pooling: the mean is
//! over rows and tokens, `cls` is the first row.
//!
//! The released code of Prompt Tuning-T fills the embedding with standard normal numbers
//! before it copies rows from it, and loads the pretrained one only then; by reading it, its
//! runs started from `prompt_init = "normal"`. `prompt-vocab` does what the paper says.

use candle_core::Tensor;

use super::group;
use super::init::Distribution;
use super::trainables::Builder;
use crate::config::{Placement, PromptConfig, PromptInit};
use crate::model::Model;
use crate::model::site::{Backbone, EmbeddingModule, SiteSlot, Stack};
use crate::{Error, Result};

struct Prompt {
    rows: Tensor, // [rows, d_model]
    positions: usize,
}

impl EmbeddingModule for Prompt {
    fn rows(&self) -> Result<Tensor> {
        Ok(self.rows.clone())
    }

    fn positions(&self) -> usize {
        self.positions
    }
}

/// Puts trained rows before the encoder's input.
///
/// # Errors
/// Fails if a site is taken by another module, and if more rows are to be taken from the
/// token embedding than it has.
pub fn install(config: &PromptConfig, model: &mut Model, builder: &mut Builder) -> Result<()> {
    let positions = match config.placement {
        Placement::Peft => config.length,
        Placement::Paper | Placement::Adapterhub => 0,
    };
    let shape = [config.length, model.shape.d_model];
    let copied = match config.init {
        PromptInit::Vocab => Some(first_rows(config.length, model)?),
        PromptInit::Uniform | PromptInit::Normal => None,
    };
    model.visit_sites(&mut |site, slot| {
        let SiteSlot::Embedding(slot) = slot else {
            return Ok(());
        };
        if site.stack == Stack::Decoder {
            return Ok(());
        }
        let name = format!("{}.prompt", site.path);
        let rows = match (&copied, config.init) {
            (Some(rows), _) => builder.add_from(name, group::PROMPT, rows)?,
            (None, PromptInit::Normal) => {
                builder.add(name, group::PROMPT, &shape, Distribution::Normal(1.0))?
            }
            (None, _) => builder.add(name, group::PROMPT, &shape, Distribution::Uniform(0.5))?,
        };
        slot.install(Box::new(Prompt { rows, positions }), site)
    })
}

/// The first rows of the token embedding, which a backbone shows before its other weights.
fn first_rows(count: usize, model: &mut Model) -> Result<Tensor> {
    let mut table = None;
    model.visit_weights(&mut |_, weight| {
        table.get_or_insert_with(|| weight.stored().clone());
        Ok(())
    })?;
    let table = table.ok_or_else(|| Error::method("the model has no token embedding"))?;
    Ok(table.narrow(0, 0, count)?.copy()?)
}
