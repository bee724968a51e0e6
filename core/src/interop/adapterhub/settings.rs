//! What an `adapter_config.json` of `AdapterHub` says, and what of it cannot be computed here.
//!
//! A setting is one of three things: it is read by name ([`Settings`]), it has no part in what
//! a trained adapter computes ([`WITHOUT_EFFECT`]), or it has to be switched off. So a setting
//! that nobody here has heard of is refused as soon as it says anything.
//!
//! Slow weights are read from the file, so they are trained when training goes on, also where
//! `learn_phm` is false.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::config::{
    Convention, FastWeights, MethodConfig, MethodKind, NonLinearity, Placement, Positions,
    SlowWeights,
};
use crate::interop::is_off;
use crate::{Error, Result};

/// Settings of how an adapter starts and what is dropped while it trains.
const WITHOUT_EFFECT: &[&str] = &[
    "adapter_residual_before_ln",
    "dtype",
    "hypercomplex_nonlinearity",
    "init_weights",
    "init_weights_seed",
    "inv_adapter_reduction_factor",
    "learn_phm",
    "phm_c_init",
    "phm_init_range",
    "prompt_init",
    "prompt_init_text",
    "random_uniform_scale",
    "shared_gating",
    "stochastic_depth",
];

/// The settings of every kind of adapter; each has its default of 1.3.
#[derive(Deserialize)]
#[serde(default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are the other library's switches"
)]
struct Settings {
    architecture: Option<String>,
    leave_out: Vec<usize>,
    use_gating: bool,
    non_linearity: String,
    // Bottlenecks.
    mh_adapter: bool,
    output_adapter: bool,
    cross_adapter: bool,
    reduction_factor: Value,
    original_ln_before: bool,
    original_ln_after: bool,
    residual_before_ln: Value,
    ln_before: bool,
    ln_after: bool,
    inv_adapter: Value,
    is_parallel: bool,
    scaling: Value,
    phm_layer: bool,
    phm_dim: usize,
    phm_rank: usize,
    phm_bias: bool,
    shared_phm_rule: bool,
    factorized_phm_rule: bool,
    #[serde(rename = "factorized_phm_W")]
    factorized_phm_w: bool,
    #[serde(rename = "shared_W_phm")]
    shared_w_phm: bool,
    // Low-rank updates and (IA)³.
    r: usize,
    alpha: f64,
    dropout: f64,
    attn_matrices: Vec<String>,
    selfattn_lora: bool,
    intermediate_lora: bool,
    output_lora: bool,
    composition_mode: String,
    use_dora: bool,
    vera_d: Value,
    vera_b: Value,
    // Prefixes and prompts.
    flat: bool,
    prefix_length: usize,
    bottleneck_size: usize,
    encoder_prefix: bool,
    cross_prefix: bool,
    prompt_length: usize,
    combine: String,
    /// All others.
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            architecture: None,
            leave_out: Vec::new(),
            use_gating: false,
            non_linearity: "tanh".to_owned(),
            mh_adapter: false,
            output_adapter: false,
            cross_adapter: false,
            reduction_factor: Value::Null,
            original_ln_before: false,
            original_ln_after: true,
            residual_before_ln: json!(true),
            ln_before: false,
            ln_after: false,
            inv_adapter: Value::Null,
            is_parallel: false,
            scaling: json!(1.0),
            phm_layer: false,
            phm_dim: 4,
            phm_rank: 1,
            phm_bias: true,
            shared_phm_rule: true,
            factorized_phm_rule: false,
            factorized_phm_w: true,
            shared_w_phm: false,
            r: 8,
            alpha: 8.0,
            dropout: 0.0,
            attn_matrices: vec!["q".to_owned(), "v".to_owned()],
            selfattn_lora: true,
            intermediate_lora: false,
            output_lora: false,
            composition_mode: "add".to_owned(),
            use_dora: false,
            vera_d: Value::Null,
            vera_b: Value::Null,
            flat: false,
            prefix_length: 30,
            bottleneck_size: 512,
            encoder_prefix: true,
            cross_prefix: true,
            prompt_length: 10,
            combine: "prefix".to_owned(),
            others: BTreeMap::new(),
        }
    }
}

