//! What the presets decide where a configuration is silent.
//!
//! `paper` is the reference implementation of Compacter (arXiv:2106.04647) with the
//! settings of its configuration files; `adapterhub` is the library `adapters` 1.3.0 as
//! it behaves when run. They differ in more than the paper says:
//!
//! | setting | paper | adapterhub |
//! |---|---|---|
//! | layer norms | trained | frozen |
//! | non-linearity | `gelu_new` | `gelu`; plain adapters `swish` |
//! | fast weights | Glorot uniform, gain √2 | Xavier normal, gain 1, whatever its own option says |
//! | plain adapters | width / 32, std 0.01 | width / 16, std 0.02 |
//! | `LoRA`'s alpha | 16 | 8 |
//!
//! Slow weights start from a normal distribution of standard deviation 1e-4 when shared
//! and 0.01 when not, in both.

use super::{
    BottleneckConfig, Convention, FastInit, FastWeights, LoraConfig, Method, MethodConfig,
    MethodKind, NonLinearity, PhmConfig, Placement, Positions, SlowInit, SlowWeights,
};
use crate::error::{Error, Result};

impl MethodConfig {
    /// The preset of a method, with nothing overridden.
    #[must_use]
    pub fn from_kind(kind: MethodKind) -> Self {
        Self {
            kind,
            ..Self::default()
        }
    }

    /// Decides every field: the preset's value where the configuration has none.
    ///
    /// # Errors
    /// When a setting is out of range, without effect, or not one of the method's.
    pub fn resolve(&self) -> Result<Method> {
        self.check()
            .map_err(|complaint| Error::method(complaint.to_string()))?;
        Ok(match self.kind {
            MethodKind::Full => Method::Full,
            MethodKind::Head => Method::Head,
            MethodKind::Adapter => Method::Adapter {
                bottleneck: self.bottleneck(),
                init_std: self.init_range.unwrap_or(match self.convention {
                    Convention::Paper => 0.01,
                    Convention::Adapterhub => 0.02,
                }),
            },
            MethodKind::Compacter | MethodKind::CompacterPlusPlus => Method::Compacter {
                bottleneck: self.bottleneck(),
                phm: self.phm(),
            },
            MethodKind::Lora => Method::Lora(self.lora()),
        })
    }

    fn bottleneck(&self) -> BottleneckConfig {
        let plain = self.kind == MethodKind::Adapter;
        let paper = self.convention == Convention::Paper;
        let non_linearity = match (paper, plain) {
            (true, _) => NonLinearity::GeluNew,
            (false, true) => NonLinearity::Swish,
            (false, false) => NonLinearity::Gelu,
        };
        let placement = match self.convention {
            Convention::Paper => Placement::Paper,
            Convention::Adapterhub => Placement::Adapterhub,
        };
        let positions = match self.kind {
            MethodKind::CompacterPlusPlus => Positions::FeedForward,
            _ => Positions::Both,
        };
        let reduction = if plain && !paper { 16 } else { 32 };
        BottleneckConfig {
            reduction_factor: self.reduction_factor.unwrap_or(reduction),
            non_linearity: self.non_linearity.unwrap_or(non_linearity),
            placement: self.placement.unwrap_or(placement),
            positions: self.positions.unwrap_or(positions),
            train_layer_norms: self.train_layer_norms.unwrap_or(paper),
            leave_out: self.leave_out.clone().unwrap_or_default(),
        }
    }

    fn phm(&self) -> PhmConfig {
        let slow = self.slow.unwrap_or(SlowWeights::Shared);
        let fast_init = match self.convention {
            Convention::Paper => FastInit::GlorotUniform,
            Convention::Adapterhub => FastInit::XavierNormal,
        };
        PhmConfig {
            n: self.n.unwrap_or(4),
            rank: self.rank.unwrap_or(1),
            slow,
            learn_slow: self.learn_slow.unwrap_or(true),
            fast: self.fast.unwrap_or(FastWeights::Factored),
            fast_init: self.fast_init.unwrap_or(fast_init),
            slow_init: self.slow_init.unwrap_or(SlowInit::Normal),
            init_range: self.init_range.unwrap_or(match slow {
                SlowWeights::Shared => 1e-4,
                SlowWeights::Own => 0.01,
            }),
        }
    }

    fn lora(&self) -> LoraConfig {
        let alpha = match self.convention {
            Convention::Paper => 16.0,
            Convention::Adapterhub => 8.0,
        };
        let targets = || vec!["q".to_owned(), "v".to_owned()];
        LoraConfig {
            rank: self.rank.unwrap_or(8),
            alpha: self.alpha.unwrap_or(alpha),
            targets: self.targets.clone().unwrap_or_else(targets),
            dropout: self.dropout.unwrap_or(0.0),
        }
    }
}

impl Method {
    /// Peak learning rate where a configuration names none.
    #[must_use]
    pub fn default_learning_rate(&self) -> f64 {
        match self {
            Self::Full => MethodKind::Full,
            Self::Head => MethodKind::Head,
            Self::Adapter { .. } => MethodKind::Adapter,
            // Both Compacters have the same rate.
            Self::Compacter { .. } => MethodKind::Compacter,
            Self::Lora(_) => MethodKind::Lora,
        }
        .default_learning_rate()
    }
}
