//! The model before its first step: T5's initial values, and an embedding that starts from
//! what the teacher knows of words.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{D, DType, Device, Tensor};
use compacter_core::random::Key;
use compacter_core::{Error, Result};
use serde_json::json;

use crate::teacher;
use crate::vocabulary::ENTRIES;

const WIDTH: usize = 192;
const INNER: usize = 384;
const HEADS: usize = 3;
const HEAD_WIDTH: usize = 64;
const BUCKETS: usize = 32;
const LAYERS: [(&str, usize); 2] = [("encoder", 4), ("decoder", 2)];
/// Iterations of the search for principal axes.
const ITERATIONS: usize = 30;

/// Writes a model's folder around the tokenizer that is already in it.
pub(crate) fn write(folder: &Path, teacher: Option<&Path>, seed: u64) -> Result<()> {
    let key = Key::new(seed).named("initial values");
    let mut tensors = HashMap::new();
    let shared = match teacher {
        Some(teacher) => inherited(folder, teacher, key)?,
        None => normal(key.named("shared"), &[ENTRIES, WIDTH], 1.0)?,
    };
    tensors.insert("shared.weight".to_owned(), shared);
    for (stack, layers) in LAYERS {
        for layer in 0..layers {
            block(stack, layer, key, &mut tensors)?;
        }
        let ones = Tensor::ones(WIDTH, DType::F32, &Device::Cpu)?;
        tensors.insert(format!("{stack}.final_layer_norm.weight"), ones);
    }
    let count: usize = tensors.values().map(Tensor::elem_count).sum();
    println!("{count} parameters");
    candle_core::safetensors::save(&tensors, folder.join("model.safetensors"))?;
    for (name, content) in [
        ("config.json", config()),
        ("tokenizer_config.json", tokenizer_config()),
        ("generation_config.json", generation_config()),
    ] {
        let path = folder.join(name);
        let text = serde_json::to_string_pretty(&content)
            .map_err(|e| Error::model(&path, e.to_string()))?;
        std::fs::write(&path, text + "\n").map_err(Error::io(&path, "write"))?;
    }
    Ok(())
}

fn block(stack: &str, layer: usize, key: Key, tensors: &mut HashMap<String, Tensor>) -> Result<()> {
    let width = WIDTH as f64;
    let heads = HEADS * HEAD_WIDTH;
    let mut add = |name: String, shape: &[usize], deviation: f64| -> Result<()> {
        let value = normal(key.named(&name), shape, deviation)?;
        tensors.insert(name, value);
        Ok(())
    };
    let mut attention = |path: &str| -> Result<()> {
        let q = (width * HEAD_WIDTH as f64).powf(-0.5);
        for (name, shape, deviation) in [
            ("q", [heads, WIDTH], q),
            ("k", [heads, WIDTH], width.powf(-0.5)),
            ("v", [heads, WIDTH], width.powf(-0.5)),
            ("o", [WIDTH, heads], (heads as f64).powf(-0.5)),
        ] {
            add(format!("{path}.{name}.weight"), &shape, deviation)?;
        }
        if layer == 0 && path.ends_with("SelfAttention") {
            let name = format!("{path}.relative_attention_bias.weight");
            add(name, &[BUCKETS, HEADS], width.powf(-0.5))?;
        }
        Ok(())
    };
    let path = |sub: usize| format!("{stack}.block.{layer}.layer.{sub}");
    attention(&format!("{}.SelfAttention", path(0)))?;
    let last = if stack == "decoder" {
        attention(&format!("{}.EncDecAttention", path(1)))?;
        2
    } else {
        1
    };
    let inner = format!("{}.DenseReluDense", path(last));
    for name in ["wi_0", "wi_1"] {
        add(
            format!("{inner}.{name}.weight"),
            &[INNER, WIDTH],
            width.powf(-0.5),
        )?;
    }
    add(
        format!("{inner}.wo.weight"),
        &[WIDTH, INNER],
        (INNER as f64).powf(-0.5),
    )?;
    for sub in 0..=last {
        let ones = Tensor::ones(WIDTH, DType::F32, &Device::Cpu)?;
        tensors.insert(format!("{}.layer_norm.weight", path(sub)), ones);
    }
    Ok(())
}

fn normal(key: Key, shape: &[usize], deviation: f64) -> Result<Tensor> {
    let count: usize = shape.iter().product();
    let values: Vec<f32> = (0..count as u64)
        .map(|i| narrow(key.normal(i) * deviation))
        .collect();
    Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "initial values are single precision"
)]
fn narrow(value: f64) -> f32 {
    value as f32
}