/// The method that a configuration describes; `path` is for messages.
///
/// # Errors
/// Fails if it describes what no method here computes, naming the setting.
pub(super) fn method(full: &Value, path: &Path) -> Result<MethodConfig> {
    let refuse = |message: String| Error::model(path, message);
    let config = match full.get("config") {
        Some(Value::String(name)) => preset(name).ok_or_else(|| {
            refuse(format!(
                "config: no adapter of AdapterHub is called `{name}` here"
            ))
        })?,
        Some(config @ Value::Object(_)) => config.clone(),
        _ => return Err(refuse("has no table `config`".to_owned())),
    };
    // Before versions were written, names were those of the library's own functions.
    let renamed = full.get("version").is_none() && full["config"].get("non_linearity").is_some();
    let mut settings: Settings =
        serde_json::from_value(config).map_err(|error| refuse(format!("config: {error}")))?;
    settings.check_others().map_err(refuse)?;
    if renamed {
        settings.non_linearity = match settings.non_linearity.as_str() {
            "gelu" => "gelu_new".to_owned(),
            "gelu_orig" => "gelu".to_owned(),
            other => other.to_owned(),
        };
    }
    let is_t5 = full["model_type"] == "t5";
    if is_t5 && settings.architecture.is_none() && is_before_t5_was_mended(full) {
        let message = "it is of adapter-transformers before 3.2, where T5's adapters stood \
                       elsewhere than since: train it again, or load it with that version";
        return Err(refuse(message.to_owned()));
    }
    if has_faulty_scale(full) {
        settings.alpha = settings.r as f64;
    }
    let read = match settings.architecture.as_deref() {
        None => settings.bottleneck(),
        Some("lora") => settings.low_rank(is_t5),
        Some("prefix_tuning") => settings.prefix(),
        Some("prompt_tuning") => settings.prompt(),
        Some(other) => Err(format!(
            "architecture `{other}` is none of lora, prefix_tuning and prompt_tuning"
        )),
    };
    let mut method = read.map_err(|what| refuse(format!("config.{what}")))?;
    method.convention = Convention::Adapterhub;
    Ok(method)
}

/// Whether a low-rank update was trained by a version that did not divide by the rank, in
/// whose words `adapters` since 1.1 reads it with `alpha = r`.
fn has_faulty_scale(full: &Value) -> bool {
    let version = full["version"].as_str().unwrap_or_default();
    let number = version.strip_prefix("adapters.");
    number.is_some_and(|number| number_of(number) < (1, 1))
}

/// Whether a file is older than <https://github.com/adapter-hub/adapters/pull/479>, which put
/// T5's adapters behind its sub-layers.
fn is_before_t5_was_mended(full: &Value) -> bool {
    let version = full["version"].as_str().unwrap_or_default();
    !version.starts_with("adapters.") && number_of(version) < (3, 2)
}

