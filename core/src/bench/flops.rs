//! Arithmetic of a training step, counted from the shapes.
//!
//! Counted are the matrix products that the mathematics asks for: each weight once in the
//! forward pass, once for the gradient of its input and, where it is trained, once for its
//! own; attention's two products forward and four backward, on the lengths that the
//! sequences have. What the hand-written step spares is not counted. Elementwise work is not counted, nor is work
//! that a trained part below would not need: where nothing below a branch is trained, the
//! gradient of its input.

use crate::config::{BottleneckConfig, DoraConfig, Method, Positions};
use crate::model::ModelShape;
use crate::ops::attention::MultiQuery;
use crate::peft::count::bottleneck_width;

/// What a step does not multiply.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spared {
    /// Keys and values of sources longer than their answers, where their maps are frozen:
    /// their weights are multiplied with the queries instead.
    pub keys_and_values: bool,
    /// In the last layer of an encoder, rows that its pooling does not read.
    pub unread_rows: bool,
}

/// Floating-point operations of one step on sequences of source and target lengths.
#[must_use]
pub fn flops(
    shape: &ModelShape,
    method: &Method,
    lengths: &[(usize, usize)],
    spared: Spared,
) -> f64 {
    let count = Counter { shape, method };
    let source: f64 = lengths.iter().map(|l| l.0 as f64).sum();
    let target: f64 = lengths.iter().map(|l| l.1 as f64).sum();
    let pairs =
        |f: fn(&(usize, usize)) -> usize| -> f64 { lengths.iter().map(|l| f(l) as f64).sum() };
    let layer = |rows: f64, pairs: f64| {
        let adapters = 2.0 * count.adapter(rows);
        count.attention(rows, source, pairs) + count.feed_forward(rows) + adapters
    };
    // Rows of the last layer that are computed, and the pairs that they make with keys.
    let last = if spared.unread_rows && !shape.has_decoder() {
        (lengths.len() as f64, source)
    } else {
        (source, pairs(|l| l.0 * l.0))
    };
    let whole = (source, pairs(|l| l.0 * l.0));
    let encoder =
        (shape.encoder_layers as f64 - 1.0) * layer(whole.0, whole.1) + layer(last.0, last.1);
    let lowest = if shape.encoder_layers == 1 {
        last
    } else {
        whole
    };
    let across = if spared.keys_and_values && count.is_absorbed(lengths) {
        // Keys and values are as many as queries, and scores are of whole rows for each head.
        let core = pairs(|l| l.1 * l.0) * (shape.heads * shape.d_model) as f64;
        count.maps(target, target) + count.core(core)
    } else {
        count.attention(target, source, pairs(|l| l.1 * l.0))
    };
    let decoder = shape.decoder_layers as f64
        * (count.attention(target, target, pairs(|l| l.1 * l.1))
            + across
            + count.feed_forward(target)
            + 2.0 * count.adapter(target));
    let vocabulary = if shape.has_decoder() {
        count.weight(target, shape.d_model, shape.vocab)
    } else {
        0.0
    };
    encoder + decoder + vocabulary - count.lowest(lowest.0, source, lowest.1)
}

struct Counter<'a> {
    shape: &'a ModelShape,
    method: &'a Method,
}

impl Counter<'_> {
    /// A product with a weight of the backbone, forward and backward.
    fn weight(&self, rows: f64, width: usize, out: usize) -> f64 {
        let passes = match self.method {
            Method::Full | Method::Said(_) => 3.0,
            Method::Head => 1.0,
            _ => 2.0,
        };
        passes * product(rows, width, out)
    }

    fn attention(&self, queries: f64, keys: f64, pairs: f64) -> f64 {
        self.maps(queries, keys)
            + self.core(pairs * self.shape.inner() as f64)
            + self.updates(queries, keys)
    }

    /// The four maps around an attention.
    fn maps(&self, queries: f64, keys: f64) -> f64 {
        let (width, inner) = (self.shape.d_model, self.shape.inner());
        2.0 * self.weight(queries, width, inner) + 2.0 * self.weight(keys, width, inner)
    }

    /// Scores and what they weigh, from the pairs of all heads times the width of one.
    fn core(&self, multiplied: f64) -> f64 {
        let passes = if matches!(self.method, Method::Head) {
            1.0
        } else {
            3.0
        };
        passes * 2.0 * 2.0 * multiplied
    }

    /// Whether the maps of keys and values are frozen and plain, and their products spared.
    fn is_absorbed(&self, lengths: &[(usize, usize)]) -> bool {
        let plain = match self.method {
            // On T5, BitFit's biases are added to keys and values.
            Method::Full | Method::BitFit | Method::Said(_) => false,
            Method::Lora(config) => !config.targets.iter().any(|t| t == "k" || t == "v"),
            _ => true,
        };
        let sizes = (self.shape.heads, self.shape.d_kv, self.shape.d_model);
        plain && MultiQuery::pays(sizes, lengths.iter().map(|l| (l.1, l.0)))
    }

    /// Low-rank updates: two thin products forward, four backward.
    fn updates(&self, queries: f64, keys: f64) -> f64 {
        let (Method::Lora(config) | Method::Dora(DoraConfig { update: config, .. })) = self.method
        else {
            return 0.0;
        };
        let (width, inner, rank) = (self.shape.d_model, self.shape.inner(), config.rank);
        let rows = config.targets.iter().map(|target| match target.as_str() {
            "k" | "v" => keys,
            _ => queries,
        });
        rows.map(|rows| 3.0 * (product(rows, width, rank) + product(rows, rank, inner)))
            .sum()
    }

    fn feed_forward(&self, rows: f64) -> f64 {
        let maps = if self.shape.gated { 3.0 } else { 2.0 };
        maps * self.weight(rows, self.shape.d_model, self.shape.d_ff)
    }

    /// Half of a block's adapters: two thin products forward, four backward, at the places
    /// that the method names.
    fn adapter(&self, rows: f64) -> f64 {
        let Some(config) = self.bottleneck() else {
            return 0.0;
        };
        let width = self.shape.d_model;
        let narrow = bottleneck_width(config, width).unwrap_or(0);
        let share = if config.positions == Positions::Both {
            1.0
        } else {
            0.5
        };
        share * 3.0 * 2.0 * product(rows, width, narrow)
    }

    fn bottleneck(&self) -> Option<&BottleneckConfig> {
        match self.method {
            Method::Adapter { bottleneck, .. }
            | Method::Compacter { bottleneck, .. }
            | Method::LowRank { bottleneck, .. }
            | Method::Parallel { bottleneck, .. } => Some(bottleneck),
            _ => None,
        }
    }

    /// What the lowest branch does not do because nothing below it is trained.
    fn lowest(&self, queries: f64, keys: f64, pairs: f64) -> f64 {
        let (width, inner) = (self.shape.d_model, self.shape.inner());
        let inward = product(queries, width, inner) + 2.0 * product(keys, width, inner);
        match self.method {
            // What is trained stands at the lowest branch's input, or below.
            Method::Full
            | Method::Head
            | Method::BitFit
            | Method::LayerNorm
            | Method::Prompt(_)
            | Method::Said(_) => 0.0,
            Method::Lora(_) | Method::Dora(_) | Method::Ia3 { .. } | Method::Prefix(_) => inward,
            _ if self
                .bottleneck()
                .is_some_and(|config| config.train_layer_norms) =>
            {
                0.0
            }
            _ => inward + product(queries, inner, width) + 4.0 * 2.0 * pairs * inner as f64,
        }
    }
}

fn product(rows: f64, width: usize, out: usize) -> f64 {
    2.0 * rows * width as f64 * out as f64
}