/// Each piece's text as the teacher would read it: the mean of its embeddings, in the
/// directions in which those of all pieces vary most, scaled to T5's unit variance.
/// Pieces that no word of the teacher's vocabulary starts or goes on with, and the special
/// tokens, are drawn at random.
fn inherited(folder: &Path, teacher: &Path, key: Key) -> Result<Tensor> {
    let path = folder.join("tokenizer.json");
    let unusable = |message: String| Error::Tokenizer {
        path: path.clone(),
        message,
    };
    let tokenizer = tokenizers::Tokenizer::from_file(&path).map_err(|e| unusable(e.to_string()))?;
    let (table, reader) = teacher::embeddings(teacher)?;
    let table = table.to_vec2::<f32>()?;
    let mut rows: Vec<Option<Vec<f32>>> = Vec::with_capacity(ENTRIES);
    for id in 0..ENTRIES {
        let id = u32::try_from(id).map_err(|e| unusable(e.to_string()))?;
        let piece = tokenizer
            .id_to_token(id)
            .ok_or_else(|| unusable(format!("has no token {id}")))?;
        let text = piece.trim_start_matches('▁');
        let special = piece.starts_with('<') && piece.ends_with('>');
        if special || text.is_empty() {
            rows.push(None);
            continue;
        }
        let ids = reader.encode(text, None, 64)?.ids;
        let inner = &ids[1..ids.len() - 1];
        let mut mean = vec![0f32; teacher::WIDTH];
        for &id in inner {
            for (mean, value) in mean.iter_mut().zip(&table[id as usize]) {
                *mean += value / inner.len() as f32;
            }
        }
        rows.push((!inner.is_empty()).then_some(mean));
    }
    let known: Vec<f32> = rows.iter().flatten().flatten().copied().collect();
    let known = Tensor::from_vec(
        known,
        (rows.iter().flatten().count(), teacher::WIDTH),
        &Device::Cpu,
    )?;
    let centred = known.broadcast_sub(&known.mean_keepdim(0)?)?;
    let reduced = centred.matmul(&principal_axes(&centred, key)?)?; // [pieces, WIDTH]
    let scale = reduced.sqr()?.mean_all()?.to_scalar::<f32>()?.sqrt();
    let reduced = (reduced / f64::from(scale))?.to_vec2::<f32>()?;
    let drawn = normal(key.named("shared"), &[ENTRIES, WIDTH], 1.0)?.to_vec2::<f32>()?;
    let mut reduced = reduced.into_iter();
    let all: Vec<f32> = rows
        .iter()
        .zip(drawn)
        .flat_map(|(row, drawn)| row.as_ref().and_then(|_| reduced.next()).unwrap_or(drawn))
        .collect();
    Ok(Tensor::from_vec(all, (ENTRIES, WIDTH), &Device::Cpu)?)
}

/// The directions `[in, WIDTH]` of largest variance of centred rows, by subspace iteration
/// (Golub and Van Loan, Matrix Computations, section 8.2.4).
fn principal_axes(centred: &Tensor, key: Key) -> Result<Tensor> {
    let covariance = centred.t()?.matmul(centred)?;
    let mut axes = normal(key.named("axes"), &[teacher::WIDTH, WIDTH], 1.0)?;
    for _ in 0..ITERATIONS {
        axes = orthonormal(&covariance.matmul(&axes)?)?;
    }
    Ok(axes)
}

/// Makes the columns orthonormal (modified Gram–Schmidt, twice for precision).
fn orthonormal(columns: &Tensor) -> Result<Tensor> {
    let mut columns = columns.t()?.to_vec2::<f32>()?;
    for _ in 0..2 {
        for at in 0..columns.len() {
            let (before, rest) = columns.split_at_mut(at);
            let column = &mut rest[0];
            for earlier in before {
                let dot: f32 = earlier.iter().zip(&*column).map(|(a, b)| a * b).sum();
                column
                    .iter_mut()
                    .zip(earlier)
                    .for_each(|(c, e)| *c -= dot * *e);
            }
            let norm = column.iter().map(|c| c * c).sum::<f32>().sqrt();
            for value in column.iter_mut() {
                *value /= norm;
            }
        }
    }
    let rows = columns.len();
    let flat = Tensor::new(columns.concat(), &Device::Cpu)?;
    let width = flat.dim(D::Minus1)? / rows;
    Ok(flat.reshape((rows, width))?.t()?.contiguous()?)
}

fn config() -> serde_json::Value {
    json!({
        "architectures": ["T5ForConditionalGeneration"],
        "model_type": "t5",
        "is_encoder_decoder": true,
        "vocab_size": ENTRIES,
        "d_model": WIDTH,
        "d_kv": HEAD_WIDTH,
        "d_ff": INNER,
        "num_heads": HEADS,
        "num_layers": LAYERS[0].1,
        "num_decoder_layers": LAYERS[1].1,
        "feed_forward_proj": "gated-gelu",
        "dense_act_fn": "gelu_new",
        "is_gated_act": true,
        "tie_word_embeddings": true,
        "relative_attention_num_buckets": BUCKETS,
        "relative_attention_max_distance": 128,
        "layer_norm_epsilon": 1e-6,
        "dropout_rate": 0.1,
        "initializer_factor": 1.0,
        "use_cache": true,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "decoder_start_token_id": 0,
        "dtype": "bfloat16"
    })
}

fn tokenizer_config() -> serde_json::Value {
    json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": "<pad>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "model_max_length": 512,
        "clean_up_tokenization_spaces": true
    })
}

fn generation_config() -> serde_json::Value {
    json!({"pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0})
}
