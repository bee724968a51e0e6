//! A snapshot of a method's factors: what the projections look like after a step.
//!
//! Scalars are JSON numbers of six significant digits. The entries of a factor are
//! [`Entries`]: half-precision floats in base64 with a common power of two, so that slow
//! weights near 1e-4 keep their eleven bits too. With 24 projections between widths 192
//! and 24, `n = 4`, a snapshot is about 30 kB.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use half::f16;
use serde::{Deserialize, Serialize};

use super::number;

/// A snapshot of a method's factors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Factors {
    /// Slow weights; those that all projections share are here once.
    pub slow: Vec<SlowFactors>,
    /// Projections, in the order of the forward pass.
    pub projections: Vec<ProjectionFactors>,
}

/// Slow weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SlowFactors {
    /// Name of the tensor.
    pub name: String,
    /// `A: [n, n, n]`
    pub entries: Entries,
    /// `‖A − A₀‖ / ‖A₀‖` since the initial values; left out where `A₀` is 0.
    #[serde(
        default,
        with = "number::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub change: Option<f64>,
    /// Norm of the last step's gradient in `A`, before clipping; left out where they are
    /// not trained, and without a step.
    #[serde(
        default,
        with = "number::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub gradient_norm: Option<f64>,
}

/// A projection `W: [in, out]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProjectionFactors {
    /// Name, such as `encoder.block.0.layer.1.adapter.down`.
    pub name: String,
    /// Where it stands.
    #[serde(flatten)]
    pub place: Place,
    /// `[in, out]`
    pub shape: [usize; 2],
    /// `‖W‖`
    #[serde(with = "number")]
    pub norm: f64,
    /// `‖W − W₀‖` since the initial values.
    #[serde(with = "number")]
    pub drift: f64,
    /// `‖W − W'‖` since the snapshot before; left out in a run's first.
    #[serde(
        default,
        with = "number::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub change: Option<f64>,
    /// Norm of the last step's gradient in this projection's own factors, before clipping;
    /// left out without a step.
    #[serde(
        default,
        with = "number::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub gradient_norm: Option<f64>,
    /// How many directions `W` works in; left out with the spectrum.
    #[serde(
        default,
        with = "number::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub effective_rank: Option<f64>,
    /// Singular values that can be other than 0, largest first; empty for a projection too
    /// wide to compute them at every snapshot.
    #[serde(default, with = "number::list", skip_serializing_if = "Vec::is_empty")]
    pub spectrum: Vec<f64>,
    /// `‖s − s₀‖ / ‖s₀‖`; left out where there is no `s`, or `s₀` is 0.
    #[serde(
        default,
        with = "number::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub left_change: Option<f64>,
    /// `‖t − t₀‖ / ‖t₀‖`; left out where there is no `t`, or `t₀` is 0.
    #[serde(
        default,
        with = "number::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub right_change: Option<f64>,
    /// `‖B − B₀‖ / ‖B₀‖` of whole fast weights, or of a dense projection.
    #[serde(
        default,
        with = "number::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub fast_change: Option<f64>,
    /// What `A` is: place in [`Factors::slow`], or the number `α/r` of a low-rank update.
    #[serde(flatten)]
    pub slow: SlowPart,
    /// `s: [n, in/n, r]`. Entries are left out of dense projections, and where a snapshot
    /// would hold too many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<Entries>,
    /// `t: [n, r, out/n]`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub right: Option<Entries>,
    /// `B: [n, in/n, out/n]` of whole fast weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fast: Option<Entries>,
}

/// The left factors of a projection.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SlowPart {
    /// Place in [`Factors::slow`].
    Slow(usize),
    /// One term with a number for `A`.
    Scale(f64),
}

/// Where a projection stands in the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The stack.
    pub stack: Stack,
    /// Number of the block in its stack, from 0.
    pub block: usize,
    /// The sub-layer.
    pub branch: Branch,
    /// What it maps between.
    pub role: Role,
}

/// A stack of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stack {
    /// The encoder; all of BERT.
    Encoder,
    /// T5's decoder.
    Decoder,
    /// One that this program does not know.
    #[serde(other)]
    Unknown,
}

/// A sub-layer of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Branch {
    /// Attention to the sequence itself.
    SelfAttention,
    /// The decoder's attention to the encoder.
    CrossAttention,
    /// The feed-forward.
    FeedForward,
    /// One that this program does not know.
    #[serde(other)]
    Unknown,
}

/// What a projection maps between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Role {
    /// From the model's width to an adapter's bottleneck.
    Down,
    /// From the bottleneck back.
    Up,
    /// An update of the map to queries.
    Query,
    /// An update of the map to keys.
    Key,
    /// An update of the map to values.
    Value,
    /// An update of the map from the heads back to the model's width.
    Output,
    /// One that this program does not know.
    #[serde(other)]
    Unknown,
}

/// An array of numbers: `xᵢ = 2^exponent · dataᵢ`, with `data` little-endian `f16` in base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entries {
    /// Its shape; the last index is the fastest.
    pub shape: Vec<usize>,
    /// The common power of two.
    pub exponent: i32,
    /// The numbers.
    pub data: String,
}

