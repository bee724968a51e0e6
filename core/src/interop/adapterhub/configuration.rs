//! The configuration of an adapter that is written, in `AdapterHub`'s words.

use serde_json::{Map, Value, json};

use super::NAME;
use crate::config::{
    BottleneckConfig, FastWeights, LoraConfig, Method, NonLinearity, Placement, Positions,
    PrefixConfig, SlowWeights,
};
use crate::interop::{Export, no_word};
use crate::model::Family;
use crate::peft::count::adapted_blocks;
use crate::{Error, Result};

/// The configuration of an adapter that is to be written.
///
/// # Errors
/// Fails where there is no word for what the method does.
pub(super) fn written(export: &Export<'_>) -> Result<Value> {
    let family = export.model.shape.family;
    match export.method {
        Method::Adapter { bottleneck, .. } => bottleneck_config(export, bottleneck, &json!({})),
        Method::Parallel { bottleneck, scale } => {
            if bottleneck.placement == Placement::Paper && family == Family::T5 {
                return Err(no_word(
                    NAME,
                    "its parallel adapters read T5's residual, this one the normed input; train \
                     with method.placement = \"adapterhub\"",
                ));
            }
            let parallel = json!({
                "is_parallel": true, "scaling": scale, "original_ln_before": false,
                "init_weights": "mam_adapter",
            });
            bottleneck_config(export, bottleneck, &parallel)
        }
        Method::Compacter { bottleneck, phm } => {
            let hypercomplex = json!({
                "phm_layer": true,
                "phm_dim": phm.n,
                "phm_rank": phm.rank,
                "phm_init_range": phm.init_range,
                "learn_phm": phm.learn_slow,
                "shared_phm_rule": phm.slow == SlowWeights::Shared,
                "factorized_phm_W": phm.fast == FastWeights::Factored,
            });
            bottleneck_config(export, bottleneck, &hypercomplex)
        }
        Method::Lora(lora) => low_rank_config(lora, false),
        Method::Dora(dora) => {
            let update = &dora.update;
            if family != Family::T5 || update.alpha.total_cmp(&(update.rank as f64)).is_ne() {
                return Err(no_word(
                    NAME,
                    "its DoRA is the paper's on maps without a bias and with alpha = rank only; \
                     write it for PEFT",
                ));
            }
            low_rank_config(update, true)
        }
        Method::Ia3 { placement } => {
            if *placement == Placement::Paper && !export.model.shape.gated {
                return Err(no_word(
                    NAME,
                    "it scales the feed-forward before the non-linearity, this adapter after it; \
                     train with method.placement = \"adapterhub\", or write it for PEFT",
                ));
            }
            Ok(merged(
                low_rank_defaults(),
                &json!({
                    "r": 1, "alpha": 1, "attn_matrices": ["k", "v"], "intermediate_lora": true,
                    "composition_mode": "scale", "init_weights": "ia3",
                }),
            ))
        }
        Method::Prefix(prefix) => {
            let hub = Placement::Adapterhub;
            let same = family != Family::T5 && prefix.placement == Placement::Paper;
            if prefix.placement != hub && !same {
                return Err(placed_elsewhere("prefixes"));
            }
            Ok(prefix_config(prefix))
        }
        Method::Prompt(prompt) if prompt.placement != Placement::Adapterhub => {
            Err(placed_elsewhere("prompts"))
        }
        Method::Prompt(prompt) if family != Family::T5 => Ok(json!({
            "architecture": "prompt_tuning",
            "combine": "prefix",
            "init_weights_seed": null,
            "prompt_init": "random_uniform",
            "prompt_init_text": null,
            "prompt_length": prompt.length,
        })),
        Method::Prompt(_) => Err(no_word(NAME, "it has no prompts for T5")),
        Method::Full
        | Method::Head
        | Method::LowRank { .. }
        | Method::BitFit
        | Method::LayerNorm
        | Method::Said(_) => Err(no_word(
            NAME,
            "it has adapters, Compacter, parallel adapters, LoRA, DoRA, (IA)³, prefixes and \
             prompts",
        )),
    }
}

fn placed_elsewhere(rows: &str) -> Error {
    let what = format!(
        "its {rows} stand at other positions; train with method.placement = \"adapterhub\""
    );
    no_word(NAME, what)
}

