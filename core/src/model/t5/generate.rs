//! Greedy generation with a cache of keys and values.

use candle_core::{D, DType};

use super::super::Encoded;
use super::T5;
use crate::Result;
use crate::cancel::CancelToken;
use crate::model::Pass;
use crate::ops::index;

impl T5 {
    /// Generates the likeliest next token of every sequence until its end marker or
    /// `longest` tokens; end markers are left out of the result.
    ///
    /// # Errors
    /// Fails where the tensor library does, and if `cancel` is raised.
    pub fn generate(
        &self,
        encoded: &Encoded,
        longest: usize,
        cancel: &CancelToken,
    ) -> Result<Vec<Vec<u32>>> {
        let batch = encoded.segments.batch();
        let mut caches = self.decoder.caches(encoded)?;
        let end = index(self.config.eos_token_id);
        let mut texts = vec![Vec::new(); batch];
        let mut open = vec![true; batch];
        let mut last = vec![self.start_id(); batch];
        for position in 0..longest {
            cancel.check()?;
            let hidden = self
                .decoder
                .decode_step(self.embed(&last)?, position, &mut caches)?;
            let logits = self.logits(&hidden, &Pass::EVALUATION)?;
            last = logits
                .to_dtype(DType::F32)?
                .argmax(D::Minus1)?
                .to_vec1::<u32>()?;
            for ((text, open), &token) in texts.iter_mut().zip(&mut open).zip(&last) {
                *open &= token != end;
                if *open {
                    text.push(token);
                }
            }
            if !open.contains(&true) {
                break;
            }
        }
        Ok(texts)
    }
}
