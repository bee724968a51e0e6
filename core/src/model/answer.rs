//! What a task asks of a model, and what the model answers.

use candle_core::{DType, Tensor};

use crate::Result;

/// The kind of answer that a task asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// One of so many classes; a backbone that generates text scores each class by the
    /// likelihood of its verbaliser.
    Class {
        /// Number of classes.
        count: usize,
        /// Token ids of each class's name, end marker included; empty for encoders.
        verbalizers: Vec<Vec<u32>>,
    },
    /// A number.
    Value,
    /// Text of at most so many tokens.
    Text {
        /// Tokens.
        longest: usize,
    },
}

/// A model's answer to one input.
#[derive(Debug, Clone, PartialEq)]
pub enum Prediction {
    /// The likeliest class.
    Class {
        /// Its number.
        class: usize,
        /// Probability of each class.
        scores: Vec<f64>,
    },
    /// A number.
    Value(f64),
    /// Token ids of generated text.
    Text(Vec<u32>),
}

impl Answer {
    /// Reads the outputs of an encoder's head, `[b, outputs]`.
    pub(super) fn read(&self, outputs: &Tensor) -> Result<Vec<Prediction>> {
        let rows = outputs.to_dtype(DType::F64)?.to_vec2::<f64>()?;
        let read = |row: Vec<f64>| match self {
            Self::Class { .. } => Prediction::likeliest(&row),
            Self::Value | Self::Text { .. } => Prediction::Value(row[0]),
        };
        Ok(rows.into_iter().map(read).collect())
    }
}

impl Prediction {
    /// The class of the largest logit, the first of equals, with all probabilities.
    #[expect(clippy::float_cmp, reason = "the largest is one of them")]
    pub(super) fn likeliest(logits: &[f64]) -> Self {
        let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let class = logits
            .iter()
            .position(|&logit| logit == largest)
            .unwrap_or(0);
        let powers: Vec<f64> = logits.iter().map(|logit| (logit - largest).exp()).collect();
        let sum: f64 = powers.iter().sum();
        Self::Class {
            class,
            scores: powers.into_iter().map(|power| power / sum).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use candle_core::Device;

    #[test]
    fn the_first_of_the_likeliest_classes_wins_and_scores_are_probabilities() {
        let answer = Answer::Class {
            count: 3,
            verbalizers: Vec::new(),
        };
        // Large logits: their powers alone would overflow.
        let outputs = Tensor::new(&[[1000f32, 1001.0, 1001.0]], &Device::Cpu).unwrap();
        let predictions = answer.read(&outputs).unwrap();
        let [Prediction::Class { class, scores }] = &predictions[..] else {
            panic!("one class, not {predictions:?}")
        };
        assert_eq!(*class, 1);
        let e = 1f64.exp();
        let expected = [
            1.0 / (1.0 + 2.0 * e),
            e / (1.0 + 2.0 * e),
            e / (1.0 + 2.0 * e),
        ];
        for (score, expected) in scores.iter().zip(expected) {
            assert!((score - expected).abs() < 1e-12, "{scores:?}");
        }
    }
}