/// The first two numbers of a version; 0 where there are none.
fn number_of(version: &str) -> (u64, u64) {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

/// The configurations that old files name instead of spelling them out.
fn preset(name: &str) -> Option<Value> {
    let bottleneck = |both: bool, non_linearity: &str, reduction: usize| {
        json!({
            "mh_adapter": both, "output_adapter": true, "original_ln_before": !both,
            "non_linearity": non_linearity, "reduction_factor": reduction,
        })
    };
    let hypercomplex = |both: bool| {
        let mut config = bottleneck(both, "gelu", 32);
        config["phm_layer"] = json!(true);
        config
    };
    Some(match name {
        "pfeiffer" | "seq_bn" => bottleneck(false, "relu", 16),
        "houlsby" | "double_seq_bn" => bottleneck(true, "swish", 16),
        "compacter" => hypercomplex(true),
        "compacter++" => hypercomplex(false),
        "parallel" | "scaled_parallel" | "par_bn" | "scaled_par_bn" => {
            let mut config = bottleneck(false, "relu", 2);
            config["original_ln_before"] = json!(false);
            config["is_parallel"] = json!(true);
            config["scaling"] = if name.starts_with("scaled") {
                json!("learned")
            } else {
                json!(4.0)
            };
            config
        }
        "lora" => json!({"architecture": "lora"}),
        "dora" => json!({"architecture": "lora", "use_dora": true}),
        "ia3" => json!({
            "architecture": "lora", "composition_mode": "scale", "r": 1, "alpha": 1,
            "attn_matrices": ["k", "v"], "intermediate_lora": true,
        }),
        "prefix_tuning" => json!({"architecture": "prefix_tuning"}),
        "prefix_tuning_flat" => json!({"architecture": "prefix_tuning", "flat": true}),
        "prompt_tuning" => json!({"architecture": "prompt_tuning"}),
        _ => return None,
    })
}

/// Where `AdapterHub`'s `DoRA` is not that of its paper, which is the one here.
const DIRECTIONS: &str = "use_dora with alpha other than r (it divides by the lengths of W + BA \
                          and adds alpha/r · BA) or on maps with a bias (it scales that too)";

fn equal(a: f64, b: f64) -> bool {
    a.total_cmp(&b).is_eq()
}

/// A setting that is to have a value, or else is refused.
fn must(holds: bool, what: &str) -> Result<(), String> {
    if holds {
        Ok(())
    } else {
        Err(format!("{what} is not supported"))
    }
}

impl Settings {
    fn check_others(&self) -> Result<(), String> {
        let unknown = |(key, value): &(&String, &Value)| {
            !WITHOUT_EFFECT.contains(&key.as_str()) && !is_off(value)
        };
        match self.others.iter().find(unknown) {
            None => Ok(()),
            Some((key, value)) => Err(format!(
                "config.{key} is {value}: nothing here knows what that does"
            )),
        }
    }

    fn bottleneck(self) -> Result<MethodConfig, String> {
        must(
            !self.cross_adapter,
            "cross_adapter (adapters after cross-attention)",
        )?;
        must(
            !self.ln_before && !self.ln_after,
            "a layer norm inside the adapter (ln_before, ln_after)",
        )?;
        must(!self.use_gating, "use_gating")?;
        must(
            self.inv_adapter.is_null(),
            "inv_adapter (invertible adapters)",
        )?;
        must(self.original_ln_after, "original_ln_after = false")?;
        let positions = match (self.mh_adapter, self.output_adapter) {
            (true, true) => Positions::Both,
            (true, false) => Positions::SelfAttention,
            (false, true) => Positions::FeedForward,
            (false, false) => {
                return Err("mh_adapter and output_adapter: one has to be true".to_owned());
            }
        };
        let reduction_factor = self.reduction()?;
        let scale = self
            .scaling
            .as_f64()
            .ok_or("scaling: only numbers are supported")?;
        let kind = match (self.phm_layer, self.is_parallel, positions) {
            (true, true, _) => return Err("phm_layer with is_parallel is not supported".to_owned()),
            (true, false, Positions::Both) => MethodKind::Compacter,
            (true, false, _) => MethodKind::CompacterPlusPlus,
            (false, true, _) => MethodKind::Parallel,
            (false, false, Positions::Both) => MethodKind::Adapter,
            (false, false, _) => MethodKind::Pfeiffer,
        };
        let mut method = MethodConfig {
            reduction_factor: Some(reduction_factor),
            non_linearity: Some(self.non_linearity()?),
            positions: Some(positions),
            train_layer_norms: Some(false),
            leave_out: Some(self.leave_out.clone()),
            placement: Some(Placement::Adapterhub),
            ..MethodConfig::from_kind(kind)
        };
        if self.is_parallel {
            method.scale = Some(scale);
            return Ok(method);
        }
        must(
            equal(scale, 1.0),
            "scaling of adapters that are not parallel",
        )?;
        method.placement = Some(match (self.original_ln_before, positions) {
            (false, Positions::Both) => Placement::Adapterhub,
            // What it reads is the output alone; dropout, which is off once it is trained,
            // stands elsewhere.
            (false, _) => Placement::Paper,
            (true, Positions::Both) => {
                return Err(
                    "original_ln_before with both mh_adapter and output_adapter is not supported"
                        .to_owned(),
                );
            }
            (true, _) => {
                must(
                    self.residual_before_ln == json!(true),
                    "residual_before_ln other than true",
                )?;
                Placement::Adapterhub
            }
        });
        if self.phm_layer {
            must(self.phm_bias, "phm_bias = false")?;
            must(!self.factorized_phm_rule, "factorized_phm_rule")?;
            must(!self.shared_w_phm, "shared_W_phm")?;
            method.n = Some(self.phm_dim);
            method.slow = (!self.shared_phm_rule).then_some(SlowWeights::Own);
            if self.factorized_phm_w {
                method.rank = Some(self.phm_rank);
            } else {
                method.fast = Some(FastWeights::Dense);
            }
        }
        Ok(method)
    }

    fn low_rank(self, is_t5: bool) -> Result<MethodConfig, String> {
        must(!self.use_gating, "use_gating")?;
        must(
            self.vera_d.is_null() && self.vera_b.is_null(),
            "vera_d (VeRA)",
        )?;
        must(
            self.leave_out.is_empty(),
            "leave_out of low-rank updates and (IA)³",
        )?;
        must(self.selfattn_lora, "selfattn_lora = false")?;
        must(!self.output_lora, "output_lora")?;
        if self.composition_mode == "scale" {
            must(
                self.r == 1 && equal(self.alpha, 1.0),
                "(IA)³ with r or alpha other than 1",
            )?;
            must(
                self.intermediate_lora,
                "(IA)³ with intermediate_lora = false",
            )?;
            let mut scaled = self.attn_matrices;
            scaled.sort_unstable();
            must(
                scaled == ["k", "v"],
                "(IA)³ with attn_matrices other than k and v",
            )?;
            return Ok(MethodConfig {
                placement: Some(Placement::Adapterhub),
                ..MethodConfig::from_kind(MethodKind::Ia3)
            });
        }
        must(
            self.composition_mode == "add",
            "composition_mode other than add and scale",
        )?;
        must(!self.intermediate_lora, "intermediate_lora")?;
        must(
            !self.use_dora || is_t5 && equal(self.alpha, self.r as f64),
            DIRECTIONS,
        )?;
        let kind = if self.use_dora {
            MethodKind::Dora
        } else {
            MethodKind::Lora
        };
        Ok(MethodConfig {
            rank: Some(self.r),
            alpha: Some(self.alpha),
            targets: Some(self.attn_matrices),
            dropout: (self.dropout > 0.0).then_some(self.dropout),
            ..MethodConfig::from_kind(kind)
        })
    }

    fn prefix(self) -> Result<MethodConfig, String> {
        must(!self.use_gating, "use_gating")?;
        must(self.leave_out.is_empty(), "leave_out of prefixes")?;
        must(
            self.encoder_prefix && self.cross_prefix,
            "encoder_prefix or cross_prefix = false",
        )?;
        must(
            self.flat || self.non_linearity == "tanh",
            "non_linearity of a prefix other than tanh",
        )?;
        Ok(MethodConfig {
            length: Some(self.prefix_length),
            bottleneck: Some(if self.flat { 0 } else { self.bottleneck_size }),
            ..MethodConfig::from_kind(MethodKind::Prefix)
        })
    }

    fn prompt(self) -> Result<MethodConfig, String> {
        must(self.combine == "prefix", "combine other than prefix")?;
        Ok(MethodConfig {
            length: Some(self.prompt_length),
            ..MethodConfig::from_kind(MethodKind::Prompt)
        })
    }

    /// The reduction factor, which has to be the same whole number everywhere.
    fn reduction(&self) -> Result<usize, String> {
        let whole = self
            .reduction_factor
            .as_f64()
            .filter(|factor| factor.fract() == 0.0);
        let whole = whole.filter(|factor| (1.0..1e9).contains(factor));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked"
        )]
        whole.map(|factor| factor as usize).ok_or_else(|| {
            format!(
                "reduction_factor: {} is no whole number",
                self.reduction_factor
            )
        })
    }

    fn non_linearity(&self) -> Result<NonLinearity, String> {
        Ok(match self.non_linearity.to_lowercase().as_str() {
            "gelu" => NonLinearity::Gelu,
            "gelu_new" => NonLinearity::GeluNew,
            "relu" => NonLinearity::Relu,
            "swish" | "silu" => NonLinearity::Swish,
            other => {
                return Err(format!(
                    "non_linearity: `{other}` is none of gelu, gelu_new, relu, swish"
                ));
            }
        })
    }
}
