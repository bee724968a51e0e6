//! Models that are known by name: their sizes as their authors published them.

use super::{Family, ModelShape};

/// Whether a T5 has a gated feed-forward and an output layer of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    V1_0,
    V1_1,
}
use Version::{V1_0, V1_1};

/// Hub id, version, `d_model`, `d_ff`, `d_kv`, heads, blocks of each stack.
type T5 = (&'static str, Version, [usize; 5]);

/// Hub id, family, `d_model`, heads, blocks, rows of the token embedding.
type Encoder = (&'static str, Family, [usize; 4]);

const T5S: [T5; 15] = [
    ("google-t5/t5-small", V1_0, [512, 2048, 64, 8, 6]),
    ("google-t5/t5-base", V1_0, [768, 3072, 64, 12, 12]),
    ("google-t5/t5-large", V1_0, [1024, 4096, 64, 16, 24]),
    ("google-t5/t5-3b", V1_0, [1024, 16_384, 128, 32, 24]),
    ("google-t5/t5-11b", V1_0, [1024, 65_536, 128, 128, 24]),
    ("google/t5-v1_1-small", V1_1, [512, 1024, 64, 6, 8]),
    ("google/t5-v1_1-base", V1_1, [768, 2048, 64, 12, 12]),
    ("google/t5-v1_1-large", V1_1, [1024, 2816, 64, 16, 24]),
    ("google/t5-v1_1-xl", V1_1, [2048, 5120, 64, 32, 24]),
    ("google/t5-v1_1-xxl", V1_1, [4096, 10_240, 64, 64, 24]),
    ("google/flan-t5-small", V1_1, [512, 1024, 64, 6, 8]),
    ("google/flan-t5-base", V1_1, [768, 2048, 64, 12, 12]),
    ("google/flan-t5-large", V1_1, [1024, 2816, 64, 16, 24]),
    ("google/flan-t5-xl", V1_1, [2048, 5120, 64, 32, 24]),
    ("google/flan-t5-xxl", V1_1, [4096, 10_240, 64, 64, 24]),
];

#[rustfmt::skip]
const ENCODERS: [Encoder; 7] = [
    ("google-bert/bert-base-uncased", Family::Bert, [768, 12, 12, 30_522]),
    ("google-bert/bert-base-cased", Family::Bert, [768, 12, 12, 28_996]),
    ("google-bert/bert-large-uncased", Family::Bert, [1024, 16, 24, 30_522]),
    ("google-bert/bert-large-cased", Family::Bert, [1024, 16, 24, 28_996]),
    ("sentence-transformers/all-MiniLM-L6-v2", Family::Bert, [384, 12, 6, 30_522]),
    ("FacebookAI/roberta-base", Family::Roberta, [768, 12, 12, 50_265]),
    ("FacebookAI/roberta-large", Family::Roberta, [1024, 16, 24, 50_265]),
];

/// The hub ids of all known models.
pub(super) fn ids() -> impl Iterator<Item = &'static str> {
    T5S.iter().map(|t| t.0).chain(ENCODERS.iter().map(|e| e.0))
}

/// A hub id without its organisation.
pub(super) fn bare(id: &str) -> &str {
    id.split_once('/').map_or(id, |(_, name)| name)
}

/// The shape behind a hub id, with or without its organisation and revision.
pub(super) fn lookup(name: &str) -> Option<ModelShape> {
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    let matches = |id: &str| id == name || bare(id) == name;
    let t5 = T5S.iter().find(|t| matches(t.0)).map(t5);
    t5.or_else(|| ENCODERS.iter().find(|e| matches(e.0)).map(encoder))
}

fn t5(&(_, version, [d_model, d_ff, d_kv, heads, layers]): &T5) -> ModelShape {
    ModelShape {
        family: Family::T5,
        d_model,
        d_ff,
        d_kv,
        heads,
        encoder_layers: layers,
        decoder_layers: layers,
        vocab: 32_128,
        gated: version == V1_1,
        tied: version == V1_0,
        max_positions: 0,
        type_vocab: 0,
        relative_buckets: 32,
        pooler: false,
    }
}

fn encoder(&(_, family, [d_model, heads, layers, vocab]): &Encoder) -> ModelShape {
    // RoBERTa numbers its positions from 2, after the padding id.
    let (max_positions, type_vocab) = match family {
        Family::Roberta => (514, 1),
        Family::Bert | Family::T5 => (512, 2),
    };
    ModelShape {
        family,
        d_model,
        d_ff: 4 * d_model,
        d_kv: d_model / heads,
        heads,
        encoder_layers: layers,
        decoder_layers: 0,
        vocab,
        gated: false,
        tied: true,
        max_positions,
        type_vocab,
        relative_buckets: 0,
        pooler: true,
    }
}