/// A bottleneck's configuration, with what a method adds.
fn bottleneck_config(
    export: &Export<'_>,
    bottleneck: &BottleneckConfig,
    more: &Value,
) -> Result<Value> {
    let shape = &export.model.shape;
    let adapted = adapted_blocks(bottleneck, shape)?;
    let blocks = 0..shape.encoder_layers + shape.decoder_layers;
    let leave_out: Vec<usize> = blocks.filter(|block| !adapted.contains(block)).collect();
    let both = bottleneck.positions == Positions::Both;
    let config = json!({
        "adapter_residual_before_ln": false,
        "cross_adapter": false,
        "dropout": 0.0,
        "factorized_phm_W": true,
        "factorized_phm_rule": false,
        "hypercomplex_nonlinearity": "glorot-uniform",
        "init_weights": "bert",
        "init_weights_seed": null,
        "inv_adapter": null,
        "inv_adapter_reduction_factor": null,
        "is_parallel": false,
        "learn_phm": true,
        "leave_out": leave_out,
        "ln_after": false,
        "ln_before": false,
        "mh_adapter": bottleneck.positions != Positions::FeedForward,
        "non_linearity": non_linearity(bottleneck.non_linearity),
        "original_ln_after": true,
        "original_ln_before": !both && bottleneck.placement == Placement::Adapterhub,
        "output_adapter": bottleneck.positions != Positions::SelfAttention,
        "phm_bias": true,
        "phm_c_init": "normal",
        "phm_dim": 4,
        "phm_init_range": 0.0001,
        "phm_layer": false,
        "phm_rank": 1,
        "reduction_factor": bottleneck.reduction_factor,
        "residual_before_ln": true,
        "scaling": 1.0,
        "shared_W_phm": false,
        "shared_phm_rule": true,
        "stochastic_depth": 0.0,
        "use_gating": false,
    });
    Ok(merged(config, more))
}

fn low_rank_defaults() -> Value {
    json!({
        "architecture": "lora",
        "alpha": 8,
        "attn_matrices": ["q", "v"],
        "composition_mode": "add",
        "dropout": 0.0,
        "dtype": null,
        "init_weights": "lora",
        "init_weights_seed": null,
        "intermediate_lora": false,
        "leave_out": [],
        "output_lora": false,
        "r": 8,
        "selfattn_lora": true,
        "use_dora": false,
        "use_gating": false,
        "vera_b": null,
        "vera_d": null,
    })
}

fn low_rank_config(update: &LoraConfig, directions: bool) -> Result<Value> {
    if update.targets.iter().any(|target| target == "o") {
        return Err(no_word(
            NAME,
            "its LoRA updates queries, keys and values only, this one `o` too; write it for PEFT",
        ));
    }
    Ok(merged(
        low_rank_defaults(),
        &json!({
            "r": update.rank,
            "alpha": update.alpha,
            "attn_matrices": update.targets,
            "dropout": update.dropout,
            "use_dora": directions,
        }),
    ))
}

fn prefix_config(prefix: &PrefixConfig) -> Value {
    json!({
        "architecture": "prefix_tuning",
        "bottleneck_size": if prefix.bottleneck == 0 { 512 } else { prefix.bottleneck },
        "cross_prefix": true,
        "dropout": 0.0,
        "encoder_prefix": true,
        "flat": prefix.bottleneck == 0,
        "init_weights_seed": null,
        "leave_out": [],
        "non_linearity": "tanh",
        "prefix_length": prefix.length,
        "shared_gating": true,
        "use_gating": false,
    })
}

fn non_linearity(kind: NonLinearity) -> &'static str {
    match kind {
        NonLinearity::GeluNew => "gelu_new",
        NonLinearity::Gelu => "gelu",
        NonLinearity::Relu => "relu",
        NonLinearity::Swish => "swish",
    }
}

/// A table with the entries of another put over its own.
fn merged(mut table: Value, over: &Value) -> Value {
    let empty = Map::new();
    let over = over.as_object().unwrap_or(&empty);
    if let Some(table) = table.as_object_mut() {
        table.extend(over.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
    table
}