/// Powers of two between those of the least and the largest `f64`.
const EXPONENTS: std::ops::RangeInclusive<i32> = -1074..=1023;

impl Entries {
    /// Writes an array, each number rounded to eleven bits or to 2⁻²⁴ of the largest.
    ///
    /// # Errors
    /// A message when the shape has another number of places than there are values.
    pub fn encode(shape: &[usize], values: &[f64]) -> Result<Self, String> {
        if places(shape) != Some(values.len()) {
            return Err(format!("{} values are no {shape:?}", values.len()));
        }
        let finite = values.iter().filter(|x| x.is_finite());
        let largest = finite.fold(0.0f64, |top, x| top.max(x.abs()));
        let exponent = if largest > 0.0 {
            exponent_of(largest)
        } else {
            0
        };
        let scale = 2f64.powi(-exponent);
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|x| f16::from_f64(x * scale).to_le_bytes())
            .collect();
        Ok(Self {
            shape: shape.to_vec(),
            exponent,
            data: STANDARD.encode(bytes),
        })
    }

    /// Reads the numbers back, in order.
    ///
    /// # Errors
    /// A message that says what is wrong with the array: it may come from anywhere.
    pub fn decode(&self) -> Result<Vec<f64>, String> {
        if !EXPONENTS.contains(&self.exponent) {
            return Err(format!("{} is no power of two of a number", self.exponent));
        }
        let bytes = STANDARD
            .decode(&self.data)
            .map_err(|error| format!("not base64: {error}"))?;
        if places(&self.shape).and_then(|count| count.checked_mul(2)) != Some(bytes.len()) {
            let (found, shape) = (bytes.len(), &self.shape);
            return Err(format!("{found} bytes are no {shape:?} of two bytes each"));
        }
        let scale = 2f64.powi(self.exponent);
        let numbers = bytes.chunks_exact(2);
        Ok(numbers
            .map(|two| f16::from_le_bytes([two[0], two[1]]).to_f64() * scale)
            .collect())
    }
}

/// `k` with `2^k ≤ x < 2^(k+1)`, within what can be undone without overflow.
fn exponent_of(x: f64) -> i32 {
    // Beyond, the inverse of the power would not be a number.
    let largest = 1000.0;
    #[expect(clippy::cast_possible_truncation, reason = "clamped to ±1000")]
    let exponent = x.log2().floor().clamp(-largest, largest) as i32;
    exponent
}

fn places(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |all, &n| all.checked_mul(n))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn entries_come_back_to_eleven_bits_whatever_their_size() {
        for size in [1e-4, 1.0, 3e5, 1e-200] {
            let values: Vec<f64> = (1..=12).map(|at| size * f64::from(at).sin()).collect();
            let entries = Entries::encode(&[3, 2, 2], &values).unwrap();
            for (found, expected) in entries.decode().unwrap().iter().zip(&values) {
                let tolerance = (expected.abs() / 2048.0).max(size * 2f64.powi(-24));
                assert!((found - expected).abs() <= tolerance, "{found} {expected}");
            }
        }
    }

    #[test]
    fn zeros_and_what_is_not_finite_come_back() {
        let values = [0.0, f64::NAN, f64::INFINITY, -2.0, f64::NEG_INFINITY];
        let found = Entries::encode(&[5], &values).unwrap().decode().unwrap();
        assert_eq!(format!("{found:?}"), format!("{values:?}"));
        let zeros = Entries::encode(&[2], &[0.0, 0.0]).unwrap();
        assert_eq!(
            (zeros.decode().unwrap(), zeros.exponent),
            (vec![0.0, 0.0], 0)
        );
        assert!(Entries::encode(&[3], &values).is_err());
    }

    #[test]
    fn damaged_entries_say_why() {
        let good = Entries::encode(&[2, 1], &[1.0, 2.0]).unwrap();
        let cases = [
            (
                Entries {
                    shape: vec![3, 1],
                    ..good.clone()
                },
                "4 bytes are no [3, 1]",
            ),
            (
                Entries {
                    shape: vec![usize::MAX, 4],
                    ..good.clone()
                },
                "4 bytes",
            ),
            (
                Entries {
                    shape: vec![usize::MAX],
                    ..good.clone()
                },
                "4 bytes",
            ),
            (
                Entries {
                    exponent: i32::MIN,
                    ..good.clone()
                },
                "no power of two",
            ),
            (
                Entries {
                    data: "a".to_owned(),
                    ..good.clone()
                },
                "not base64",
            ),
            (
                Entries {
                    data: "!!!!".to_owned(),
                    ..good
                },
                "not base64",
            ),
        ];
        for (entries, fragment) in cases {
            let message = entries.decode().unwrap_err();
            assert!(message.contains(fragment), "{message}");
        }
    }

    #[test]
    fn a_role_of_a_newer_writer_is_still_a_role() {
        let place = r#"{"stack":"encoder","block":3,"branch":"mixture","role":"gate"}"#;
        let place: Place = serde_json::from_str(place).unwrap();
        assert_eq!((place.branch, place.role), (Branch::Unknown, Role::Unknown));
    }
}
